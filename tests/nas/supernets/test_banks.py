"""The network of routing `accumulated`: which weights an architecture reads and trains."""

import random

import pytest
import torch

from nas.partition.accumulated import BankedPartition, accumulated_partition
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.spaces import catalogue
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_supernet
from nas.supernets.cell_network import CellNetwork

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


@pytest.mark.parametrize("count", [1, 2, 3])
def test_methods_2_11_4_one_backward_pass_gives_gradients_to_the_banks_used_alone(
    supernet: CellNetwork, partition: BankedPartition, count: int
) -> None:
    cell = NB201.sample(random.Random(count), {count})
    supernet(torch.randn(4, 1, 8, 8), cell).sum().backward()
    for depth, block in enumerate(banked_cells(supernet), start=1):
        used = partition.route(cell, depth)
        for name, copy in block.items():
            trained = any(
                weight.grad is not None and bool(weight.grad.abs().any())
                for weight in copy.parameters()
            )
            assert trained == (name == str(used)), (depth, name)
    for shared in (supernet.stem, supernet.classifier):
        assert all(weight.grad is not None for weight in shared.parameters())


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
