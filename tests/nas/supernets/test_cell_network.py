"""The network against a plain reference, hand-counted sizes, and what a step may touch."""

import random
from collections import Counter
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention
from torch.utils._python_dispatch import TorchDispatchMode

from nas.spaces import catalogue
from nas.spaces.base import Architecture
from nas.spaces.cell import CellSpace
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_stand_alone, build_supernet
from nas.supernets.cell_network import (
    CellNetwork,
    PooledReduction,
    ResidualReduction,
    _steps,
)
from nas.supernets.network import Network, on_device

NB201 = catalogue()["nas-bench-201"]
DIGITS = catalogue()["digits-mini"]
assert isinstance(NB201, CellSpace)
assert isinstance(DIGITS, CellSpace)
SMALL = NetworkShape(width=4, cells_per_stage=1, reduction="residual")
NONE, SKIP, CONV1, CONV3, POOL = (
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
)


def batch_norm(features: Tensor) -> Tensor:
    mean = features.mean(dim=(0, 2, 3), keepdim=True)
    variance = features.var(dim=(0, 2, 3), keepdim=True, correction=0)
    return (features - mean) / torch.sqrt(variance + 1e-5)


def pool(features: Tensor) -> Tensor:
    """Average over the pixels of the 3x3 window that lie inside the image."""
    ones = torch.ones_like(features)
    kernel = torch.ones(features.shape[1], 1, 3, 3, dtype=features.dtype)
    channels = features.shape[1]
    total = F.conv2d(features, kernel, padding=1, groups=channels)
    return total / F.conv2d(ones, kernel, padding=1, groups=channels)


