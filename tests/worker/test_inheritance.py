"""Supernets that start with the weights of another run, and of widths that differ."""

import pytest
from sqlalchemy import delete

from backend.models import Artifact, Run
from backend.runs import results, service
from backend.spaces.schemas import PreviewOptions
from backend.spaces.service import preview_partition
from nas.experiment import Experiment
from nas.pipeline import train_unit
from nas.training.state import TrainState, fresh_state, inherit, inherited_state
from tests.worker.running import (
    artifacts,
    final_tensors,
    run_here,
    run_to_end,
    same_bits,
    tensors_of,
)
from tests.worker.support import Deployment, banked_spec, tiny_spec
from worker import checkpoints
from worker.loading import load_run

UNDIVIDED = {"splitter": {"num_subspaces": 1}, "search": None}
COLD = {"steps": 40, "warm_up_steps": 0}


@pytest.fixture(autouse=True)
def _frequent_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.training.loop.REPORT_SECONDS", 0.0)


def finished(deployment: Deployment, spec) -> int:
    run_id = deployment.create(spec)
    run_to_end(deployment, run_id)
    assert deployment.state(run_id) == "succeeded", deployment.messages(run_id, "run-state")
    return run_id


def experiment_of(deployment: Deployment, run_id: int) -> Experiment:
    with deployment.db.reading() as session:
        return load_run(session, deployment.settings, run_id).experiment


def stored(deployment: Deployment, run_id: int, key: str) -> bytes:
    newest = artifacts(deployment, run_id, key)[0]
    return checkpoints.read_checked(deployment.settings.artifact_folder, newest)


def trained(experiment: Experiment, state: TrainState) -> TrainState:
    list(train_unit(experiment, state))
    return state


def failure_of(deployment: Deployment, run_id: int) -> tuple[str | None, str | None]:
    with deployment.db.reading() as session:
        run = service.get_run(session, run_id)
        return run.failure_class, run.failure_message


def test_narrower_private_supernets_start_from_the_one_supernet_of_another_run(
    embedded: Deployment,
) -> None:
    source = finished(embedded, tiny_spec(**UNDIVIDED, supernet={"width": 4}, training=COLD))
    changes = {"supernet": {"width": [3, 2]}, "training": {**COLD, "inherit_from": source}}
    heir = finished(embedded, tiny_spec(**changes))
    theirs, ours = experiment_of(embedded, source), experiment_of(embedded, heir)
    expected = {}
    for subspace in (0, 1):
        state = fresh_state(ours, subspace)
        inherit(state, theirs.supernets, 0, stored(embedded, source, "train-0"), "cpu")
        assert state.supernet.stem[0].out_channels == 3 - subspace
        expected |= tensors_of(trained(ours, state))
    assert same_bits(final_tensors(embedded, heir), expected)
    sha256 = artifacts(embedded, source, "train-0")[0].sha256
    told = [line for line in embedded.messages(heir) if sha256 in line]
    assert [line.partition(":")[0] for line in told] == ["train-0", "train-1"]
    assert f"those of run {source}, its supernet 0 of width 4, step 40" in told[0]
    assert told[1].endswith("in a supernet of width 2; momentum starts at zero.")


def test_with_the_same_partition_each_supernet_starts_from_its_own(embedded: Deployment) -> None:
    source = finished(embedded, tiny_spec(training=COLD))
    heir = embedded.create(tiny_spec(training={**COLD, "inherit_from": source}, search=None))
    run_to_end(embedded, heir)
    theirs, ours = experiment_of(embedded, source), experiment_of(embedded, heir)
    expected = {}
    for subspace in (0, 1):
        state = fresh_state(ours, subspace)
        data = stored(embedded, source, f"train-{subspace}")
        inherit(state, theirs.supernets, subspace, data, "cpu")
        expected |= tensors_of(trained(ours, state))
    assert same_bits(final_tensors(embedded, heir), expected)


