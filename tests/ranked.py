"""Stored rank correlations with a given tau."""

from dataclasses import asdict
from typing import Any

from nas.ranking.measures import MEASURES, Measure

REASON = "All scores are equal."


def stored_measures(
    tau: float | None, *, n: int = 4, ties: int = 0, **others: float | None
) -> dict[str, Any]:
    """Return every measure as a row holds it.

    All have the value `tau` within 0.1 each way; `others` differ, by name with underscores.
    """
    found = {}
    for name, definition in MEASURES.items():
        value = others.get(name.replace("-", "_"), tau)
        has_interval = value is not None and definition.has_interval
        found[name] = asdict(
            Measure(
                value=value,
                low=value - 0.1 if has_interval else None,
                high=value + 0.1 if has_interval else None,
                num_architectures=n,
                score_ties=ties,
                truth_ties=0,
                undefined_reason=REASON if value is None else None,
            )
        )
    return found


def stored_correlation(tau: float | None, *, n: int = 4, ties: int = 0) -> dict[str, Any]:
    """Return the columns of a correlation that depend on what was found."""
    best = {
        "architecture": "|nor_conv_3x3~0|",
        "true_accuracy": 91.5,
        "true_rank": 3,
        "num_ranked": 116,
        "num_tied": 1,
    }
    return {
        "tau": tau,
        "num_architectures": n,
        "score_ties": ties,
        "truth_ties": 0,
        "measures": stored_measures(tau, n=n, ties=ties),
        "best": None if tau is None else best,
    }
