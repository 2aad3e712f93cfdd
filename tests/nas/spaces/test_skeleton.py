"""Where the cells of a network stand, and what networks of every shape cost."""

import random
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.utils.flop_counter import FlopCounterMode

from nas.errors import InfeasibleSupernet
from nas.spaces import catalogue
from nas.spaces.cell import CellSpace
from nas.spaces.shape import NetworkShape, scaled
from nas.spaces.skeleton import CellBlock, Features, ReductionBlock, Skeleton
from nas.supernets.build import build_stand_alone

DARTS = catalogue()["darts-cell"]
NB201 = catalogue()["nas-bench-201"]
assert isinstance(DARTS, CellSpace)
assert isinstance(NB201, CellSpace)


def skeleton(**changes: Any) -> Skeleton:
    sizes = {
        "width": 4,
        "cells_per_stage": 1,
        "num_stages": 3,
        "image_size": 8,
        "image_channels": 2,
        "num_classes": 3,
    }
    return Skeleton.model_validate(sizes | changes)


def test_the_darts_network_has_eight_cells_of_which_two_halve_the_image() -> None:
    blocks = DARTS.skeleton.blocks(DARTS.graph)
    stem, whole, half, quarter = (
        Features(48, 32),
        Features(4 * 16, 32),
        Features(4 * 32, 16),
        Features(4 * 64, 8),
    )
    assert blocks == (
        CellBlock((stem, stem), 16, 1, True),
        CellBlock((stem, whole), 16, 1, True),
        CellBlock((whole, whole), 32, 2, True),
        CellBlock((whole, half), 32, 1, True),
        CellBlock((half, half), 32, 1, True),
        CellBlock((half, half), 64, 2, True),
        CellBlock((half, quarter), 64, 1, True),
        CellBlock((quarter, quarter), 64, 1, True),
    )
    assert DARTS.skeleton.output_channels(DARTS.graph) == 4 * 64


def test_nas_bench_201_alternates_five_cells_with_a_reduction() -> None:
    blocks = NB201.skeleton.blocks(NB201.graph)
    kinds = ["reduction" if isinstance(block, ReductionBlock) else "cell" for block in blocks]
    assert kinds == ["cell"] * 5 + ["reduction"] + ["cell"] * 5 + ["reduction"] + ["cell"] * 5
    assert blocks[5] == ReductionBlock(Features(16, 32), 32, "residual")
    assert blocks[6] == CellBlock((Features(32, 16),), 32, 1, False)


SHAPES = [
    {"num_inputs": num_inputs, "outputs": outputs, "skeleton": changes}
    for num_inputs, outputs in ((1, [3]), (1, [2, 3]), (2, [3]), (2, [2, 3]), (3, [3]))
    for changes in (
        {"reduction": "residual"},
        {"reduction": "pooled", "widths": [4, 5, 9]},
        {"reduction": "cell", "stem_multiplier": 3, "cells_per_stage": 2},
        {"reduction": "cell", "widths": [4, 4, 3]},
    )
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_costs_are_those_of_the_built_stand_alone_network(shape: dict[str, Any]) -> None:
    space = CellSpace.model_validate(
        {
            "name": "any",
            "num_nodes": 4,
            "operations": [
                "none",
                "skip_connect",
                "nor_conv_3x3",
                "sep_conv_3x3",
                "mbconv_3x3_e3",
            ],
            **shape,
            "skeleton": skeleton(**shape["skeleton"]),
        }
    )
    rng = random.Random(0)
    images = torch.zeros(1, 2, 8, 8)
    for _ in range(4):
        cell = space.sample(rng)
        network = build_stand_alone(space, cell).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(images, cell)
        # Torch counts a multiply-add as two operations.
        assert space.flops(cell) * 2 == counter.get_total_flops()
        assert space.parameters(cell) == sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ({"widths": [4, 8]}, ("widths",), "2 widths for 3 stages"),
        ({"widths": [5, 8, 9]}, ("widths", 0), "the first stage has 4 channels, as `width` says"),
        ({"widths": [4, 0, 9]}, ("widths", 1), "greater than or equal to 1"),
        ({"image_size": 10}, (), "must be a multiple of 4: 3 stages halve the image 2 times"),
    ],
)
def test_a_faulty_skeleton_is_refused_at_its_place(
    changes: dict[str, Any], place: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        skeleton(**changes)
    assert [error["loc"] for error in refused.value.errors()] == [place]


def test_an_operation_that_cannot_halve_the_image_is_refused_in_cells_that_do() -> None:
    definition = {
        "name": "any",
        "num_nodes": 3,
        "operations": ["none", "identity", "nor_conv_3x3"],
        "skeleton": skeleton(reduction="cell"),
    }
    with pytest.raises(
        ValidationError, match=r"\['identity'\] of edge 0 -> 1 cannot halve"
    ) as refused:
        CellSpace.model_validate(definition)
    assert [error["loc"] for error in refused.value.errors()] == [("operations",)]
    # Away from the inputs it may stand, and so it may in a single stage, which nothing halves.
    inner = [
        {"source": 0, "target": 1, "operations": ["nor_conv_3x3"]},
        {"source": 1, "target": 2},
    ]
    assert CellSpace.model_validate({**definition, "edges": inner})
    assert CellSpace.model_validate(
        {**definition, "skeleton": skeleton(reduction="cell", num_stages=1)}
    )


def test_a_resized_skeleton_keeps_its_proportions() -> None:
    full = skeleton(width=32, widths=[32, 48, 100], stem_multiplier=3)
    narrow = full.resized(NetworkShape(width=8, cells_per_stage=2, image_channels=1))
    assert narrow.widths == (8, 12, 25)
    assert narrow.stem_channels == 24
    assert (narrow.cells_per_stage, narrow.image_channels, narrow.num_classes) == (2, 1, 3)
    assert skeleton().resized(NetworkShape(width=3)).stages == (
        Features(3, 8),
        Features(6, 4),
        Features(12, 2),
    )


def test_channels_are_rounded_to_the_nearest_and_never_to_none() -> None:
    assert [scaled(channels, 3, of=8) for channels in (8, 16, 12, 10, 1)] == [3, 6, 5, 4, 1]


def test_cells_that_halve_the_image_leave_no_room_for_a_residual_block() -> None:
    reducing = skeleton(reduction="cell")
    assert reducing.resized(NetworkShape(reduction="pooled")) == reducing
    with pytest.raises(InfeasibleSupernet, match="searched cells themselves halve") as refused:
        reducing.resized(NetworkShape(reduction="residual"))
    assert refused.value.parameter == "reduction"
    assert skeleton().resized(NetworkShape(reduction="pooled")).reduction == "pooled"
