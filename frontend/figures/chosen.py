"""What a viewer chose to see in the figures of a ranking."""

from dataclasses import dataclass

from nas.ranking.measures import MeasureName


@dataclass(frozen=True, slots=True)
class Chosen:
    """A measure of the ranking, and whose scores are ranked.

    Attributes:
        measure: that figures over steps, and those that compare runs, show.
        scorer: one of the run's; None: the one that stands for it.
    """

    measure: MeasureName = "tau"
    scorer: str | None = None


USUAL = Chosen()
"""What figures show unless something else is chosen."""
