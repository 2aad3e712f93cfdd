"""Conditions of a rank correlation, in words."""

from collections.abc import Mapping
from typing import Any

USUAL: Mapping[str, Any] = {  # Any: JSON values
    "micro_batches": 1,
    "precision": "float32",
    "processes": 1,
    "regularisers": "none",
    "batch_norm": "batch-stats",
    "drawn_from": "space",
    "not_in_benchmark": 0,
}
"""What training and scoring compute with, and miss, unless a run asks for, or needs, something else."""

SHOWN_APART = ("n", "score_ties", "truth_ties", "noise_ceiling")
"""Conditions that stand beside the measures themselves."""


def unusual_conditions(conditions: Mapping[str, Any]) -> tuple[str, ...]:  # Any: JSON values
    """Return in words how training and scoring behind a correlation differ from the usual.

    Architectures that were scored, and that the benchmark does not hold, are among it.
    """
    return tuple(
        f"{name.replace('_', ' ')} {conditions[name]}"
        for name, usual in USUAL.items()
        if conditions.get(name, usual) != usual
    )


def further_conditions(conditions: Mapping[str, Any]) -> dict[str, str]:  # Any: JSON values
    """Return in words, by name, what a correlation depends on beside n, ties and noise ceiling."""
    return {
        name.replace("_", " "): _text(name, value)
        for name, value in conditions.items()
        if name not in SHOWN_APART
    }


def _text(name: str, value: Any) -> str:  # Any: a JSON value
    if value is None:
        return "undefined"
    if isinstance(value, float):
        return f"{value:.4g}"
    if not isinstance(value, Mapping):
        return str(value)
    if name == "bootstrap":
        # Each row draws with a seed of its own, which would set every two rows apart.
        return f"{value['resamples']} resamples"
    kind, *parameters = sorted(value.items(), key=lambda item: item[0] != "kind")
    texts = [f"{key.replace('_', ' ')} {parameter}" for key, parameter in parameters]
    return f"{kind[1]} ({', '.join(texts)})" if texts else str(kind[1])
