"""Widths and exact numbers of parameters, beside hand counts and the networks that torch builds."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError

from nas.errors import InfeasibleSupernet
from nas.partition.none import NoneSplitter
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.partition.random import RandomSplitter
from nas.partition.routing import Routing
from nas.spaces import catalogue
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_supernet
from nas.supernets.cell_network import Cell
from nas.supernets.sizes import (
    Supernets,
    suggested_supernets,
    supernet_parameters,
    supernets,
)
from nas.supernets.spec import SupernetSpec

SHAPE = SupernetSpec().shape()
"""Of a run's supernets, where the run says nothing else."""


@pytest.fixture
def space():
    return catalogue()["digits-mini"]


@pytest.mark.parametrize(("num_subspaces", "width"), [(1, 16), (2, 8), (3, 5), (4, 4)])
def test_a_parent_of_16_channels_gives_the_widths_of_efs_nas(num_subspaces, width):
    partition = RandomSplitter(num_subspaces=num_subspaces).split(catalogue()["nas-bench-201"])
    found = suggested_supernets(partition, 16, SHAPE)
    assert [size.width for size in found.subspaces] == [width] * num_subspaces
    assert found.fit
    assert found.parameters == num_subspaces * found.subspaces[0].parameters


@pytest.mark.parametrize("parent", [1, 2, 3, 5, 8, 16])
@pytest.mark.parametrize("num_subspaces", [2, 3, 7])
def test_suggested_supernets_are_no_larger_than_the_parent_unless_width_1_is(
    space, parent, num_subspaces
):
    partition = RandomSplitter(num_subspaces=num_subspaces).split(space)
    found = suggested_supernets(partition, parent, SHAPE)
    assert found.fit == (found.parameters <= found.parent.parameters)
    assert found.fit or {size.width for size in found.subspaces} == {1}


