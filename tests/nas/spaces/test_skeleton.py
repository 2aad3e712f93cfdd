import random

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nas.spaces import catalogue
from nas.spaces.cell import CellSpace
from nas.supernets.network import build_stand_alone, stand_alone_shape


@pytest.mark.parametrize("space", catalogue().values(), ids=catalogue().keys())
def test_costs_are_those_of_the_built_stand_alone_network(space: CellSpace) -> None:
    skeleton = space.skeleton
    images = torch.zeros(1, skeleton.image_channels, skeleton.image_size, skeleton.image_size)
    rng = random.Random(0)
    for count in space.histogram():
        cell = space.sample(rng, {count})
        network = build_stand_alone(space, cell, stand_alone_shape(space)).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(images, cell)
        # Torch counts a multiply-add as two operations.
        assert space.flops(cell) * 2 == counter.get_total_flops()
        assert space.parameters(cell) == sum(weight.numel() for weight in network.parameters())
