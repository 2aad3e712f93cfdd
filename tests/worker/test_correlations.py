"""Rank correlations are written once, from one round, with their conditions."""

import threading
from dataclasses import replace

import pytest
from scipy.stats import kendalltau
from sqlalchemy import select

from backend.db import Database
from backend.models import Correlation, Run, Unit
from backend.runs import leases, results
from backend.runs.conditions import unusual_conditions
from backend.runs.leases import Lease
from backend.runs.schemas import CorrelationRead
from nas.events import ArchitectureScore, ArchitecturesScored, RoundFinished
from nas.ranking.batch_norm.recalibrate import Recalibrate
from nas.spec import RankingSpec, RunSpec
from tests.worker.support import (
    SLOT,
    Deployment,
    add_truth,
    skip_to_training,
    tiny_spec,
    unit_of,
)
from worker.correlations import Truth, joint_conditions, load_truth
from worker.recorder import Recorder

SPEC = tiny_spec(benchmark="ordered")


@pytest.fixture
def ranked(deployment: Deployment) -> Deployment:
    add_truth(deployment.db)
    return deployment


def architectures(deployment: Deployment, run_id: int) -> list[list[str]]:
    """Return three valid architectures per sub-space, in the order of their truth."""
    with deployment.db.reading() as session:
        run = session.get_one(Run, run_id)
        space = run.space.definition
        partition = run.spec.splitter.split(space)
    parts: list[list[str]] = [[] for _ in partition.subspaces]
    for member in filter(space.is_valid, space.enumerate()):
        parts[partition.route(member)].append(space.encode(member))
    return [part[:3] for part in parts]


def claim_unit(deployment: Deployment, run_id: int, key: str, owner: str = SLOT) -> Lease:
    """Give one named unit to a slot, past the round rule."""
    with deployment.db.unit_of_work() as session:
        unit = unit_of(session, run_id, key)
        unit.state, unit.owner, unit.attempt = "leased", owner, unit.attempt + 1
        return Lease(unit.id, run_id, owner, unit.attempt)


def store_part(
    db: Database, truth: Truth, spec: RunSpec, lease: Lease, step: int, scores: dict[str, float]
) -> None:
    """Store a unit's scores of one round, as its runner would."""
    recorder = Recorder(spec=spec, truth=truth, num_validation=397)
    with db.unit_of_work() as session:
        unit = leases.verify(session, lease)[1]
        recorder.add(
            ArchitecturesScored(
                step,
                tuple(
                    ArchitectureScore(code, unit.subspace or 0, "loss", score)
                    for code, score in scores.items()
                ),
            ),
            0.5,
        )
        recorder.add(RoundFinished(step), 0.0)
        recorder.write(session, unit)


def stored(deployment: Deployment, run_id: int, scope: str) -> list[CorrelationRead]:
    with deployment.db.reading() as session:
        return [row for row in results.correlations(session, run_id) if row.scope == scope]


def truth_of(deployment: Deployment, run_id: int) -> Truth:
    with deployment.db.reading() as session:
        truth = load_truth(session, session.get_one(Run, run_id))
    assert truth is not None
    return truth


def test_a_sub_space_shows_at_once_and_the_whole_with_the_last_part(ranked: Deployment) -> None:
    run_id = skip_to_training(ranked, SPEC, [3, 3])
    parts = architectures(ranked, run_id)
    truth = truth_of(ranked, run_id)
    scores = [{parts[0][0]: 0.1, parts[0][1]: 0.3, parts[0][2]: 0.2}]
    scores += [{parts[1][0]: 0.6, parts[1][1]: 0.5, parts[1][2]: 0.4}]
    store_part(ranked.db, truth, SPEC, claim_unit(ranked, run_id, "train-0"), 40, scores[0])
    assert len(stored(ranked, run_id, "0")) == 1
    assert stored(ranked, run_id, "overall") == []
    store_part(ranked.db, truth, SPEC, claim_unit(ranked, run_id, "train-1"), 40, scores[1])
    (overall,) = stored(ranked, run_id, "overall")
    everything = scores[0] | scores[1]
    expected = kendalltau(list(everything.values()), [truth.accuracies[c] for c in everything])
    assert overall.tau.value == pytest.approx(expected.statistic)
    assert (overall.stage, overall.step, overall.num_architectures) == ("live", 40, 6)
    assert [row.num_architectures for row in stored(ranked, run_id, "1")] == [3]


