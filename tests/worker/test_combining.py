"""Combined scores of a whole run: stored once, resumed, and the same in search as in ranking."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select, update

from backend.db import db_now
from backend.models import Candidate, Run, Score, Unit
from backend.models import Combination as CombinationRow
from backend.runs import results
from backend.runs.results import scores
from nas import pipeline
from nas.ranking.combination import combine
from nas.ranking.metrics import rank_correlation
from nas.spec import RunSpec
from tests.worker.running import DrainWhen, run_here, run_to_end
from tests.worker.support import Deployment, add_truth, tiny_spec, unit_of
from worker import combining
from worker.loading import load_run
from worker.reaper import reap

NUM_VALID = 116
"""Of digits-mini, and so its reference sample."""

NUM_RANKED = 24
MEASURED = [{"kind": "loss"}, {"kind": "flops"}]
NUM_LANDMARKS = 15


def spec_with(
    *combined: str,
    searched: str = "rank-sum",
    objectives: tuple[str, ...] | None = None,
    **changes: Any,
) -> RunSpec:
    return tiny_spec(
        **changes,
        benchmark="ordered",
        ranking={"scorers": [*MEASURED, *({"kind": kind} for kind in combined)]},
        search={"kind": "random", "scorer": searched, "budget": 12, "objectives": objectives},
    )


@pytest.fixture
def ordered(deployment: Deployment) -> Deployment:
    add_truth(deployment.db)
    return deployment


@pytest.fixture
def eager(embedded: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Stores at every event, and combines few at a time."""
    monkeypatch.setattr(pipeline, "COMBINING_CHUNK", 10)
    add_truth(embedded.db)
    settings = embedded.settings.model_copy(update={"record_seconds": 1e-6})
    return Deployment(embedded.db, settings)


def load_run_truth(session, run: Run) -> dict[str, float]:
    from worker.correlations import load_truth

    truth = load_truth(session, run)
    assert truth is not None
    return dict(truth.accuracies)


def stored_scores(deployment: Deployment, run_id: int, **wanted: object) -> dict[str, float]:
    with deployment.db.reading() as session:
        statement = select(Score.architecture, Score.score).where(Score.run_id == run_id)
        rows = session.execute(statement.filter_by(stage="final", **wanted)).all()
    return {architecture: score for architecture, score in rows}


def has_combined(deployment: Deployment, run_id: int, number: int) -> Callable[[], bool]:
    return lambda: len(stored_scores(deployment, run_id, scorer="rank-sum")) >= number


def test_a_run_combines_its_scores_and_searches_by_them(ordered: Deployment) -> None:
    run_id = ordered.create(spec_with("rank-sum"))
    run_to_end(ordered, run_id)
    assert ordered.state(run_id) == "succeeded", ordered.messages(run_id)
    combined = stored_scores(ordered, run_id, scorer="rank-sum")
    assert len(combined) == NUM_VALID
    assert len(stored_scores(ordered, run_id, scorer="rank-sum", ranked=True)) == NUM_RANKED
    with ordered.db.reading() as session:
        candidates = session.scalars(select(Candidate).where(Candidate.run_id == run_id)).all()
        assert len(candidates) == 12
        assert {row.architecture: row.score for row in candidates}.items() <= combined.items()
        (combination,) = results.combinations(session, run_id)
        unit = unit_of(session, run_id, "combine")
        assert (unit.progress, unit.total) == (NUM_VALID, NUM_VALID)
        assert not session.scalar(
            select(func.count()).where(Score.scorer == "rank-sum", Score.stage == "live")
        )
    assert (combination.components, combination.num_reference) == (["loss", "flops"], NUM_VALID)
    assert (combination.landmarks, combination.left_out_tau) == ([], None)


def test_every_objective_of_a_search_is_stored_also_what_combines_others(
    ordered: Deployment,
) -> None:
    objectives = ("flops", "rank-sum", "loss", "nonlinearity-count")
    run_id = ordered.create(spec_with("rank-sum", searched="loss", objectives=objectives))
    run_to_end(ordered, run_id)
    assert ordered.state(run_id) == "succeeded", ordered.messages(run_id)
    by_loss = stored_scores(ordered, run_id, scorer="loss")
    combined = stored_scores(ordered, run_id, scorer="rank-sum")
    with ordered.db.reading() as session:
        found = results.candidates(session, run_id)
    assert len(found) == 12
    for row in found:
        assert row.objectives == {
            "flops": row.flops,
            "rank-sum": combined[row.architecture],
            "loss": by_loss[row.architecture],
            "nonlinearity-count": row.nonlinearity_count,
        }
        assert row.score == by_loss[row.architecture]


def test_correlations_count_the_ranking_sample_alone(ordered: Deployment) -> None:
    run_id = ordered.create(spec_with("rank-sum"))
    run_to_end(ordered, run_id)
    with ordered.db.reading() as session:
        truth = load_run_truth(session, session.get_one(Run, run_id))
        rows = results.correlations(session, run_id, stage="final")
    assert {(row.scorer, row.scope) for row in rows} == {
        (scorer, scope)
        for scorer in ("loss", "flops", "rank-sum")
        for scope in ("0", "1", "overall")
    }
    for row in rows:
        wanted = {} if row.scope == "overall" else {"subspace": int(row.scope)}
        known = stored_scores(ordered, run_id, scorer=row.scorer, ranked=True, **wanted)
        expected = rank_correlation(
            list(known.values()), [truth[code] for code in known], seed=0, num_bootstrap=2
        )
        assert row.num_architectures == len(known)
        assert row.tau.value == expected.tau.value
        is_combined = row.scorer == "rank-sum"
        assert row.conditions.get("combines") == ("loss, flops" if is_combined else None)
        assert row.conditions.get("reference") == (NUM_VALID if is_combined else None)


