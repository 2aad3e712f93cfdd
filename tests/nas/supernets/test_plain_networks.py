"""Networks built plainly: every edge computed, every operation with an activation of its own.

What really runs in them is the truth that declared nonlinearity counts, and the shortcuts of
`CellNetwork`, are compared with.
"""

import random
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from nas.modules import FactorisedReduction
from nas.operations import OPERATIONS
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Space
from nas.spaces.cell import CellSpace
from nas.spaces.graph import CellGraph
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_supernet
from nas.supernets.cell_network import Cell, CellNetwork
from nas.supernets.network import Network

TINY = NetworkShape(width=2, cells_per_stage=1, num_classes=3)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.SiLU, nn.GELU, nn.Tanh, nn.Hardswish)
CELL_SPACES = [space for space in catalogue().values() if isinstance(space, CellSpace)]
EVERY = pytest.mark.parametrize("space", catalogue().values(), ids=catalogue().keys())

Forward = Callable[[Tensor, Architecture], Tensor]


def built_plainly(space: Space) -> tuple[Network, Forward]:
    """Return a supernet and how to run it without shortcuts."""
    torch.manual_seed(0)
    network = build_supernet(space, TINY).double()
    if not isinstance(network, CellNetwork):
        return network, network

    def forward(images: Tensor, architecture: Architecture) -> Tensor:
        older = newer = network.stem(images)
        for block in network.blocks:
            if isinstance(block, Cell):
                output = plain_cell(block, (older, newer), architecture)
            else:
                output = block(newer)
            older, newer = newer, output
        scores: Tensor = network.classifier(relu(network.tail(newer)).mean(dim=(2, 3)))
        return scores

    return network, forward


def with_own_activations(network: Network) -> None:
    """Give every operation that expects ReLU of its input that ReLU as a module."""
    for cell in network.modules():
        if isinstance(cell, Cell):
            for key, operation in cell.operations.items():
                if OPERATIONS[key.partition("-")[2]].takes_relu:
                    cell.operations[key] = nn.Sequential(nn.ReLU(), operation)


def plain_cell(cell: Cell, given: tuple[Tensor, Tensor], architecture: Architecture) -> Tensor:
    """The sum over all edges into each node, zeros for `none`."""
    graph = cell.graph
    nodes = [
        prepare(features)
        for prepare, features in zip(cell.preprocess, given[-graph.num_inputs :], strict=True)
    ]
    sizes = nodes[0][:, :, :: cell.stride, :: cell.stride]
    for node in range(graph.num_inputs, graph.num_nodes):
        total = torch.zeros_like(sizes)
        for index, (source, target) in enumerate(graph.edges):
            if target == node and architecture[index] != "none":
                name, read = architecture[index], nodes[source]
                operation = cell.operations[f"{index}-{name}"]
                shares_relu = OPERATIONS[name].takes_relu and not isinstance(operation[0], nn.ReLU)
                total = total + operation(relu(read) if shares_relu else read)
        nodes.append(total)
    return torch.cat([nodes[node] for node in graph.outputs], dim=1)


def random_architectures(space: Space, number: int) -> list[Architecture]:
    """Half of them valid, half chosen operation by operation."""
    rng = random.Random(0)
    valid = [space.sample(rng) for _ in range(number // 2)]
    chosen = [tuple(rng.choice(names) for names in space.choices) for _ in range(number // 2)]
    return valid + chosen


def live_paths(graph: CellGraph, architecture: Architecture) -> list[list[int]]:
    """Every path from an input to an output without `none`, as indices of its edges."""
    ways: dict[int, list[list[int]]] = {node: [[]] for node in range(graph.num_inputs)}
    for node in range(graph.num_inputs, graph.num_nodes):
        ways[node] = [
            [*way, index]
            for index, (source, target) in enumerate(graph.edges)
            if target == node and architecture[index] != "none"
            for way in ways[source]
        ]
    return [way for node in graph.outputs for way in ways[node]]


def record_activations(network: Network) -> Counter[str]:
    """Return a counter that hooks fill with the names of the activations that run.

    A factorised reduction's own is left out: it stands for the reduction, not for an operation.
    """
    ran: Counter[str] = Counter()
    reductions = tuple(
        f"{name}."
        for name, part in network.named_modules()
        if isinstance(part, FactorisedReduction)
    )

    def hook(name: str) -> Callable[..., None]:
        return lambda *_: ran.update([name])

    for name, part in network.named_modules():
        if isinstance(part, ACTIVATIONS) and not name.startswith(reductions):
            part.register_forward_hook(hook(name))
    return ran


@EVERY
def test_the_count_is_that_of_the_activations_that_run_in_the_plain_network(space: Space) -> None:
    network, forward = built_plainly(space)
    with_own_activations(network)
    ran = record_activations(network)
    skeleton = space.resized(TINY).skeleton  # type: ignore[attr-defined]
    images = torch.randn(2, skeleton.image_channels, 2, 2, dtype=torch.float64)
    for architecture in random_architectures(space, 100):
        ran.clear()
        with torch.no_grad():
            forward(images, architecture)
        expected = (
            space.nonlinearity_count(architecture),
            space.nonlinearity_count(architecture, "total"),
        )
        for found in counted(network, space, architecture, ran):
            assert found == expected, architecture


def counted(
    network: Network, space: Space, architecture: Architecture, ran: Counter[str]
) -> list[tuple[int, int]]:
    """Return (most on a path, on all live paths) of every cell, or of the chain."""
    if not isinstance(space, CellSpace):
        total = sum(number for name, number in ran.items() if name.startswith("layers."))
        return [(total, total)]
    found = []
    paths = live_paths(space.graph, architecture)
    for name, cell in network.named_modules():
        if isinstance(cell, Cell):
            by_edge: Counter[int] = Counter()
            for activation, number in ran.items():
                own = activation.removeprefix(f"{name}.operations.")
                if own != activation:
                    by_edge[int(own.partition("-")[0])] += number
            best = max((sum(by_edge[edge] for edge in path) for path in paths), default=0)
            live = {edge for path in paths for edge in path}
            found.append((best, sum(by_edge[edge] for edge in live)))
    assert found
    return found


@pytest.mark.parametrize("space", CELL_SPACES, ids=lambda space: space.name)
def test_the_networks_shortcuts_change_no_output(space: CellSpace) -> None:
    network, forward = built_plainly(space)
    images = torch.randn(4, space.skeleton.image_channels, 9, 9, dtype=torch.float64)
    for architecture in random_architectures(space, 20):
        with torch.no_grad():
            difference = network(images, architecture) - forward(images, architecture)
        # Without affine parameters every operation turns the zeros of a node that no input
        # reaches into zeros, so that what dead edges add changes nothing.
        assert difference.abs().max() < 1e-9, architecture
