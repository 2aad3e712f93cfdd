"""Supernets as they were, bit by bit, when these figures were recorded.

A change of the networks that is not meant to change results leaves them as they are; one that is
meant to stands under "Results affected" in the changelog.
"""

import hashlib
from itertools import cycle, islice
from typing import Literal, NamedTuple

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nas.spaces import catalogue
from nas.spaces.base import Architecture, Space
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_supernet
from nas.supernets.network import on_device


class Recorded(NamedTuple):
    """What a small run gave.

    Attributes:
        initial: SHA-256 of the names and the bits of the untrained weights.
        trained: SHA-256 of the weights after six steps in float64, rounded to four digits after
            the point: instruction sets sum in orders of their own and differ around the 14th.
        losses: after them, per architecture.
    """

    initial: str
    trained: str
    losses: tuple[float, ...]


CASES = {
    ("digits-mini", "pooled"): Recorded(
        initial="483f284c869fabee88cd60f4306125338c1f52c086a2496636043e5daa399abb",
        trained="b3750f36b86a630456b2ce8a99a5112eb8ac68a7a00fc5e4707df64910fe29e2",
        losses=(2.2200283980, 2.2621955261, 2.2537631161),
    ),
    ("nas-bench-201", "pooled"): Recorded(
        initial="16737f5637b37ea9c76c1128ce9824a0708a39d57d309b81a794d0c5a1c25b72",
        trained="e19fcf03fc7b53fba47e3b4e7b60d578844fbaa6db7441234fc5e553bd6eefab",
        losses=(2.1884080410, 2.0772939775, 2.0315666721),
    ),
    ("nas-bench-201", "residual"): Recorded(
        initial="7e006b894b7b47324a4369a32eeac414366f7923ed795f6e5e2b87bd32064d12",
        trained="524566028183f764920f0944b47aea1da53bbdbc37d4cc5ec782a7a4a3eba6e6",
        losses=(2.2451327707, 1.7851683861, 2.0076589107),
    ),
}


def supernet(space: Space, reduction: Literal["pooled", "residual"]) -> nn.Module:
    shape = NetworkShape(
        width=4,
        cells_per_stage=2,
        image_channels=3,
        num_classes=10,
        reduction=reduction,
    )
    torch.manual_seed(3)
    return on_device(build_supernet(space, shape), "cpu")


def architectures(space: Space) -> list[Architecture]:
    patterns = (
        ("nor_conv_3x3",),
        ("nor_conv_1x1", "avg_pool_3x3", "nor_conv_3x3", "skip_connect"),
        ("skip_connect", "nor_conv_3x3", "none"),
    )
    return [tuple(islice(cycle(pattern), len(space.choices))) for pattern in patterns]


def digest(network: nn.Module, decimals: int | None = None) -> str:
    found = hashlib.sha256()
    for name, value in network.state_dict().items():
        found.update(name.encode())
        if decimals is not None:
            # Adding zero turns a negative zero into the other.
            value = value.round(decimals=decimals) + 0.0
        found.update(value.contiguous().numpy().tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_weights_and_losses_are_those_recorded(case: tuple[str, str]) -> None:
    space, recorded = catalogue()[case[0]], CASES[case]
    network = supernet(space, case[1])
    initial = digest(network)
    network.double()
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(16, 3, 8, 8, generator=generator, dtype=torch.float64).contiguous(
        memory_format=torch.channels_last
    )
    labels = torch.arange(16) % 10
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for architecture in architectures(space) * 2:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(network(images, architecture), labels).backward()
        optimizer.step()
    with torch.no_grad():
        losses = [
            float(cross_entropy(network(images, architecture), labels))
            for architecture in architectures(space)
        ]
    assert initial == recorded.initial
    assert digest(network, decimals=4) == recorded.trained
    assert losses == pytest.approx(recorded.losses, abs=1e-9)
