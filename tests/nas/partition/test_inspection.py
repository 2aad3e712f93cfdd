from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from nas.errors import InfeasibleSupernet
from nas.partition import inspection
from nas.partition.none import NoneSplitter
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.partition.random import RandomSplitter
from nas.partition.random_edge import RandomEdgeSplitter
from nas.partition.routing import Routing
from nas.spaces import catalogue
from nas.spaces.base import Count
from nas.spaces.shape import NetworkShape
from nas.spec import SupernetSpec
from nas.supernets.build import build_supernet

SPLITTERS = [
    NoneSplitter(),
    NonlinearitySplitter(num_subspaces=3),
    NonlinearitySplitter(num_subspaces=3, count="total"),
    RandomSplitter(num_subspaces=4, seed=5),
    RandomEdgeSplitter(num_decisions=1, seed=2),
]
SHAPE = SupernetSpec().shape()
"""Of a run's supernets, where the run says nothing else."""
BY_KIND = pytest.mark.parametrize("splitter", SPLITTERS, ids=str)


@pytest.fixture
def space():
    return catalogue()["digits-mini"]


@BY_KIND
def test_both_sides_of_the_cover_equal_what_enumeration_counts(space, splitter):
    found = inspection.cover(splitter.split(space))
    assert found.holds
    everything = list(space.enumerate())
    valid = sum(space.is_valid(architecture) for architecture in everything)
    assert found.parts == found.space == Count(all=len(everything), valid=valid)


def test_a_lost_and_a_doubled_sub_space_are_noticed(space):
    partition = NonlinearitySplitter(num_subspaces=3).split(space)
    first, second, third = partition.subspaces
    lost = inspection.cover(replace(partition, subspaces=(first, second)))
    assert (lost.holds, lost.shared_labels) == (False, ())
    assert lost.space.all - lost.parts.all == third.size.all
    twice = inspection.cover(replace(partition, subspaces=(first, second, third, second)))
    assert (twice.holds, twice.shared_labels) == (False, (1,))


@BY_KIND
def test_ranges_are_those_of_enumeration(space, splitter):
    partition = splitter.split(space)
    owned = [[] for _ in partition.subspaces]
    for architecture in space.enumerate():
        if space.is_valid(architecture):
            owned[partition.route(architecture)].append(architecture)
    for found, members in zip(inspection.exact_ranges(partition), owned, strict=True):
        for spread, cost in ((found.flops, space.flops), (found.parameters, space.parameters)):
            values = [cost(architecture) for architecture in members]
            assert spread == (min(values), max(values))


@BY_KIND
def test_draws_are_valid_members_of_their_sub_space_and_repeat_with_the_seed(space, splitter):
    partition = splitter.split(space)
    samples = inspection.draw(partition, 20, seed=1)
    for index, drawn in enumerate(samples):
        assert len(drawn) == 20
        for architecture, live in drawn:
            assert partition.route(architecture) == index
            assert any(live)
        costs = inspection.costs_of(drawn, space)
        assert [cost.flops for cost in costs] == [space.flops(item.architecture) for item in drawn]
    assert inspection.draw(partition, 20, seed=1) == samples
    assert inspection.draw(partition, 20, seed=2) != samples


def test_quantiles_are_values_at_their_rank():
    assert inspection.quantiles(range(100, -1, -1)) == (5, 25, 50, 75, 95)
    assert inspection.quantiles([7]) == (7,) * 5


@pytest.mark.parametrize(("num_subspaces", "width"), [(1, 16), (2, 8), (3, 5), (4, 4)])
def test_a_parent_of_16_channels_gives_the_widths_of_efs_nas(num_subspaces, width):
    partition = RandomSplitter(num_subspaces=num_subspaces).split(catalogue()["nas-bench-201"])
    found = inspection.suggest_widths(partition, 16, SHAPE)
    assert [size.width for size in found.subspaces] == [width] * num_subspaces
    assert found.fits
    assert found.parameters == num_subspaces * found.subspaces[0].parameters


@pytest.mark.parametrize("parent", [1, 2, 3, 5, 8, 16])
@pytest.mark.parametrize("num_subspaces", [2, 3, 7])
def test_suggested_supernets_are_no_larger_than_the_parent_unless_width_1_is(
    space, parent, num_subspaces
):
    partition = RandomSplitter(num_subspaces=num_subspaces).split(space)
    found = inspection.suggest_widths(partition, parent, SHAPE)
    assert found.fits == (found.parameters <= found.parent.parameters)
    assert found.fits or {size.width for size in found.subspaces} == {1}


