"""Runs with landmarks: who trains them, what is stored of them, and what is left out for them."""

from itertools import combinations

import pytest
from sqlalchemy import select

from backend.models import LandmarkRow, Score, SubspaceRow, Unit
from backend.runs import results, telemetry
from backend.runs.landmarks import known_accuracies
from backend.runs.schemas import LandmarkRead, SubspaceRead
from nas import pipeline
from nas.spaces import catalogue
from nas.training import standalone
from tests.worker.running import after_looks, final_tensors, run_here, run_to_end, same_bits
from tests.worker.support import Deployment, add_truth, banked_spec, tiny_spec
from worker.plan import units_after_partition

SPACE = catalogue()["digits-mini"]
TRAINED = {
    "kind": "stand-alone",
    "choice": {"kind": "spread", "count": 6},
    "seeds": 2,
    "recipe": {"epochs": 1, "batch_size": 250},
}
TERM = {"kind": "landmark", "starts_at": 0.0, "schedule": "constant"}
TRAINING = {"regularisers": [TERM]}


@pytest.fixture(autouse=True)
def _frequent_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings report after every step; those of these runs end before the first report."""
    monkeypatch.setattr("nas.training.loop.REPORT_SECONDS", 0.0)
    monkeypatch.setattr(standalone, "REPORT_SECONDS", 0.0)


@pytest.fixture
def eager(embedded: Deployment) -> Deployment:
    """`embedded`, but stores at every event: for what is interrupted, since it takes its time."""
    eager_settings = embedded.settings.model_copy(
        update={"record_seconds": 1e-6, "checkpoint_seconds": 1e-6}
    )
    return Deployment(embedded.db, eager_settings)


def landmarks(deployment: Deployment, run_id: int) -> list[LandmarkRead]:
    with deployment.db.reading() as session:
        return results.landmarks(session, run_id)


def subspaces(deployment: Deployment, run_id: int) -> list[SubspaceRead]:
    with deployment.db.reading() as session:
        return results.subspaces(session, run_id)


def scored_forms(deployment: Deployment, run_id: int) -> dict[str, set]:
    """What was scored, by stage, as the live form of each architecture."""
    found: dict[str, set] = {}
    with deployment.db.reading() as session:
        rows = session.execute(
            select(Score.stage, Score.architecture).where(Score.run_id == run_id).distinct()
        )
        for stage, code in rows:
            found.setdefault(stage, set()).add(SPACE.live_form(SPACE.decode(code)))
    return found


def test_landmarks_are_trained_between_the_partition_and_the_warm_up() -> None:
    spec = tiny_spec(landmarks=TRAINED | {"choice": {"kind": "random", "count": 12}})
    units = {unit.key: unit for unit in units_after_partition(spec, [3, 3])}
    chunks = [f"landmarks-{chunk}" for chunk in range(3)]
    assert [units[key].total for key in chunks] == [10, 10, 4]
    assert all(units[key].depends_on == ["partition"] for key in chunks)
    assert units["warm-up"].depends_on == chunks
    without_warm_up = tiny_spec(landmarks=TRAINED, training={"warm_up_steps": 0})
    units = {unit.key: unit for unit in units_after_partition(without_warm_up, [3, 3])}
    assert units["train-1"].depends_on == ["landmarks-0", "landmarks-1"]
    known = tiny_spec(landmarks={"kind": "benchmark"}, benchmark="ordered")
    assert units_after_partition(known, [3, 3])[0].depends_on == ["partition"]


def test_a_run_trains_its_landmarks_learns_their_order_and_leaves_them_out_of_rankings(
    deployment: Deployment,
) -> None:
    add_truth(deployment.db)
    spec = tiny_spec(landmarks=TRAINED, training=TRAINING, benchmark="ordered")
    run_id = deployment.create(spec)
    run_to_end(deployment, run_id)
    assert deployment.state(run_id) == "succeeded"
    found = landmarks(deployment, run_id)
    assert [one.index for one in found] == list(range(6))
    assert {one.source for one in found} == {"stand-alone"}
    for one in found:
        assert one.seeds is not None
        assert len(one.seeds) == 2
        assert one.accuracy == pytest.approx(sum(one.seeds) / 2)
    forms = {SPACE.live_form(SPACE.decode(one.architecture)) for one in found}
    by_stage = scored_forms(deployment, run_id)
    assert set(by_stage) == {"live", "final"}
    assert not forms & (by_stage["live"] | by_stage["final"])
    assert [part.num_landmarks for part in subspaces(deployment, run_id)] == [3, 3]
    with deployment.db.reading() as session:
        units = {unit.key: unit for unit in results.units(session, run_id)}
        series = {row.series for row in results.metrics(session, run_id)}
        penalties = results.metrics(session, run_id, series="penalty")
        rows = results.correlations(session, run_id)
        spent = {row.unit: row for row in telemetry.telemetry(session, run_id, 1)}
    assert (units["landmarks-0"].progress, units["landmarks-0"].total) == (10, 10)
    assert (units["landmarks-1"].progress, units["landmarks-1"].total) == (2, 2)
    assert units["landmarks-0"].useful_seconds > 0
    # Ten trainings of four steps of 250 images.
    assert (spent["landmarks-0"].updates, spent["landmarks-0"].images) == (40, 10_000)
    assert "penalty" in series
    assert any(row.value > 0 for row in penalties)
    assert {row.conditions["regularisers"] for row in rows} == {
        "landmark on validation images; landmark accuracies from stand-alone, on validation images"
    }
    assert {row.conditions["landmarks_left_out"] for row in rows} == {6}
    log = deployment.messages(run_id)
    assert any(text.startswith("Landmarks per sub-space: 3 in 0 (") for text in log)
    assert not any("without the landmark term" in text for text in log)


def test_landmarks_of_a_benchmark_are_rows_once_the_space_is_split(
    embedded: Deployment,
) -> None:
    spec = tiny_spec(
        benchmark="digits-mini",
        landmarks={"kind": "benchmark", "choice": {"kind": "evenly-spaced", "count": 7}},
        training=TRAINING,
    )
    run_id = embedded.create(spec)
    assert landmarks(embedded, run_id) == []
    run_to_end(embedded, run_id)
    assert embedded.state(run_id) == "succeeded"
    assert not any(key.startswith("landmarks") for key in embedded.unit_states(run_id))
    found = landmarks(embedded, run_id)
    accuracies = [one.accuracy for one in found]
    assert len(found) == 7
    assert accuracies == sorted(accuracies)
    for one in found:
        assert one.source == "benchmark"
        assert one.seeds is not None
        assert len(one.seeds) == 10
        assert one.accuracy == pytest.approx(sum(one.seeds) / 10)
    assert sum(part.num_landmarks or 0 for part in subspaces(embedded, run_id)) == 7


def test_seeds_that_a_benchmark_does_not_tell_are_null(embedded: Deployment) -> None:
    add_truth(embedded.db)
    spec = tiny_spec(
        benchmark="ordered",
        landmarks={"kind": "benchmark", "choice": {"kind": "random", "count": 4}},
    )
    run_id = embedded.create(spec)
    run_to_end(embedded, run_id)
    assert {one.seeds for one in landmarks(embedded, run_id)} == {None}


def test_a_new_attempt_trains_only_what_the_lost_one_had_not_finished(
    embedded: Deployment, eager: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []
    real = pipeline.landmarks_unit

    def noted(experiment, trainings):
        trained.append(list(trainings))
        return real(experiment, trainings)

    monkeypatch.setattr(pipeline, "landmarks_unit", noted)
    spec = tiny_spec(landmarks=TRAINED, search=None)
    calm, disturbed = eager.create(spec), eager.create(spec)
    run_to_end(embedded, calm)
    assert [len(chunk) for chunk in trained] == [10, 2]
    whole = list(trained[0])
    trained.clear()
    # Two looks at every event: four of steps and one of accuracy per training.
    assert run_here(eager, disturbed, after_looks(24), owner="first")
    with eager.db.reading() as session:
        assert len(known_accuracies(session, disturbed)) < 6
    assert run_here(eager, disturbed, after_looks(35), owner="second")
    run_to_end(embedded, disturbed)
    assert eager.state(disturbed) == "succeeded"
    first, second, third, *_ = trained
    assert first == whole
    assert 0 < len(third) < len(second) < len(first)
    assert second == whole[-len(second) :]
    assert third == whole[-len(third) :]
    assert landmarks(eager, disturbed) == landmarks(eager, calm)
    with eager.db.reading() as session:
        assert known_accuracies(session, calm) == {
            one.architecture: one.accuracy for one in landmarks(eager, calm)
        }
    assert spec.num_landmarks == len(landmarks(eager, calm)) == 6
    with eager.db.reading() as session:
        unit = session.scalars(
            select(Unit).where(Unit.run_id == disturbed, Unit.key == "landmarks-0")
        ).one()
        assert (unit.attempt > 1, unit.fruitless_attempts, unit.progress) == (True, 0, 10)


@pytest.mark.parametrize("make_spec", [tiny_spec, banked_spec])
def test_a_regularised_run_spread_over_slots_ends_as_an_uninterrupted_one(
    embedded: Deployment, eager: Deployment, make_spec
) -> None:
    spec = make_spec(
        benchmark="digits-mini",
        landmarks={"kind": "benchmark", "choice": {"kind": "spread", "count": 8}},
        training=TRAINING | ({"warm_up_steps": 0} if make_spec is banked_spec else {}),
        search=None,
    )
    calm, disturbed, plain = (eager.create(one) for one in (spec, spec, _without_term(spec)))
    run_to_end(embedded, calm)
    for looks in (6, 13, 21):
        assert run_here(eager, disturbed, after_looks(looks), owner=f"slot-{looks}")
    run_to_end(embedded, disturbed)
    run_to_end(embedded, plain)
    assert sum("resumed from step" in text for text in eager.messages(disturbed)) >= 2
    weights = final_tensors(eager, calm)
    assert same_bits(weights, final_tensors(eager, disturbed))
    assert not same_bits(weights, final_tensors(eager, plain))


def _without_term(spec):
    training = spec.training.model_copy(update={"regularisers": ()})
    return spec.model_copy(update={"training": training})


def test_a_subspace_that_cannot_pair_its_landmarks_is_shown_and_trained_without_the_term(
    embedded: Deployment,
) -> None:
    spec = tiny_spec(
        landmarks=TRAINED | {"choice": {"kind": "fixed", "architectures": _lopsided()}},
        training=TRAINING,
        search=None,
    )
    run_id = embedded.create(spec)
    run_to_end(embedded, run_id)
    shown = [(part.num_landmarks, part.num_landmark_pairs) for part in subspaces(embedded, run_id)]
    accuracies = [one.accuracy for one in landmarks(embedded, run_id)[:3]]
    ordered = sum(one != other for one, other in combinations(accuracies, 2))
    assert shown == [(3, ordered), (1, 0)]
    warnings = [
        event.message
        for event in embedded.events(run_id)
        if event.kind == "log" and event.level == "warning"
    ]
    assert len(warnings) == 1
    assert warnings[0].startswith("Sub-space 1 (")
    assert "has 1 of the two landmarks that a pair needs" in warnings[0]
    with embedded.db.reading() as session:
        penalties = results.metrics(session, run_id, series="penalty")
    assert {row.value for row in penalties if row.unit == "train-1"} == {0.0}
    assert any(row.value for row in penalties if row.unit == "train-0")


def _lopsided() -> list[str]:
    """Three landmarks of the first sub-space, and one of the second."""
    partition = tiny_spec().splitter.split(SPACE)
    found: dict[int, dict] = {0: {}, 1: {}}
    for member in SPACE.enumerate():
        if SPACE.is_valid(member):
            found[partition.route(member)].setdefault(SPACE.live_form(member), member)
    chosen = [*list(found[0].values())[:3], *list(found[1].values())[:1]]
    return [SPACE.encode(member) for member in chosen]


def test_a_run_without_landmarks_has_no_number_of_them(embedded: Deployment) -> None:
    run_id = embedded.create(tiny_spec(search=None))
    run_to_end(embedded, run_id)
    with embedded.db.reading() as session:
        assert session.scalars(select(LandmarkRow)).all() == []
        assert session.scalars(select(SubspaceRow)).all() != []
    assert {part.num_landmarks for part in subspaces(embedded, run_id)} == {None}
    assert {part.num_landmark_pairs for part in subspaces(embedded, run_id)} == {None}
