"""Builds of benchmarks: who trains, what is never trained again, and the table at the end."""

import re
import signal
import sqlite3
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from backend.benchmarks import service as benchmarks
from backend.benchmarks.schemas import BenchmarkDetail, EntryQuery
from backend.builds import service
from backend.builds.schemas import BuildRead
from backend.models import BuildTraining, Dataset, Unit
from backend.references import get
from backend.runs import results
from backend.runs import service as runs
from nas.benchmarks.build import BuildSpec
from nas.benchmarks.building import Building
from nas.data.dataset import ImageDataset
from nas.spaces import catalogue
from nas.training import standalone
from nas.training.standalone import StandAloneTrainer
from tests.support import wait_until
from tests.worker.processes import DEADLINE_SECONDS, gone, process, runners
from tests.worker.running import DrainWhen, run_here, run_to_end
from tests.worker.support import Deployment, add_truth, tiny_spec
from worker.control import Control
from worker.runner import Runner

SPACE = catalogue()["digits-mini"]
CONVOLUTIONS = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
MIXED = "|nor_conv_1x1~0|+|skip_connect~0|nor_conv_3x3~1|"
POOLS = "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|"
FIRST_EDGE_DEAD = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|"
ITS_TWIN = "|skip_connect~0|+|nor_conv_1x1~0|none~1|"
ALONE: dict[BuildSpec, dict[str, list[float]]] = {}
CODES = (CONVOLUTIONS, MIXED, POOLS, FIRST_EDGE_DEAD, ITS_TWIN)


def build_spec(**changes) -> BuildSpec:
    """Four networks for five architectures, each trained for an epoch of four steps, twice."""
    given = {
        "name": "mine",
        "space": "digits-mini",
        "dataset": "digits",
        "recipe": {"epochs": 1, "batch_size": 250},
        "seeds": (0, 7),
        "architectures": CODES,
    }
    return BuildSpec.model_validate(given | changes)


def create(deployment: Deployment, spec: BuildSpec) -> int:
    with deployment.db.unit_of_work() as session:
        return service.create_build(session, spec).id


def build_of(deployment: Deployment, build_id: int) -> BuildRead:
    with deployment.db.reading() as session:
        return service.get_build(session, build_id)


def act(deployment: Deployment, build_id: int, action: str) -> str:
    with deployment.db.unit_of_work() as session:
        return service.act(session, build_id, action).state


def accuracies(deployment: Deployment, name: str = "mine") -> dict[str, list[float | None]]:
    with deployment.db.reading() as session:
        entries = benchmarks.list_entries(session, name, EntryQuery()).items
    return {entry.architecture: list(entry.seeds or ()) for entry in entries}


def detail(deployment: Deployment, name: str = "mine") -> BenchmarkDetail:
    with deployment.db.reading() as session:
        return benchmarks.read_benchmark(session, name)


def images(deployment: Deployment) -> ImageDataset:
    with deployment.db.reading() as session:
        row = get(session, Dataset, "digits")
    return ImageDataset.load(deployment.settings.artifact_folder / row.path, row.sha256)


def trained_alone(deployment: Deployment, spec: BuildSpec) -> dict[str, list[float]]:
    """What every architecture reaches by itself, trained in this process without any worker."""
    if spec not in ALONE:
        ALONE[spec] = _trained_alone(deployment, spec)
    return ALONE[spec]


def _trained_alone(deployment: Deployment, spec: BuildSpec) -> dict[str, list[float]]:
    building = Building(spec, SPACE, images(deployment))
    trainer = StandAloneTrainer(SPACE, building.dataset, spec.recipe, shape=building.shape)
    return {
        code: [trainer.test_accuracy(SPACE.decode(code), seed) for seed in spec.seeds]
        for code in spec.architectures or ()
    }


def warnings(deployment: Deployment, build_id: int) -> list[str]:
    return [event.message for event in deployment.events(build_id) if event.level == "warning"]


