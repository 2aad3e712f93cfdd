"""Whole runs whose steps train several architectures: what is stored, and that nothing depends on
who executed it when."""

from collections import Counter
from typing import Any

import pytest

from backend.runs import results
from backend.runs.balance import balance_summary
from nas import pipeline
from nas.training.schedule import Schedule
from nas.training.state import fresh_state, inherited_state
from tests.worker.running import (
    after_looks,
    final_tensors,
    run_here,
    run_to_end,
    same_bits,
    tensors_of,
)
from tests.worker.support import Deployment, tiny_spec
from worker.loading import load_run

EACH = {"kind": "supernet-balanced", "architectures_per_step": "one-per-subspace"}
STEPS, WARM_UP, IMAGES = 60, 20, 8


@pytest.fixture(autouse=True)
def _frequent_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let training report after every step; a unit of these runs ends before the first report."""
    monkeypatch.setattr("nas.training.loop.REPORT_SECONDS", 0.0)


@pytest.mark.parametrize("sampler", [EACH, {"kind": "fair"}], ids=["one-per-subspace", "fair"])
def test_a_run_in_pieces_ends_with_the_weights_and_the_balance_of_its_schedule(
    deployment: Deployment, sampler: dict[str, Any]
) -> None:
    run_id = deployment.create(tiny_spec(training={"sampler": sampler}))
    pieces = 0
    while run_here(deployment, run_id, after_looks(25), owner=f"slot-{pieces}"):
        pieces += 1
    assert deployment.state(run_id) == "succeeded"
    assert pieces > 5
    with deployment.db.reading() as session:
        experiment = load_run(session, deployment.settings, run_id).experiment
        parts, history = results.subspaces(session, run_id), results.balance(session, run_id)
        newest = {
            (row.phase, row.subspace): row for row in results.newest_balance(session, run_id)
        }
    warm = fresh_state(experiment, None)
    list(pipeline.train_unit(experiment, warm))
    alone = {}
    for subspace in experiment.partition.subspaces:
        state = inherited_state(experiment, warm, subspace.index)
        list(pipeline.train_unit(experiment, state))
        alone |= tensors_of(state)
    assert same_bits(alone, final_tensors(deployment, run_id))

    schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
    updates: Counter[tuple[str, int]] = Counter()
    samples: Counter[tuple[str, int]] = Counter()
    chosen: Counter[tuple[str, int, int, str]] = Counter()
    for step in range(STEPS):
        phase, routes = "warm-up" if step < WARM_UP else "train", schedule.routes(step)
        updates.update({(phase, route.subspace) for route in routes})
        for route in routes:
            samples[phase, route.subspace] += 1
            for decision, name in enumerate(route.architecture):
                chosen[phase, route.subspace, decision, name] += 1
    assert newest.keys() == updates.keys()
    for key, row in newest.items():
        counted = (row.updates, row.samples, row.images)
        assert counted == (updates[key], samples[key], IMAGES * samples[key])
        for decision, by_name in enumerate(row.operation_samples):
            assert by_name == {name: chosen[*key, decision, name] for name in by_name}
            assert row.operation_images[decision] == {
                name: IMAGES * number for name, number in by_name.items()
            }
            most = min(row.updates, max(by_name.values()))
            assert max(row.operation_updates[decision].values()) <= most
    older = [row for row in history if row not in newest.values()]
    assert older
    for row in older:
        assert row.operation_updates == row.operation_samples == row.operation_images == []

    found = balance_summary(parts, list(newest.values()))
    if sampler == EACH:
        assert [part.updates for part in found.supernets] == [STEPS - WARM_UP] * 2
        assert (found.entropy, found.target_entropy) == (1, 1)
        assert [part.target_updates for part in parts] == [1, 1]
    else:
        assert found.entropy is not None
        assert (found.target_entropy, parts[0].target_share) == (None, None)
        assert parts[0].operation_targets is None


def test_the_partition_stores_the_exact_targets_of_the_sampler(deployment: Deployment) -> None:
    run_id = deployment.create(tiny_spec(search=None))
    run_to_end(deployment, run_id)
    with deployment.db.reading() as session:
        partition = load_run(session, deployment.settings, run_id).experiment.partition
        parts = results.subspaces(session, run_id)
    assert partition.operation_shares is not None
    assert [part.target_share for part in parts] == [0.5, 0.5]
    for part, shares in zip(parts, partition.operation_shares, strict=True):
        assert part.operation_targets == list(shares)