def plain_cell(
    weights: dict[str, Tensor], prefix: str, features: Tensor, architecture: Architecture
) -> Tensor:
    """NAS-Bench-201's definition, edge by edge: `none` gives zeros, nothing is left out."""
    nodes = [features]
    index = 0
    for target in range(1, 4):
        total = torch.zeros_like(features)
        for source in range(target):
            name, read = architecture[index], nodes[source]
            if name == SKIP:
                total = total + read
            elif name == POOL:
                total = total + pool(read)
            elif name != NONE:
                kernel = weights[f"{prefix}.operations.{index}-{name}.0.weight"]
                convolved = F.conv2d(F.relu(read), kernel, padding=kernel.shape[-1] // 2)
                total = total + batch_norm(convolved)
            index += 1
        nodes.append(total)
    return nodes[-1]


def plain_reduction(weights: dict[str, Tensor], prefix: str, features: Tensor) -> Tensor:
    quarter = (
        features[:, :, ::2, ::2]
        + features[:, :, 1::2, ::2]
        + features[:, :, ::2, 1::2]
        + features[:, :, 1::2, 1::2]
    ) / 4
    if f"{prefix}.widen.0.weight" in weights:
        return batch_norm(F.conv2d(quarter, weights[f"{prefix}.widen.0.weight"]))
    inner = F.conv2d(F.relu(features), weights[f"{prefix}.first.0.weight"], stride=2, padding=1)
    inner = F.conv2d(F.relu(batch_norm(inner)), weights[f"{prefix}.second.0.weight"], padding=1)
    return batch_norm(inner) + F.conv2d(quarter, weights[f"{prefix}.shortcut.weight"])


def plain_network(network: Network, images: Tensor, architecture: Architecture) -> Tensor:
    assert isinstance(network, CellNetwork)
    weights = dict(network.named_parameters())
    features = batch_norm(F.conv2d(images, weights["stem.0.weight"], padding=1))
    for index, block in enumerate(network.blocks):
        prefix = f"blocks.{index}"
        if isinstance(block, ResidualReduction | PooledReduction):
            features = plain_reduction(weights, prefix, features)
        else:
            features = plain_cell(weights, prefix, features, architecture)
    pooled = F.relu(batch_norm(features)).mean(dim=(2, 3))
    return pooled @ weights["classifier.weight"].T + weights["classifier.bias"]


@pytest.mark.parametrize("reduction", ["residual", "pooled"])
def test_shared_relus_and_skipped_dead_edges_change_no_output(
    reduction: Literal["residual", "pooled"],
) -> None:
    torch.manual_seed(0)
    shape = replace(SMALL, reduction=reduction)
    network = on_device(build_supernet(NB201, shape).double(), "cpu")
    images = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    rng = random.Random(0)
    architectures = [NB201.sample(rng) for _ in range(40)]
    # Node 1 is cut off from the input, yet two operations read it.
    architectures.append((NONE, CONV3, CONV1, NONE, POOL, CONV3))
    # Node 2 is computed, yet nothing reads it.
    architectures.append((CONV3, CONV1, POOL, SKIP, CONV3, NONE))
    for architecture in architectures:
        with torch.no_grad():
            difference = network(images, architecture) - plain_network(
                network, images, architecture
            )
        assert difference.abs().max() < 1e-9, architecture


@pytest.mark.parametrize(("width", "images", "size"), [(4, 6, 8), (10, 64, 16)])
def test_gradients_equal_those_of_the_plain_network(width: int, images: int, size: int) -> None:
    """Of few values, and of so many that the faster ways for narrow networks are taken."""
    torch.manual_seed(1)
    shape = replace(SMALL, width=width)
    network = on_device(build_supernet(NB201, shape).double(), "cpu")
    pixels = torch.randn(images, 3, size, size, dtype=torch.float64)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(images) % 10
    for architecture in [
        (CONV3,) * 6,
        (SKIP, CONV1, POOL, CONV3, NONE, CONV1),
        (POOL, POOL, CONV1, POOL, CONV1, CONV3),
    ]:
        gradients = []
        for forward in (network, lambda *given: plain_network(network, *given)):
            network.zero_grad(set_to_none=True)
            F.cross_entropy(forward(pixels, architecture), labels).backward()
            gradients.append(
                {
                    name: weight.grad.clone()
                    for name, weight in network.named_parameters()
                    if weight.grad is not None
                }
            )
        ours, plain = gradients
        assert ours.keys() == plain.keys()
        for name in ours:
            assert (ours[name] - plain[name]).abs().max() < 1e-9, name


class Counted(TorchDispatchMode):
    """Counts what torch computes.

    Attributes:
        calls: by the name of the function.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.calls[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("architecture", "convolutions", "relus"),
    [
        # One convolution and one ReLU for all edges that leave the same node.
        ((CONV3,) * 6, 3, 3),
        # Two kinds of convolutions leave node 0, and node 2 gets one edge of its own.
        ((CONV3, CONV1, SKIP, CONV3, CONV1, SKIP), 3, 2),
        # Node 2 does not reach the output, so neither do the edges that lead to it.
        ((CONV1, CONV3, CONV3, CONV3, SKIP, NONE), 2, 1),
        # Node 1 is cut off from the input, and with it what it would feed.
        ((NONE, SKIP, CONV3, CONV3, CONV3, SKIP), 1, 1),
    ],
)
def test_nothing_is_computed_twice_and_nothing_for_edges_that_are_dead(
    architecture: Architecture, convolutions: int, relus: int
) -> None:
    network = build_supernet(NB201, SMALL)
    assert isinstance(network, CellNetwork)
    plain = network.blocks[0]
    counted = Counted()
    steps = _steps(NB201.graph, architecture, NB201.live(architecture))
    with counted, torch.no_grad():
        plain([torch.randn(4, 4, 8, 8)], steps)
    assert (counted.calls["convolution"], counted.calls["relu"]) == (convolutions, relus)


def test_a_step_gives_gradients_to_the_operations_of_live_edges_alone() -> None:
    network = build_supernet(NB201, SMALL)
    # Live: 3<-0 and 1<-0, 3<-1. The convolution on 2<-0 is dead because 3<-2 is none.
    architecture = (CONV1, CONV3, NONE, CONV3, SKIP, NONE)
    network(torch.randn(4, 3, 8, 8), architecture).sum().backward()
    used = {
        name.split(".")[3]
        for name, weight in network.named_parameters()
        if ".operations." in name and weight.grad is not None
    }
    assert used == {f"0-{CONV1}", f"3-{CONV3}"}


def test_supernets_have_no_batch_norm_parameters_or_statistics() -> None:
    network = build_supernet(NB201, SMALL)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    for norm in norms:
        assert (norm.weight, norm.bias, norm.running_mean, norm.running_var) == (None,) * 4
    assert not list(network.buffers())


def test_a_dead_architecture_scores_every_image_alike() -> None:
    network = build_stand_alone(DIGITS, (NONE, NONE, CONV3))
    with torch.no_grad():
        scores = network(torch.randn(5, 1, 8, 8), (NONE, NONE, CONV3))
    assert scores.shape == (5, 10)
    assert torch.equal(scores, scores[:1].expand(5, 10))


@pytest.mark.parametrize("reduction", [ResidualReduction, PooledReduction])
def test_odd_image_sizes_are_halved_upwards(
    reduction: type[ResidualReduction] | type[PooledReduction],
) -> None:
    assert reduction(2, 5, affine=False)(torch.randn(3, 2, 7, 5)).shape == (3, 5, 4, 3)