def test_a_correlation_carries_its_conditions(ranked: Deployment) -> None:
    run_id = skip_to_training(ranked, SPEC, [3, 3])
    part = architectures(ranked, run_id)[0]
    lease = claim_unit(ranked, run_id, "train-0")
    store_part(ranked.db, truth_of(ranked, run_id), SPEC, lease, 40, dict.fromkeys(part, 1.0))
    (row,) = stored(ranked, run_id, "0")
    for measure in row.measures.values():
        assert (measure.value, measure.low, measure.high) == (None, None, None)
        assert measure.undefined_reason
    assert row.tau.undefined_reason == "All 3 scores are equal."
    assert row.best is None
    bootstrap = row.conditions.pop("bootstrap")
    assert (bootstrap["resamples"], bootstrap["confidence"]) == (1000, 0.95)
    assert row.conditions == {
        "drawn_from": "space",
        "n": 3,
        "score_ties": 3,
        "truth_ties": 0,
        "split": "validation",
        "batch_norm": "batch-stats",
        "images": 20,
        "batch_size": 250,
        "seed": 0,
        "benchmark": "ordered@1",
        "benchmark_column": "accuracy",
        "noise_ceiling": 0.9,
        "sparse_threshold": 0.1,
        "random_draws": 10,
        "threads": 1,
        "precision": "float32",
        "processes": 1,
        "regularisers": "none",
        "landmarks_left_out": 0,
        "not_in_benchmark": 0,
        "micro_batches": 1,
    }


def test_architectures_that_the_benchmark_lacks_are_counted(ranked: Deployment) -> None:
    run_id = skip_to_training(ranked, SPEC, [3, 3])
    part, whole = architectures(ranked, run_id)[0], truth_of(ranked, run_id)
    held = {code: value for code, value in whole.accuracies.items() if code != part[0]}
    truth = replace(whole, accuracies=held)
    scores = dict(zip(part, (0.1, 0.2, 0.3), strict=True))
    store_part(ranked.db, truth, SPEC, claim_unit(ranked, run_id, "train-0"), 40, scores)
    (row,) = stored(ranked, run_id, "0")
    assert (row.num_architectures, row.conditions["not_in_benchmark"]) == (2, 1)
    assert row.tau.undefined_reason == "Too few architectures: 2, where at least 3 are needed."
    assert unusual_conditions(row.conditions) == ("not in benchmark 1",)


def test_another_policy_of_batch_norm_shows_among_the_conditions(ranked: Deployment) -> None:
    ranking = SPEC.ranking.model_copy(update={"batch_norm": Recalibrate(batches=7)})
    spec = SPEC.model_copy(update={"ranking": ranking})
    run_id = skip_to_training(ranked, spec, [3, 3])
    part = architectures(ranked, run_id)[0]
    lease = claim_unit(ranked, run_id, "train-0")
    store_part(ranked.db, truth_of(ranked, run_id), spec, lease, 40, dict.fromkeys(part, 1.0))
    (row,) = stored(ranked, run_id, "0")
    assert row.conditions["batch_norm"] == "recalibrate(7)"
    assert unusual_conditions(row.conditions) == ("batch norm recalibrate(7)",)


