"""A whole run of routing `accumulated`: one supernet whose cells have weight banks."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.errors import Unprocessable
from backend.migrate import upgrade
from backend.models import Unit
from backend.runs import results
from backend.runs.schemas import BalanceRead
from backend.settings import Settings
from nas import pipeline
from nas.experiment import Experiment
from nas.partition.accumulated import BankedPartition
from nas.ranking.sample import ranking_sample
from nas.ranking.scoring import score
from nas.spaces.base import Architecture
from nas.spec import round_boundaries
from nas.training.schedule import Schedule
from nas.training.state import TrainState, fresh_state
from tests.worker.running import (
    after_looks,
    artifacts,
    final_tensors,
    run_here,
    run_to_end,
    same_bits,
    tensors_of,
)
from tests.worker.support import (
    NUM_CELLS,
    SHARED_CELLS,
    THRESHOLD,
    Deployment,
    add_truth,
    banked_spec,
)
from worker import checkpoints
from worker.loading import load_run


def profile(experiment: Experiment, architecture: Architecture) -> tuple[int, ...]:
    """The bank of every cell, by the loop over positions of the released code."""
    banks, running = [], 0
    for cell in range(NUM_CELLS):
        running += experiment.space.nonlinearity_count(architecture)
        banks.append(int(cell >= SHARED_CELLS and running > THRESHOLD))
    return tuple(banks)


def experiment_of(deployment: Deployment, run_id: int) -> Experiment:
    with deployment.db.reading() as session:
        return load_run(session, deployment.settings, run_id).experiment


def newest_balance(deployment: Deployment, run_id: int) -> dict[int, BalanceRead]:
    with deployment.db.reading() as session:
        return {row.subspace: row for row in results.newest_balance(session, run_id)}


@pytest.fixture(scope="module", autouse=True)
def _frequent_reports() -> Iterator[None]:
    """Let training report after every step; a unit of these runs ends before the first report."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("nas.training.loop.REPORT_SECONDS", 0.0)
        yield


@pytest.fixture(scope="module")
def finished(
    _frequent_reports: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Deployment, int]]:
    """A deployment that stores at every event, and a run that it has executed."""
    settings = Settings(
        home=tmp_path_factory.mktemp("banks"), record_seconds=1e-6, checkpoint_seconds=1e-6
    )
    upgrade(settings)
    db = Database(settings.database)
    install_catalogue(db, settings)
    add_truth(db)
    deployment = Deployment(db, settings)
    run_id = deployment.create(banked_spec(benchmark="ordered"))
    run_to_end(deployment, run_id)
    assert deployment.state(run_id) == "succeeded", deployment.messages(run_id)
    yield deployment, run_id
    db.close()


def test_one_train_unit_holds_all_sub_spaces_and_everything_waits_for_it(finished) -> None:
    deployment, run_id = finished
    with deployment.db.reading() as session:
        units = {unit.key: unit for unit in results.units(session, run_id)}
    assert {unit.state for unit in units.values()} == {"done"}
    assert all(unit.progress == unit.total for unit in units.values())
    assert {key: unit.depends_on for key, unit in units.items()} == {
        "partition": [],
        "train": ["partition"],
        "rank-0-0": ["train"],
        "rank-1-0": ["train"],
        "search": ["train", "rank-0-0", "rank-1-0"],
    }
    assert (units["train"].subspace, units["train"].total) == (None, 60)


def test_sub_spaces_are_the_sets_of_equal_bank_profile(finished) -> None:
    deployment, run_id = finished
    experiment = experiment_of(deployment, run_id)
    space = experiment.space
    groups: dict[tuple[int, ...], list[Architecture]] = defaultdict(list)
    for architecture in space.enumerate():
        groups[profile(experiment, architecture)].append(architecture)
    assert set(groups) == {(0, 0, 0), (0, 1, 1)}
    with deployment.db.reading() as session:
        stored = results.subspaces(session, run_id)
    assert [row.counts for row in stored] == [[0, 1], [2]]
    for row, banks in zip(stored, sorted(groups), strict=True):
        assert int(row.size_all) == len(groups[banks])
        assert int(row.size_valid) == sum(map(space.is_valid, groups[banks]))
        owners = {experiment.partition.route(member) for member in groups[banks]}
        assert owners == {row.index}


