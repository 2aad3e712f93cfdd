"""What combined scorers of a run read from the database."""

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.models import Combination as CombinationRow
from backend.models import Score
from nas.experiment import Experiment
from nas.ranking.calibration import Calibration
from nas.ranking.combination import Combination, combine


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


def searched_combinations(
    session: Session, experiment: Experiment, run_id: int
) -> dict[str, Combination]:
    """Return, by kind, those of the searcher's scorers that combine others."""
    ranking, searcher = experiment.spec.ranking, experiment.spec.search
    assert searcher is not None
    combined = [one for one in ranking.combined_scorers if one.kind in searcher.scorers]
    if not combined:
        return {}
    scores, learned = final_scores(session, run_id), calibrations(session, run_id)
    return {
        one.kind: combine(ranking, experiment.partition, one, scores, learned[one.kind])
        for one in combined
    }
