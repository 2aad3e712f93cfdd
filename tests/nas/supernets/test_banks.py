"""The network of routing `accumulated`: which weights an architecture reads and trains."""

import random
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from nas.partition.accumulated import BankedPartition, accumulated_partition
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.spaces import catalogue
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_supernet
from nas.supernets.cell_network import CellNetwork
from nas.training.loop import update
from nas.training.schedule import Schedule
from nas.training.state import fresh_state
from nas.training.team import Team

NB201 = catalogue()["nas-bench-201"]
SHAPE = NetworkShape(width=2, cells_per_stage=5, image_channels=1, num_classes=3)
SPLITTER = NonlinearitySplitter(num_subspaces=3, thresholds=(15, 20))


@pytest.fixture(scope="module")
def partition() -> BankedPartition:
    return accumulated_partition(SPLITTER, NB201, cells_per_stage=5, shared_cells=5)


@pytest.fixture
def supernet(partition: BankedPartition) -> CellNetwork:
    torch.manual_seed(0)
    network = build_supernet(NB201, SHAPE, partition)
    assert isinstance(network, CellNetwork)
    return network


def banked_cells(supernet: CellNetwork) -> list[torch.nn.ModuleDict]:
    return [block for block in supernet.blocks if isinstance(block, torch.nn.ModuleDict)]


def test_a_cell_has_a_copy_for_each_bank_that_is_read_there(supernet: CellNetwork) -> None:
    names = [sorted(block) for block in banked_cells(supernet)]
    assert names[:5] == [["0"]] * 5
    # Of counts 0 to 3, only 3 leaves bank 0 at depth 6; from depth 11 on 2 and 3 read the last.
    assert names[5:] == [
        ["0", "1"],
        ["0", "2"],
        *[["0", "1", "2"]] * 3,
        *[["0", "2"]] * 5,
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize(("thresholds", "shared_cells"), [((15, 20), 5), ((10, 20, 30), 0)])
def test_methods_2_11_4_one_backward_pass_gives_gradients_to_the_banks_used_alone(
    thresholds: tuple[int, ...], shared_cells: int, count: int
) -> None:
    splitter = NonlinearitySplitter(num_subspaces=len(thresholds) + 1, thresholds=thresholds)
    partition = accumulated_partition(
        splitter, NB201, cells_per_stage=5, shared_cells=shared_cells
    )
    torch.manual_seed(count)
    supernet = build_supernet(NB201, SHAPE, partition)
    assert isinstance(supernet, CellNetwork)
    cell = NB201.sample(random.Random(count), {count})
    labels = torch.tensor([0, 1, 2, 0])
    cross_entropy(supernet(torch.randn(4, 1, 8, 8), cell), labels).backward()
    used, running = [], 0
    for depth in range(1, 16):
        running += count
        exceeded = sum(running > threshold for threshold in thresholds)
        used.append(str(exceeded if depth > shared_cells else 0))
    for depth, block in enumerate(banked_cells(supernet), start=1):
        assert used[depth - 1] in block
        for name, copy in block.items():
            trained = any(
                weight.grad is not None and bool(weight.grad.abs().any())
                for weight in copy.parameters()
            )
            # A cell of count 0 has no weights, only skip connections and pooling.
            assert trained == (name == used[depth - 1] and count > 0), (depth, name)
    for shared in (supernet.stem, supernet.classifier):
        assert all(bool(weight.grad.abs().any()) for weight in shared.parameters())


def test_the_balance_counts_a_bank_for_every_step_that_trained_its_weights(
    make_experiment,
) -> None:
    plain = make_experiment()
    supernet_spec = plain.spec.supernet.model_copy(
        update={"routing": "accumulated", "cells_per_stage": 4, "shared_cells": 1}
    )
    spec = plain.spec.model_copy(
        update={
            "supernet": supernet_spec,
            "splitter": NonlinearitySplitter(num_subspaces=3, thresholds=(3, 6)),
        }
    )
    experiment = replace(plain, spec=spec, partition=spec.partition(plain.space))
    state = fresh_state(experiment, None)
    schedule = Schedule(spec, experiment.partition, len(experiment.train_images))
    blocks = banked_cells(state.supernet)
    # The balance names what exists, and only that.
    assert [sorted(map(str, banks)) for banks in state.balance[0].bank_updates] == [
        sorted(block) for block in blocks
    ]
    trained = [Counter[int]() for _ in blocks]
    for step in range(spec.training.steps):
        update(experiment, state, schedule, schedule.routes(step), Team())
        state.next_step = step + 1
        for cell, block in enumerate(blocks):
            for bank, copy in block.items():
                if any(weight.grad is not None for weight in copy.parameters()):
                    trained[cell][int(bank)] += 1
    read = [
        {bank: sum(count.bank_updates[cell][bank] for count in state.balance) for bank in banks}
        for cell, banks in enumerate(state.balance[0].bank_updates)
    ]
    assert all(sum(banks.values()) == spec.training.steps for banks in read)
    # A cell without convolutions reads bank 0, and has no weights to train there.
    weightless = sum(
        plain.space.nonlinearity_count(schedule.routes(step)[0].architecture) == 0
        for step in range(spec.training.steps)
    )
    assert [
        {bank: updates - (weightless if bank == 0 else 0) for bank, updates in banks.items()}
        for banks in read
    ] == [
        {bank: counts[bank] for bank in banks} for banks, counts in zip(read, trained, strict=True)
    ]


def test_training_a_bank_changes_the_architectures_that_read_it_alone(
    supernet: CellNetwork, partition: BankedPartition
) -> None:
    images = torch.randn(4, 1, 8, 8)
    rng = random.Random(3)
    cells = {count: NB201.sample(rng, {count}) for count in range(4)}
    with torch.no_grad():
        before = {count: supernet(images, cell) for count, cell in cells.items()}
        # Bank 1 of the sixth cell is read by count 3 alone.
        for weight in banked_cells(supernet)[5]["1"].parameters():
            weight.add_(1.0)
        after = {count: supernet(images, cell) for count, cell in cells.items()}
    assert partition.route(cells[3], 6) == 1
    changed = {count for count in cells if not torch.equal(before[count], after[count])}
    assert changed == {3}
