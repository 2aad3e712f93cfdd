"""What combined scorers of a run read from the database."""

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.models import Combination as CombinationRow
from backend.models import Score
from nas.experiment import Experiment
from nas.ranking.calibration import Calibration
from nas.ranking.combination import Combination, combine
from nas.ranking.scorers.base import CombinedScorer


def final_scores(session: Session, run_id: int) -> dict[str, dict[str, float]]:
    """Return the final scores of a run by architecture and kind of scorer, in a fixed order."""
    statement = (
        select(Score.architecture, Score.scorer, Score.score)
        .where(Score.run_id == run_id, Score.stage == "final")
        .order_by(Score.architecture, Score.scorer)
    )
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for architecture, scorer, score in session.execute(statement):
        found[architecture][scorer] = score
    return dict(found)


def calibrations(session: Session, run_id: int) -> dict[str, Calibration | None]:
    """Return, by kind, what the combined scorers learned that are prepared already."""
    rows = session.scalars(select(CombinationRow).where(CombinationRow.run_id == run_id))
    return {row.scorer: row.calibration for row in rows}


def searched_combination(
    session: Session, experiment: Experiment, run_id: int
) -> Combination | None:
    """Return the combined scorer that the run's search maximises; None if it maximises another."""
    ranking, searcher = experiment.spec.ranking, experiment.spec.search
    assert searcher is not None
    scorer = next(one for one in ranking.scorers if one.kind == searcher.scorer)
    if not isinstance(scorer, CombinedScorer):
        return None
    return combine(
        ranking,
        experiment.partition,
        scorer,
        final_scores(session, run_id),
        calibrations(session, run_id)[scorer.kind],
    )
