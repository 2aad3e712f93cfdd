from dataclasses import replace

import pytest

from nas.partition import inspection
from nas.partition.none import NoneSplitter
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.partition.random import RandomSplitter
from nas.partition.random_edge import RandomEdgeSplitter
from nas.spaces import catalogue
from nas.spaces.base import Count
from nas.supernets.sizes import suggested_supernets
from nas.supernets.spec import SupernetSpec

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


def test_training_costs_three_forward_passes_of_the_mean_architecture(space):
    partition = NoneSplitter().split(space)
    samples = inspection.draw(partition, 50, seed=0)
    found = inspection.training_cost(suggested_supernets(partition, 8, SHAPE), samples)
    costs = inspection.costs_of(samples[0], space)  # of width 8 itself
    mean = sum(cost.flops for cost in costs) / len(costs)
    assert found.split == found.one_shot == pytest.approx(3 * mean)


def test_training_costs_what_the_supernets_compute_not_the_stand_alone_networks():
    partition = NoneSplitter().split(catalogue()["nas-bench-201"])
    samples = inspection.draw(partition, 5, seed=0)
    one, two = (
        suggested_supernets(partition, 16, replace(SHAPE, cells_per_stage=number))
        for number in (1, 2)
    )
    less, more = (inspection.training_cost(size, samples) for size in (one, two))
    assert less.split < more.split < 3 * catalogue()["nas-bench-201"].flops(("nor_conv_3x3",) * 6)
    assert less.split == pytest.approx(
        3
        * sum(
            partition.space.resized(replace(SHAPE, width=16)).flops(drawn.architecture)
            for drawn in samples[0]
        )
        / 5
    )
