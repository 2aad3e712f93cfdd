"""Conditions of a rank correlation that a reader must not miss."""

from collections.abc import Mapping
from typing import Any

USUAL: Mapping[str, Any] = {  # Any: JSON values
    "micro_batches": 1,
    "precision": "float32",
    "processes": 1,
    "regularisers": "none",
}
"""What training computes with unless a run asks for, or needs, something else."""


def unusual_conditions(conditions: Mapping[str, Any]) -> tuple[str, ...]:  # Any: JSON values
    """Return in words how the training behind a correlation differs from the usual."""
    return tuple(
        f"{name.replace('_', ' ')} {conditions[name]}"
        for name, usual in USUAL.items()
        if conditions.get(name, usual) != usual
    )