@pytest.fixture
def count_trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every training that this process begins, as architecture and seed."""
    begun: list[tuple[str, int]] = []
    original = StandAloneTrainer.begin

    def begin(self, architecture, seed):
        begun.append((SPACE.encode(architecture), seed))
        return original(self, architecture, seed)

    monkeypatch.setattr(StandAloneTrainer, "begin", begin)
    return begun


def test_a_build_makes_the_benchmark_that_training_alone_makes(
    deployment: Deployment, count_trainings: list[tuple[str, int]]
) -> None:
    spec = build_spec()
    build_id = create(deployment, spec)
    queued = build_of(deployment, build_id)
    assert (queued.num_architectures, queued.num_networks, queued.num_trainings) == (5, 4, 8)
    assert (queued.state, queued.num_trained, queued.benchmark) == ("queued", 0, None)
    run_to_end(deployment, build_id)
    # One of the two that compute the same is trained, and both have what it reached.
    assert len(count_trainings) == len(set(count_trainings)) == 8
    assert ITS_TWIN not in {code for code, _ in count_trainings}
    done = build_of(deployment, build_id)
    assert (done.state, done.num_trained, done.num_diverged) == ("succeeded", 8, 0)
    assert done.benchmark == "mine@1"
    found = accuracies(deployment)
    assert found == trained_alone(deployment, spec)
    assert found[ITS_TWIN] == found[FIRST_EDGE_DEAD]
    made = detail(deployment)
    assert [column.name for column in made.columns] == [
        "digits/accuracy",
        "digits/training-time",
        "flops",
        "parameters",
    ]
    assert (made.truth, made.num_entries, made.num_valid) == ("digits/accuracy", 5, 5)
    accuracy, seconds, flops, parameters = made.columns
    assert accuracy.seeds == seconds.seeds == [0, 7]
    assert accuracy.noise_ceiling is not None
    assert accuracy.noise_architectures == 5
    assert seconds.lowest is not None
    assert seconds.lowest > 0
    costs = [(SPACE.flops(one), SPACE.parameters(one)) for one in map(SPACE.decode, CODES)]
    assert (flops.lowest, flops.highest) == (min(costs)[0], max(costs)[0])
    assert parameters.highest == max(cost for _, cost in costs)
    recipe = made.recipe
    assert recipe["figure"] == "accuracy in percent on the 400 test images"
    assert (recipe["epochs"], recipe["batch_size"], recipe["build"]) == (1, 250, build_id)
    assert (recipe["dataset"], recipe["space"]) == ("digits@1", "digits-mini@1")
    assert recipe["networks_trained"] == 4
    assert recipe["torch"]
    assert recipe["devices"] == ["cpu"]
    assert made.warnings == []


def test_a_built_benchmark_is_the_ground_truth_of_a_run(embedded: Deployment) -> None:
    run_to_end(embedded, create(embedded, build_spec(architectures=None, sample=8)))
    asked = tiny_spec(benchmark="mine", ranking={"among": "benchmark"}, search=None)
    run_id = embedded.create(asked)
    run_to_end(embedded, run_id)
    with embedded.db.reading() as session:
        run = runs.get_run(session, run_id)
        rows = results.correlations(session, run_id, "final")
    assert run.state == "succeeded"
    assert run.benchmark_column == "digits/accuracy"
    assert run.tau is not None
    assert run.noise_ceiling == detail(embedded).noise_ceiling
    assert {row.conditions["noise_ceiling"] for row in rows} == {run.noise_ceiling}
    overall = next(row for row in rows if row.scope == "overall")
    assert overall.num_architectures == 8
    assert overall.conditions["drawn_from"] == "benchmark"
    assert overall.conditions["not_in_benchmark"] == 0


def test_networks_may_have_other_sizes_than_the_space(embedded: Deployment) -> None:
    spec = build_spec(architectures=[MIXED, POOLS], seeds=[3], width=2, cells_per_stage=2)
    run_to_end(embedded, create(embedded, spec))
    assert accuracies(embedded) == trained_alone(embedded, spec)
    made = detail(embedded)
    assert made.columns[3].highest is not None
    assert made.columns[3].highest < SPACE.parameters(SPACE.decode(MIXED))
    assert (made.recipe["width"], made.recipe["cells_per_stage"]) == (2, 2)
    assert made.noise_ceiling is None


def test_what_is_trained_is_never_trained_again(
    embedded: Deployment,
    count_trainings: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standalone, "REPORT_SECONDS", 0.0)
    build_id = create(embedded, build_spec())
    # Asked to let go in the middle of the third training.
    run_here(embedded, build_id, DrainWhen(lambda: len(count_trainings) == 3))
    assert len(count_trainings) == 3
    assert build_of(embedded, build_id).num_trained == 2
    assert act(embedded, build_id, "cancel") == "cancelled"
    assert act(embedded, build_id, "retry") == "queued"
    run_to_end(embedded, build_id)
    # The one that was interrupted begins again, and no other.
    assert count_trainings[3] == count_trainings[2]
    assert len(count_trainings) == 9
    assert len(set(count_trainings)) == 8
    assert build_of(embedded, build_id).state == "succeeded"
    assert accuracies(embedded) == trained_alone(embedded, build_spec())


def test_a_training_that_diverges_is_told_and_costs_no_other(embedded: Deployment) -> None:
    original = StandAloneTrainer.accuracy

    def broken(self, training, split):
        network = training.network
        if SPACE.encode(training.architecture) == MIXED and network.seed_under_test == 7:
            next(network.parameters()).data.fill_(float("nan"))
        return original(self, training, split)

    made = StandAloneTrainer.begin

    def begin(self, architecture, seed):
        training = made(self, architecture, seed)
        training.network.seed_under_test = seed
        return training

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StandAloneTrainer, "accuracy", broken)
        patch.setattr(StandAloneTrainer, "begin", begin)
        build_id = create(embedded, build_spec())
        run_to_end(embedded, build_id)
    done = build_of(embedded, build_id)
    assert (done.state, done.num_trained, done.num_diverged) == ("succeeded", 8, 1)
    (text,) = warnings(embedded, build_id)
    assert text.startswith("Seed 7: ")
    assert MIXED in text
    assert "lower the recipe's learning_rate" in text
    whole = trained_alone(embedded, build_spec())
    assert accuracies(embedded) == whole | {MIXED: [whole[MIXED][0], None]}
    assert detail(embedded).recipe["diverged"] == [f"{MIXED}, seed 7"]


def test_a_build_without_any_result_fails_with_the_remedy(embedded: Deployment) -> None:
    recipe = {"epochs": 1, "batch_size": 250, "learning_rate": 10.0, "weight_decay": 1.0}
    spec = build_spec(recipe=recipe | {"momentum": 0.999}, architectures=[CONVOLUTIONS])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standalone, "cross_entropy", _diverging)
        build_id = create(embedded, spec)
        run_to_end(embedded, build_id)
    done = build_of(embedded, build_id)
    assert (done.state, done.failure_class) == ("failed", "bad spec")
    assert "all 2 trainings" in (done.failure_message or "")
    assert "recipe.learning_rate" in (done.failure_message or "")
    assert done.num_trained == done.num_diverged == 2


def _diverging(logits, labels, **_):
    return (logits * float("inf")).sum()


def test_a_full_disk_pauses_a_build_and_loses_nothing(
    embedded: Deployment,
    count_trainings: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build_id = create(embedded, build_spec())
    run_here(embedded, build_id, DrainWhen(lambda: len(count_trainings) == 3))
    trained = build_of(embedded, build_id).num_trained
    assert trained >= 2
    lease = embedded.claim(build_id)
    assert lease is not None
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    def no_room(*_) -> None:
        raise OperationalError("INSERT", {}, full)

    with monkeypatch.context() as patch:
        patch.setattr("worker.building.upsert", no_room)
        Runner(embedded.db, embedded.settings, Control(), lease).work()
    paused = build_of(embedded, build_id)
    assert (paused.state, paused.failure_class) == ("paused", "storage")
    assert "once there is room" in (paused.failure_message or "")
    assert paused.num_trained == trained
    assert act(embedded, build_id, "resume") == "queued"
    run_to_end(embedded, build_id)
    assert accuracies(embedded) == trained_alone(embedded, build_spec())


def test_a_name_taken_meanwhile_gets_another_version(embedded: Deployment) -> None:
    build_id = create(embedded, build_spec(architectures=[POOLS], seeds=[0]))
    add_truth(embedded.db, "mine")
    run_to_end(embedded, build_id)
    assert build_of(embedded, build_id).benchmark == "mine@2"
    assert any("is a version of that name" in text for text in embedded.messages(build_id))


def test_a_deleted_build_leaves_its_benchmark(embedded: Deployment) -> None:
    build_id = create(embedded, build_spec(architectures=[POOLS], seeds=[0]))
    run_to_end(embedded, build_id)
    with embedded.db.unit_of_work() as session:
        service.delete_build(session, build_id)
    with embedded.db.reading() as session:
        for table in (BuildTraining, Unit):
            assert session.scalars(select(table).where(table.run_id == build_id)).all() == []
    assert detail(embedded).num_entries == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_two_workers_share_a_build_and_a_killed_one_costs_no_finished_training(
    deployment: Deployment, tmp_path: Path
) -> None:
    spec = build_spec(recipe={"epochs": 4, "batch_size": 64})
    fast = deployment.settings.model_copy(
        update={
            "lease_seconds": 3.0,
            "renew_seconds": 0.5,
            "reap_seconds": 0.3,
            "record_seconds": 0.05,
        }
    )
    build_id = create(deployment, spec)
    with ExitStack() as processes:
        workers = [
            processes.enter_context(
                process(fast, "worker.main", log=tmp_path / f"worker-{number}.log")
            )
            for number in range(2)
        ]
        processes.enter_context(process(fast, "worker.reaper", log=tmp_path / "reaper.log"))
        held = wait_until(
            lambda: _both_train(deployment, build_id),
            seconds=DEADLINE_SECONDS,
            what="both workers train",
        )
        runner = wait_until(
            lambda: stopped_in_a_training(deployment, build_id, workers[0].pid),
            seconds=DEADLINE_SECONDS,
            what="the first worker is in the middle of a training",
        )
        workers[0].kill()
        wait_until(lambda: gone(runner), seconds=DEADLINE_SECONDS, what="its runner is gone")
        before = trained_rows(deployment, build_id)
        wait_until(
            lambda: build_of(deployment, build_id).state in ("succeeded", "failed"),
            seconds=DEADLINE_SECONDS,
            what="the build has ended",
        )
    assert len(held) == 2
    done = build_of(deployment, build_id)
    assert done.state == "succeeded", done.failure_message
    after = trained_rows(deployment, build_id)
    # Seconds tell one training from another of the same network.
    assert before.items() <= after.items()
    assert len(after) == 8
    lost = [event for event in deployment.events(build_id) if event.data.get("to") == "lost"]
    assert len(lost) == 1
    assert accuracies(deployment) == trained_alone(deployment, spec)


def stopped_in_a_training(
    deployment: Deployment, build_id: int, worker: int
) -> psutil.Process | None:
    """Stop a worker's runner; return it if it holds a unit, else let it go on.

    One that is only starting would be stopped before it can ask to die with its worker.
    """
    for runner in filter(obeys_sigterm, runners(worker)):
        runner.suspend()
        with deployment.db.reading() as session:
            owners = [unit.owner or "" for unit in results.units(session, build_id)]
        if any(f"-{worker}-" in owner for owner in owners):
            return runner
        runner.resume()
    return None


def obeys_sigterm(runner: psutil.Process) -> bool:
    """Tell whether a process has a handler of SIGTERM, which runners install behind all that."""
    try:
        status = Path(f"/proc/{runner.pid}/status").read_text()
    except OSError:
        return False
    (caught,) = re.findall(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def trained_rows(deployment: Deployment, build_id: int) -> dict[tuple[str, int], float]:
    with deployment.db.reading() as session:
        rows = session.scalars(select(BuildTraining).where(BuildTraining.run_id == build_id))
        return {(row.architecture, row.seed): row.seconds for row in rows}


def _both_train(deployment: Deployment, build_id: int) -> set[str]:
    """Return the owners of units once two work at a time and something is trained."""
    with deployment.db.reading() as session:
        units = results.units(session, build_id)
    owners = {unit.owner for unit in units if unit.state == "leased" and unit.owner}
    return owners if len(owners) == 2 and trained_rows(deployment, build_id) else set()