def test_the_best_by_prediction_is_stored_with_its_rank_in_the_benchmark(
    ranked: Deployment,
) -> None:
    run_id = skip_to_training(ranked, SPEC, [3, 3])
    first, second, third = architectures(ranked, run_id)[0]
    scores = {first: 0.1, second: 0.7, third: 0.7}
    truth = truth_of(ranked, run_id)
    store_part(ranked.db, truth, SPEC, claim_unit(ranked, run_id, "train-0"), 40, scores)
    (row,) = stored(ranked, run_id, "0")
    tied = min(second, third)  # in order of the alphabet
    better = sum(accuracy > truth.accuracies[tied] for accuracy in truth.accuracies.values())
    assert row.best is not None
    assert row.best.model_dump() == {
        "architecture": tied,
        "true_accuracy": truth.accuracies[tied],
        "true_rank": 1 + better,
        "num_ranked": 116,
        "num_tied": 2,
    }
    best_of_pool = max(truth.accuracies[code] for code in scores)
    assert row.measures["pool-regret"].value == best_of_pool - truth.accuracies[tied]
    assert row.measures["benchmark-regret"].value == (
        max(truth.accuracies.values()) - truth.accuracies[tied]
    )


def test_an_unknown_ceiling_and_the_bins_of_the_spec_are_stored(deployment: Deployment) -> None:
    add_truth(deployment.db, noise_ceiling=None)
    ranking = SPEC.ranking.model_copy(update={"sparse_threshold": 100.0})
    spec = SPEC.model_copy(update={"ranking": ranking})
    run_id = skip_to_training(deployment, spec, [3, 3])
    part, truth = architectures(deployment, run_id)[0], truth_of(deployment, run_id)
    lease = claim_unit(deployment, run_id, "train-0")
    scores = dict(zip(part, (0.1, 0.3, 0.2), strict=True))
    store_part(deployment.db, truth, spec, lease, 40, scores)
    (row,) = stored(deployment, run_id, "0")
    assert row.conditions["noise_ceiling"] == "unknown"
    assert row.conditions["sparse_threshold"] == 100.0
    sparse = row.measures["sparse-tau"]
    assert sparse.undefined_reason == ("All 3 truths fall into one bin of 100 percentage points.")
    assert row.tau.value == pytest.approx(1 / 3)


def test_parts_of_different_rounds_never_make_an_overall(ranked: Deployment) -> None:
    run_id = skip_to_training(ranked, SPEC, [3, 3])
    parts, truth = architectures(ranked, run_id), truth_of(ranked, run_id)
    first = dict(zip(parts[0], (0.1, 0.2, 0.3), strict=True))
    second = dict(zip(parts[1], (0.4, 0.5, 0.6), strict=True))
    lease = claim_unit(ranked, run_id, "train-0")
    store_part(ranked.db, truth, SPEC, lease, 40, first)
    store_part(ranked.db, truth, SPEC, lease, 60, {code: -s for code, s in first.items()})
    store_part(ranked.db, truth, SPEC, claim_unit(ranked, run_id, "train-1"), 40, second)
    (overall,) = stored(ranked, run_id, "overall")
    assert overall.step == 40
    expected = kendalltau(
        [*first.values(), *second.values()],
        [truth.accuracies[code] for code in (*parts[0], *parts[1])],
    )
    assert overall.tau.value == pytest.approx(expected.statistic)


def test_a_round_stored_again_after_a_resume_changes_nothing(ranked: Deployment) -> None:
    run_id = skip_to_training(ranked, SPEC, [3, 3])
    parts, truth = architectures(ranked, run_id), truth_of(ranked, run_id)
    for _ in range(2):
        for index, key in enumerate(("train-0", "train-1")):
            scores = dict(zip(parts[index], (0.1, 0.2, 0.3), strict=True))
            store_part(ranked.db, truth, SPEC, claim_unit(ranked, run_id, key), 40, scores)
    with ranked.db.reading() as session:
        rows = results.correlations(session, run_id)
    assert sorted(row.scope for row in rows) == ["0", "1", "overall"]