def test_ranking_and_search_score_with_the_weights_of_the_one_train_unit(finished) -> None:
    deployment, run_id = finished
    experiment = experiment_of(deployment, run_id)
    spec, space = experiment.spec, experiment.space
    newest = artifacts(deployment, run_id, "train")[0]
    data = checkpoints.read_checked(deployment.settings.artifact_folder, newest)
    state = TrainState.from_bytes(experiment, data)
    with deployment.db.reading() as session:
        final = results.scores(session, run_id, stage="final")
        candidates = results.candidates(session, run_id)
        overall = [
            (row.stage, row.step, row.num_architectures)
            for row in results.correlations(session, run_id)
            if row.scope == "overall"
        ]
    live = [("live", step, 10) for step in round_boundaries(spec)]
    assert overall == [*live, ("final", 60, 24)]
    sample = ranking_sample(spec, space)
    assert {row.architecture for row in final} == {space.encode(member) for member in sample}
    assert {row.subspace for row in final} == {0, 1}
    assert len(candidates) == 12
    for row in (*final, *candidates):
        architecture = space.decode(row.architecture)
        (expected,) = score(
            state.supernet, architecture, experiment.scoring_images, spec.ranking.scorers
        )
        assert row.score == expected
        assert row.subspace == int(profile(experiment, architecture)[-1])


def test_the_run_ends_with_the_weights_that_the_science_alone_gives(finished) -> None:
    deployment, run_id = finished
    experiment = experiment_of(deployment, run_id)
    alone = fresh_state(experiment, None)
    list(pipeline.train_unit(experiment, alone))
    assert same_bits(tensors_of(alone), final_tensors(deployment, run_id))


def test_balance_counts_every_step_in_its_sub_space_and_in_the_banks_it_read(finished) -> None:
    deployment, run_id = finished
    experiment = experiment_of(deployment, run_id)
    schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
    steps = [0, 0]
    banks = [[{"0": 0}, {"0": 0, "1": 0}, {"0": 0, "1": 0}] for _ in steps]
    for step in range(experiment.spec.training.steps):
        (route,) = schedule.routes(step)
        steps[route.subspace] += 1
        for cell, bank in enumerate(profile(experiment, route.architecture)):
            banks[route.subspace][cell][str(bank)] += 1
    assert min(steps) > 0
    newest = newest_balance(deployment, run_id)
    assert [newest[index].updates for index in (0, 1)] == steps
    assert [newest[index].bank_updates for index in (0, 1)] == banks
    with deployment.db.reading() as session:
        history = results.balance(session, run_id)
    older = [row for row in history if row not in newest.values()]
    assert older
    assert all(row.bank_updates == [] for row in older)


def test_an_interrupted_run_ends_with_the_same_weights_and_balance(finished) -> None:
    eager, calm = finished
    disturbed = eager.create(banked_spec())
    assert run_here(eager, disturbed, after_looks(15), owner="first-slot")
    with eager.db.reading() as session:
        train = session.query(Unit).filter_by(run_id=disturbed, key="train").one()
        assert 0 < train.progress < train.total
    run_to_end(eager, disturbed)
    assert eager.state(disturbed) == "succeeded"
    assert any("train: resumed from step" in text for text in eager.messages(disturbed))
    assert same_bits(final_tensors(eager, calm), final_tensors(eager, disturbed))
    before, after = newest_balance(eager, calm), newest_balance(eager, disturbed)
    assert before == after


def test_a_bank_that_no_architecture_reaches_stops_the_run_before_it_is_stored(
    embedded: Deployment,
) -> None:
    spec = banked_spec(splitter={"thresholds": [NUM_CELLS * 2]})
    with pytest.raises(Unprocessable, match="reaches bank 1") as refused:
        embedded.create(spec)
    assert refused.value.extra["errors"][0]["field"] == "splitter.thresholds"
    with embedded.db.reading() as session:
        assert session.query(Unit).count() == 0


def test_an_experiment_of_banks_is_loaded_with_its_banked_partition(embedded: Deployment) -> None:
    partition = experiment_of(embedded, embedded.create(banked_spec())).partition
    assert isinstance(partition, BankedPartition)
    assert partition.thresholds == (THRESHOLD,)