def test_what_is_measured_does_not_depend_on_whether_it_is_combined(
    embedded: Deployment, eager: Deployment
) -> None:
    plain, combined = (
        eager.create(spec) for spec in (spec_with(searched="loss"), spec_with("rank-sum"))
    )
    for run_id in (plain, combined):
        run_to_end(embedded, run_id)
    for scorer in ("loss", "flops"):
        found = stored_scores(eager, plain, scorer=scorer)
        assert len(found) == NUM_RANKED
        assert found == stored_scores(eager, combined, scorer=scorer, ranked=True)


def test_an_interrupted_combine_unit_goes_on_where_it_was(
    embedded: Deployment, eager: Deployment
) -> None:
    calm, disturbed = eager.create(spec_with("rank-sum")), eager.create(spec_with("rank-sum"))
    run_to_end(embedded, calm)
    assert run_here(eager, disturbed, DrainWhen(has_combined(eager, disturbed, 30)), "first")
    stored = stored_scores(eager, disturbed, scorer="rank-sum")
    assert 30 <= len(stored) < NUM_VALID
    with eager.db.reading() as session:
        unit = unit_of(session, disturbed, "combine")
        assert (unit.state, unit.progress) == ("ready", len(stored))
    assert run_here(eager, disturbed, DrainWhen(has_combined(eager, disturbed, 60)), "second")
    run_to_end(embedded, disturbed)
    found = stored_scores(eager, disturbed, scorer="rank-sum")
    assert found == stored_scores(eager, calm, scorer="rank-sum")
    assert stored.items() <= found.items()


class Killed(BaseException):
    """Ends a runner as a signal would: nothing is put back."""


def test_a_killed_combine_unit_is_taken_up_by_another_slot(
    embedded: Deployment, eager: Deployment
) -> None:
    calm, killed = eager.create(spec_with("rank-sum")), eager.create(spec_with("rank-sum"))
    run_to_end(embedded, calm)
    enough = has_combined(eager, killed, 20)

    def die() -> bool:
        if enough():
            raise Killed
        return False

    with pytest.raises(Killed):
        run_here(eager, killed, DrainWhen(die), "first")
    with eager.db.unit_of_work() as session:
        assert unit_of(session, killed, "combine").state == "leased"
        session.execute(update(Unit).where(Unit.run_id == killed).values(lease_until=db_now(-1.0)))
    reap(eager.db, eager.settings)
    run_to_end(embedded, killed)
    assert eager.state(killed) == "succeeded"
    with eager.db.reading() as session:
        assert unit_of(session, killed, "combine").attempt == 2
    for scorer in ("rank-sum", "loss"):
        assert stored_scores(eager, killed, scorer=scorer) == stored_scores(
            eager, calm, scorer=scorer
        )


def test_a_calibrated_scorer_learns_from_landmarks_alone_and_tells_how_well(
    ordered: Deployment,
) -> None:
    landmarks = {"kind": "benchmark", "choice": {"kind": "random", "count": NUM_LANDMARKS}}
    run_id = ordered.create(
        spec_with("rank-sum", "calibrated", searched="calibrated", landmarks=landmarks)
    )
    run_to_end(ordered, run_id)
    assert ordered.state(run_id) == "succeeded", ordered.messages(run_id)
    found = stored_scores(ordered, run_id, scorer="calibrated")
    with ordered.db.reading() as session:
        calibrated, rank_sum = results.combinations(session, run_id)
        candidates = session.scalars(select(Candidate).where(Candidate.run_id == run_id)).all()
        assert {row.architecture: row.score for row in candidates}.items() <= found.items()
        conditions = [
            row.conditions
            for row in results.correlations(session, run_id, scorer="calibrated")
            if row.scope == "overall"
        ]
        learned = session.get_one(CombinationRow, (run_id, "calibrated")).calibration
        experiment = load_run(session, ordered.settings, run_id).experiment
        table = combining.final_scores(session, run_id)
        truth = load_run_truth(session, session.get_one(Run, run_id))
        ranked = scores(session, run_id, scorer="calibrated", stage="final")
    assert (rank_sum.num_landmarks, rank_sum.offsets) == (0, None)
    assert calibrated.num_landmarks == len(calibrated.landmarks) == NUM_LANDMARKS
    assert calibrated.offsets is not None
    assert len(calibrated.offsets) == 2
    assert calibrated.left_out_tau is not None
    for landmark in calibrated.landmarks:
        assert landmark.accuracy == truth[landmark.architecture]
        assert landmark.left_out_score is not None
    (shown,) = conditions
    assert shown["landmarks"] == NUM_LANDMARKS
    assert shown["left_out_tau"] == calibrated.left_out_tau
    assert shown["combines"] == "loss, flops"
    # What is stored is all that is needed to score again.
    scorer = experiment.spec.ranking.combined_scorers[1]
    ready = combine(experiment.spec.ranking, experiment.partition, scorer, table, learned)
    codes = sorted(found)
    again = ready.scores(
        [experiment.space.decode(code) for code in codes],
        [[table[code]["loss"], table[code]["flops"]] for code in codes],
    )
    assert dict(zip(codes, again, strict=True)) == found
    assert len(ranked) == NUM_RANKED


def test_a_calibrated_scorer_without_landmarks_is_refused() -> None:
    with pytest.raises(ValidationError, match="learns from landmarks: set") as refused:
        spec_with("calibrated", searched="loss")
    assert refused.value.errors()[0]["loc"] == ("ranking", "scorers", 2)