def test_parameters_of_a_supernet_are_those_of_all_candidates(space):
    # One 3x3 and one 1x1 convolution per edge, stem, classifier; BatchNorms have none.
    width = 4
    edge = (9 + 1) * width * width
    ends = 9 * width + (width + 1) * 10
    shape = NetworkShape(width=width)
    assert supernet_parameters(space, shape) == 3 * edge + ends
    sizes = [supernet_parameters(space, replace(shape, width=width)) for width in range(1, 9)]
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
        counted = supernet_parameters(space, shape)
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
    found = suggested_supernets(partition, 16, shape)
    assert found.fit
    sized = found.shaped(found.size(None))
    for of_all, expected in (
        (partition, found.parameters),
        (None, found.subspaces[0].parameters),
    ):
        # No memory is taken, no weight is drawn.
        with torch.device("meta"):
            network = build_supernet(space, sized, of_all)
        assert sum(weight.numel() for weight in network.parameters()) == expected
    one_shot = suggested_supernets(
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
    found = suggested_supernets(partition, 16, replace(SHAPE, cells_per_stage=5))
    assert [size.width for size in found.subspaces] == [8] * 3


# Methods 2.4: channels, banks, thresholds and shared cells of the released variants, parameters in
# millions as stated there, and exactly. C channels have 60 C^2 weights in a cell of the first
# stage (six edges, a 3x3 and a 1x1 convolution each), four and sixteen times as many in the others,
# five cells per stage; 280 C^2 in two reductions (18 + 36 + 2, and four times that); 27 C in the
# stem and 10 (4 C + 1) in the classifier: 6580 C^2 + 67 C + 10 with one bank.
RELEASED = pytest.mark.parametrize(
    ("width", "thresholds", "shared_cells", "millions", "exactly", "unread"),
    [
        (16, (), 0, 1.69, 1_685_562, 0),
        # Cells 6 to 15 twice: 12580 C^2. No architecture reads bank 1 before cell 9 (3 x 9 > 25).
        (8, (25,), 5, 0.81, 805_666, 3 * 240 * 8**2),
        # Three times: 18580 C^2. Bank 1 is for counts 16 to 20, in cells 6 and 8 to 10; bank 2 for
        # more, from cell 7 on.
        (5, (15, 20), 5, 0.46, 464_845, (2 * 240 + 5 * 960) * 5**2),
        # Every cell four times: 25480 C^2. Banks begin in cells 4, 7 and 11.
        (4, (10, 20, 30), 0, 0.41, 407_958, (3 * 3 + 2 * 2) * 60 * 4**2 + (2 + 4) * 240 * 4**2),
    ],
)


@RELEASED
def test_methods_2_4_parameters_of_the_released_supernets_with_weight_banks(
    width, thresholds, shared_cells, millions, exactly, unread
):
    space = catalogue()["nas-bench-201"]
    splitter = NonlinearitySplitter(num_subspaces=len(thresholds) + 1, thresholds=thresholds)
    routing = Routing(routing="accumulated", cells_per_stage=5, shared_cells=shared_cells)
    shape = NetworkShape(cells_per_stage=5, reduction="residual")
    partition = routing.partition(splitter, space) if thresholds else NoneSplitter().split(space)
    with torch.device("meta"):
        plain = build_supernet(space, replace(shape, width=width))
        built = build_supernet(space, replace(shape, width=width), partition)
    # The released code builds every bank in every cell that has banks.
    cells = [count(block) for block in plain.blocks if isinstance(block, Cell)]
    copies = count(plain) + len(thresholds) * sum(cells[shared_cells:])
    assert copies == exactly
    assert round(copies / 1e6, 2) == millions
    # Ours leaves out those that no architecture reads there.
    widths = (width,) * len(partition.subspaces)
    counted = supernets(partition, width, widths, shape).parameters
    assert counted == count(built) == exactly - unread


def count(module):
    return sum(weight.numel() for weight in module.parameters())


def test_a_list_gives_every_sub_space_its_own_width_and_parameters(space):
    partition = NonlinearitySplitter(num_subspaces=3).split(space)
    found = SupernetSpec(width=(6, 4, 2)).supernets(partition, SHAPE)
    # One stage of one cell: three edges of a 3x3 and a 1x1 convolution, stem and classifier.
    own = [30 * width**2 + 9 * width + 10 * (width + 1) for width in (6, 4, 2)]
    assert [size.width for size in found.subspaces] == [6, 4, 2]
    assert [size.parameters for size in found.subspaces] == own
    assert found.parameters == sum(own)
    assert found.parent == found.size(None) == found.size(0)
    assert found.shaped(found.size(2)) == replace(SHAPE, width=2)


@pytest.mark.parametrize(
    ("supernet", "parent", "widths"),
    [
        ({}, 8, [8, 8, 8]),
        ({"width": 5}, 5, [5, 5, 5]),
        ({"width": [2, 7, 3]}, 7, [2, 7, 3]),
        ({"width": 5, "parent_width": 9}, 9, [5, 5, 5]),
        ({"width": "auto"}, 16, [5, 5, 5]),
        ({"width": "auto", "parent_width": 12}, 12, [4, 4, 4]),
        ({"width": " 6 "}, 6, [6, 6, 6]),
    ],
)
def test_the_parent_is_as_wide_as_the_widest_or_as_said(supernet, parent, widths):
    partition = NonlinearitySplitter(num_subspaces=3).split(catalogue()["nas-bench-201"])
    found = SupernetSpec.model_validate(supernet).supernets(partition, SHAPE)
    assert found.parent.width == parent
    assert [size.width for size in found.subspaces] == widths


@pytest.mark.parametrize("num_subspaces", [1, 2, 3])
@pytest.mark.parametrize("parent", [6, 16, 23])
def test_auto_is_what_is_suggested(space, num_subspaces, parent):
    partition = NonlinearitySplitter(num_subspaces=num_subspaces).split(space)
    spec = SupernetSpec(width="auto", parent_width=parent)
    assert spec.supernets(partition, SHAPE) == suggested_supernets(partition, parent, SHAPE)


def test_auto_divides_by_the_number_of_banks():
    space = catalogue()["nas-bench-201"]
    spec = SupernetSpec(width="auto", routing="accumulated", cells_per_stage=5, shared_cells=5)
    partition = spec.partition(NonlinearitySplitter(num_subspaces=2, thresholds=(25,)), space)
    found = spec.supernets(partition, spec.shape())
    assert [size.width for size in found.subspaces] == [8] * 3
    assert found.size(None) == found.subspaces[0]


def test_auto_says_so_when_not_even_width_1_is_small_enough(space):
    partition = RandomSplitter(num_subspaces=7).split(space)
    with pytest.raises(
        InfeasibleSupernet, match=r"of 7 sub-spaces have .* raise parent_width"
    ) as e:
        SupernetSpec(width="auto", parent_width=1).supernets(partition, SHAPE)
    assert e.value.parameter == "width"


@pytest.mark.parametrize("widths", [(4,), (4, 4), (4, 4, 4, 4)])
def test_as_many_widths_as_sub_spaces_are_needed(space, widths):
    partition = NonlinearitySplitter(num_subspaces=3).split(space)
    with pytest.raises(InfeasibleSupernet, match=f"^{len(widths)} widths for 3 sub-spaces"):
        SupernetSpec(width=widths).supernets(partition, SHAPE)


@pytest.mark.parametrize(
    ("supernet", "place", "said"),
    [
        ({"width": 0}, ("width", "all"), "greater than or equal to 1"),
        ({"width": 257}, ("width", "all"), "less than or equal to 256"),
        ({"width": 2.5}, ("width", "all"), "valid integer"),
        ({"width": []}, ("width", "each"), "at least 1 item"),
        ({"width": [8, 0]}, ("width", "each", 1), "greater than or equal to 1"),
        ({"width": "wide"}, ("width",), "a list of one per sub-space, or auto"),
        ({"width": True}, ("width",), "a list of one per sub-space, or auto"),
        ({"width": None}, ("width",), "a list of one per sub-space, or auto"),
        ({"width": 8, "parent_width": 7}, ("parent_width",), "7 is below the width 8"),
        ({"width": [8, 9], "parent_width": 8}, ("parent_width",), "8 is below the width 9"),
        ({"width": [8, 8], "routing": "accumulated"}, ("width",), "one supernet holds all"),
    ],
)
def test_a_width_that_cannot_be_names_its_place(supernet, place, said):
    with pytest.raises(ValidationError) as error:
        SupernetSpec.model_validate(supernet)
    (found,) = error.value.errors()
    assert found["loc"] == place
    assert said in found["msg"]


def test_the_supernet_of_all_is_the_parent_or_the_one_with_banks(space):
    partition = NonlinearitySplitter(num_subspaces=2).split(space)
    found = supernets(partition, 9, (3, 4), SHAPE)
    assert isinstance(found, Supernets)
    assert (found.size(None).width, found.size(0).width, found.size(1).width) == (9, 3, 4)
    assert not found.have_banks