def test_parameters_of_a_supernet_are_those_of_all_candidates(space):
    # One 3x3 and one 1x1 convolution per edge, stem, classifier; BatchNorms have none.
    width = 4
    edge = (9 + 1) * width * width
    ends = 9 * width + (width + 1) * 10
    shape = NetworkShape(width=width)
    assert inspection.supernet_parameters(space, shape) == 3 * edge + ends
    sizes = [
        inspection.supernet_parameters(space, replace(shape, width=width)) for width in range(1, 9)
    ]
    assert all(less < more for less, more in pairwise(sizes))


SHAPES = [
    SHAPE,
    replace(SHAPE, width=1),
    replace(SHAPE, width=5, image_channels=1, num_classes=7),
    replace(SHAPE, width=3, cells_per_stage=2),
    replace(SHAPE, width=4, cells_per_stage=2, reduction="residual"),
    NetworkShape(width=6),
]


@pytest.mark.parametrize("name", catalogue())
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_parameters_of_a_supernet_are_those_of_the_built_network(name, shape):
    space = catalogue()[name]
    try:
        counted = inspection.supernet_parameters(space, shape)
    except InfeasibleSupernet:
        assert shape.cells_per_stage == 2
        with pytest.raises(InfeasibleSupernet):
            build_supernet(space, shape)
        return
    # No memory is taken, no weight is drawn.
    with torch.device("meta"):
        network = build_supernet(space, shape)
    assert counted == sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("name", "thresholds", "cells_per_stage"),
    [("digits-mini", (2, 3), 3), ("nas-bench-201", (15, 20), 5), ("darts-cell", (9, 20), 1)],
)
def test_parameters_with_weight_banks_are_those_of_the_built_network(
    name, thresholds, cells_per_stage
):
    space = catalogue()[name]
    splitter = NonlinearitySplitter(num_subspaces=3, thresholds=thresholds)
    routing = Routing(routing="accumulated", cells_per_stage=cells_per_stage, shared_cells=1)
    partition = routing.partition(splitter, space)
    shape = replace(SHAPE, cells_per_stage=cells_per_stage)
    found = inspection.suggest_widths(partition, 16, shape)
    assert found.fits
    sized = found.shaped(found.subspaces[0])
    for of_all, expected in (
        (partition, found.parameters),
        (None, found.subspaces[0].parameters),
    ):
        # No memory is taken, no weight is drawn.
        with torch.device("meta"):
            network = build_supernet(space, sized, of_all)
        assert sum(weight.numel() for weight in network.parameters()) == expected
    one_shot = inspection.suggest_widths(
        replace(partition, banks=replace(partition.banks, thresholds=())), 16, shape
    )
    # Without thresholds there is one bank: the parent itself.
    assert one_shot.parameters == one_shot.parent.parameters == found.parent.parameters


def test_the_suggested_width_follows_the_number_of_banks_not_of_sub_spaces():
    space = catalogue()["nas-bench-201"]
    routing = Routing(routing="accumulated", cells_per_stage=5, shared_cells=5)
    splitter = NonlinearitySplitter(num_subspaces=2, thresholds=(25,))
    partition = routing.partition(splitter, space)
    assert len(partition.subspaces) == 3
    found = inspection.suggest_widths(partition, 16, replace(SHAPE, cells_per_stage=5))
    assert [size.width for size in found.subspaces] == [8] * 3


def test_the_released_supernet_of_efs_nas_has_1_69_million_parameters():
    # 16 channels, five cells per stage, three convolutions per reduction.
    found = inspection.supernet_parameters(catalogue()["nas-bench-201"], NetworkShape(width=16))
    assert round(found / 1e6, 2) == 1.69


def test_training_costs_three_forward_passes_of_the_mean_architecture(space):
    partition = NoneSplitter().split(space)
    samples = inspection.draw(partition, 50, seed=0)
    widths = inspection.suggest_widths(partition, 8, SHAPE)
    found = inspection.training_cost(partition, widths, samples)
    costs = inspection.costs_of(samples[0], space)  # of width 8 itself
    mean = sum(cost.flops for cost in costs) / len(costs)
    assert found.split == found.one_shot == pytest.approx(3 * mean)


def test_training_costs_what_the_supernets_compute_not_the_stand_alone_networks():
    partition = NoneSplitter().split(catalogue()["nas-bench-201"])
    samples = inspection.draw(partition, 5, seed=0)
    one, two = (
        inspection.suggest_widths(partition, 16, replace(SHAPE, cells_per_stage=number))
        for number in (1, 2)
    )
    less, more = (inspection.training_cost(partition, size, samples) for size in (one, two))
    assert less.split < more.split < 3 * catalogue()["nas-bench-201"].flops(("nor_conv_3x3",) * 6)
    assert less.split == pytest.approx(
        3
        * sum(
            partition.space.resized(replace(SHAPE, width=16)).flops(drawn.architecture)
            for drawn in samples[0]
        )
        / 5
    )
