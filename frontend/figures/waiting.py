"""What a figure says while its data is missing: when it comes, or that it no longer will."""

from backend.runs.schemas import RunRead

ENDED = {"succeeded": "has ended", "failed": "has failed", "cancelled": "was cancelled"}


def awaited(run: RunRead, missing: str, comes: str = "") -> str:
    """Return two lines.

    Args:
        run: whose data it is.
        missing: what there is none of yet, as a sentence.
        comes: when there will be, as a sentence; left out for a run that has come to an end.
    """
    second = f"The run {ENDED[run.state]}." if run.state in ENDED else comes
    return f"{missing}<br>{second}" if second else missing


def awaited_candidates(run: RunRead) -> str:
    """Return what is said where a search's candidates would be."""
    if run.spec.search is None:
        return "This run ends after ranking: it has no search."
    return awaited(
        run, "The search has not evaluated a candidate yet.", "It starts after ranking."
    )