def test_two_slots_that_finish_a_round_together_write_one_overall(ranked: Deployment) -> None:
    run_id = skip_to_training(ranked, SPEC, [3, 3])
    parts, truth = architectures(ranked, run_id), truth_of(ranked, run_id)
    barrier, failures = threading.Barrier(2), []

    def finish(index: int) -> None:
        lease = claim_unit(ranked, run_id, f"train-{index}", owner=f"slot-{index}")
        db = Database(ranked.settings.database)
        try:
            for step in (40, 60):
                scores = dict(zip(parts[index], (0.1, 0.2, 0.3), strict=True))
                barrier.wait(timeout=30)
                store_part(db, truth, SPEC, lease, step, scores)
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            db.close()

    threads = [threading.Thread(target=finish, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(row.step for row in stored(ranked, run_id, "overall")) == [40, 60]
    assert [row.num_architectures for row in stored(ranked, run_id, "overall")] == [6, 6]


def test_the_warm_up_completes_a_round_alone(ranked: Deployment) -> None:
    run_id = skip_to_training(ranked, SPEC, [3, 3])
    part, truth = architectures(ranked, run_id)[0], truth_of(ranked, run_id)
    lease = claim_unit(ranked, run_id, "warm-up")
    store_part(ranked.db, truth, SPEC, lease, 20, dict(zip(part, (0.1, 0.2, 0.3), strict=True)))
    assert len(stored(ranked, run_id, "overall")) == 1


def test_the_final_correlation_comes_with_the_last_rank_unit(ranked: Deployment) -> None:
    run_id = skip_to_training(ranked, SPEC, [3, 3])
    parts, truth = architectures(ranked, run_id), truth_of(ranked, run_id)
    for index, key in enumerate(("rank-0-0", "rank-1-0")):
        lease = claim_unit(ranked, run_id, key)
        recorder = Recorder(spec=SPEC, truth=truth, num_validation=397)
        scores = tuple(
            ArchitectureScore(code, index, "loss", float(place))
            for place, code in enumerate(parts[index])
        )
        recorder.add(ArchitecturesScored(59, scores), 0.5)
        with ranked.db.unit_of_work() as session:
            unit = leases.verify(session, lease)[1]
            recorder.write(session, unit)
            leases.finish(session, lease)
            recorder.finish(session, unit)
        assert len(stored(ranked, run_id, "overall")) == index
    with ranked.db.reading() as session:
        rows = session.scalars(select(Correlation).where(Correlation.run_id == run_id)).all()
        assert {(row.stage, row.step) for row in rows} == {("final", SPEC.training.steps)}
        assert session.scalars(select(Unit.progress).where(Unit.key == "rank-0-0")).one() == 3


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        # No image is read by any of them.
        (
            ["flops", "nonlinearity-count"],
            {"split": "none", "images": 0, "batch_size": 0, "batch_norm": "none"},
        ),
        # What flops do not need is that of the loss.
        (
            ["flops", "loss"],
            {"split": "validation", "images": 20, "batch_size": 250, "batch_norm": "running"},
        ),
        (["loss", "accuracy"], {}),
        (
            ["expressivity", "progressivity", "trainability", "flops"],
            {
                "split": "none: noise",
                "images": 32,
                "batch_size": 32,
                "batch_norm": "batch-stats",
                "network": "untrained, width 16, cells per stage 2, initialisations 1",
            },
        ),
        (
            ["loss", "zico"],
            {"split": "validation / train", "images": "20 / 256", "batch_size": "250 / 64"},
        ),
    ],
)
def test_combined_scores_rest_on_what_their_parts_look_at(kinds, expected) -> None:
    usual = {"split": "validation", "images": 20, "batch_size": 250, "batch_norm": "running"}
    ranking = RankingSpec.model_validate({"scorers": [{"kind": kind} for kind in kinds]})
    assert joint_conditions(usual, ranking.scorers) == expected


def test_equally_accurate_architectures_share_the_best_rank() -> None:
    accuracies = {"a": 90.0, "b": 93.0, "c": 93.0, "d": 80.0}
    truth = Truth("t@1", None, accuracies, sorted(accuracies.values()), "accuracy")
    assert [truth.rank(name) for name in "abcde"] == [3, 1, 1, 4, None]