def test_a_warm_up_starts_from_another_runs_warm_up_and_is_copied_into_narrower_ones(
    embedded: Deployment,
) -> None:
    wide = {"width": 2, "parent_width": 4}
    source = finished(embedded, tiny_spec(supernet=wide, search=None))
    training = {"inherit_from": source}
    heir = finished(embedded, tiny_spec(supernet=wide, search=None, training=training, seed=3))
    theirs, ours = experiment_of(embedded, source), experiment_of(embedded, heir)
    warm = fresh_state(ours, None)
    assert warm.supernet.stem[0].out_channels == 4
    inherit(warm, theirs.supernets, None, stored(embedded, source, "warm-up"), "cpu")
    trained(ours, warm)
    expected = {}
    for subspace in (0, 1):
        state = inherited_state(ours, warm, subspace)
        assert state.supernet.stem[0].out_channels == 2
        expected |= tensors_of(trained(ours, state))
    assert same_bits(final_tensors(embedded, heir), expected)
    (told,) = [line for line in embedded.messages(heir) if f"those of run {source}" in line]
    assert told.startswith("warm-up: ")
    assert "its warm-up's supernet of width 4" in told


def test_weight_banks_start_from_the_one_supernet_of_another_run(embedded: Deployment) -> None:
    plain = {"width": 3, "cells_per_stage": 3}
    source = finished(embedded, tiny_spec(**UNDIVIDED, supernet=plain, training=COLD))
    heir = finished(embedded, banked_spec(training={**COLD, "inherit_from": source}, search=None))
    theirs, ours = experiment_of(embedded, source), experiment_of(embedded, heir)
    state = fresh_state(ours, None)
    inherit(state, theirs.supernets, 0, stored(embedded, source, "train-0"), "cpu")
    assert same_bits(final_tensors(embedded, heir), tensors_of(trained(ours, state)))


@pytest.mark.parametrize("lost", ["file", "record"])
def test_a_checkpoint_that_vanished_in_between_fails_the_run_with_a_sentence(
    embedded: Deployment, lost: str
) -> None:
    source = finished(embedded, tiny_spec(**UNDIVIDED, training=COLD))
    heir = embedded.create(tiny_spec(training={**COLD, "inherit_from": source}))
    newest = artifacts(embedded, source, "train-0")[0]
    if lost == "file":
        (embedded.settings.artifact_folder / newest.path).unlink()
    else:
        with embedded.db.unit_of_work() as session:
            session.execute(delete(Artifact).where(Artifact.run_id == source))
    run_to_end(embedded, heir)
    kind, message = failure_of(embedded, heir)
    assert kind == "storage"
    assert message is not None
    assert f"Of run {source}, from which train-" in message
    assert ("is missing" if lost == "file" else "names no checkpoint") in message
    assert "clone this run with another training.inherit_from" in message


def test_a_retry_after_its_source_was_deleted_says_so(embedded: Deployment) -> None:
    source = finished(embedded, tiny_spec(**UNDIVIDED, training=COLD))
    heir = embedded.create(tiny_spec(training={**COLD, "inherit_from": source}))
    embedded.act(heir, "cancel")
    with embedded.db.unit_of_work() as session:
        service.delete_run(session, source, embedded.settings.artifact_folder)
    embedded.act(heir, "retry")
    run_to_end(embedded, heir)
    kind, message = failure_of(embedded, heir)
    assert kind == "storage"
    assert message is not None
    assert f"Run {source}, whose weights train-" in message
    with embedded.db.reading() as session:
        assert session.get_one(Run, heir).inherits_from is None


@pytest.mark.parametrize(
    "supernet",
    [
        {},
        {"parent_width": 9, "cells_per_stage": 2},
        {"routing": "accumulated", "cells_per_stage": 3, "shared_cells": 1, "parent_width": 12},
    ],
)
def test_auto_gives_a_run_exactly_the_supernets_that_the_preview_suggests(
    embedded: Deployment, supernet: dict
) -> None:
    spec = tiny_spec(
        supernet={"width": "auto", **supernet},
        training=COLD,
        search=None,
        ranking={"every_steps": 40},
    )
    run_id = embedded.create(spec)
    run_here(embedded, run_id)
    routing = {name: value for name, value in supernet.items() if name != "parent_width"}
    options = PreviewOptions(
        width=supernet.get("parent_width", 16), dataset="digits", sample=5, **routing
    )
    with embedded.db.reading() as session:
        shown = preview_partition(session, "digits-mini", spec.splitter, options)
        found = results.subspaces(session, run_id)
    assert [(part.supernet_width, part.supernet_parameters) for part in found] == [
        (part.suggested_width, part.supernet_parameters) for part in shown.subspaces
    ]
