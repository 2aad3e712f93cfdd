"""The tangent kernel against one backward pass per image, and against closed forms."""

import math
import random

import pytest
import torch
from torch import Tensor, nn

from nas.ranking.tangent_kernel import fixed_statistics, tangent_kernel
from nas.spaces import catalogue
from nas.spaces.base import Architecture
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_stand_alone
from nas.supernets.network import Network, on_device

SPACES = ["nas-bench-201", "darts-cell", "mobilenet-proxyless-se"]


def images(number: int, channels: int = 3, size: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(number, channels, size, size, generator=generator)
    return drawn.contiguous(memory_format=torch.channels_last)


def network_of(name: str, seed: int) -> tuple[Network, Architecture]:
    space = catalogue()[name]
    architecture = space.sample(random.Random(seed))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_stand_alone(space, architecture, NetworkShape(width=4, num_classes=3))
        for weight in network.parameters():
            nn.init.normal_(weight, std=0.3)
    return on_device(network, "cpu"), architecture


def kernel_of_passes(network: nn.Module, batch: Tensor, *arguments: object) -> Tensor:
    """One image after the other, all parameters as one vector."""
    weights = list(network.parameters())
    rows = []
    for image in batch.split(1):
        found = torch.autograd.grad(network(image, *arguments).sum(), weights, allow_unused=True)
        rows.append(torch.cat([part.flatten() for part in found if part is not None]))
    jacobian = torch.stack(rows).double()
    return jacobian @ jacobian.T


def test_a_linear_function_has_the_kernel_of_its_inputs() -> None:
    batch = images(4, channels=1, size=2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False))
    rows = batch.flatten(1).double()
    assert torch.allclose(tangent_kernel(network, batch), rows @ rows.T)


@pytest.mark.parametrize("name", SPACES)
def test_the_kernel_is_that_of_one_pass_per_image(name: str) -> None:
    network, architecture = network_of(name, 3)
    batch = images(5)
    with fixed_statistics(network, batch, architecture):
        found = tangent_kernel(network, batch, architecture)
        expected = kernel_of_passes(network, batch, architecture)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.max()))
    spectrum = torch.linalg.eigvalsh(found)
    assert torch.equal(found, found.T)
    assert spectrum[0] >= -1e-9 * spectrum[-1]
    assert spectrum[0] <= found.trace() / len(found)


def test_equal_images_leave_no_least_eigenvalue() -> None:
    network, architecture = network_of("nas-bench-201", 0)
    batch = images(4)[[0, 1, 1, 2]]
    with fixed_statistics(network, batch, architecture):
        spectrum = torch.linalg.eigvalsh(tangent_kernel(network, batch, architecture))
    assert abs(float(spectrum[0])) < 1e-6 * float(spectrum[-1])


def test_fixed_statistics_are_those_of_the_batch_and_are_taken_back() -> None:
    network, architecture = network_of("nas-bench-201", 1)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = images(6)
    with fixed_statistics(network, batch, architecture):
        norm = network.stem[1]  # type: ignore[index]
        convolved = network.stem[0](batch)  # type: ignore[index]
        assert torch.allclose(norm.running_mean, convolved.mean(dim=(0, 2, 3)), atol=1e-5)
        assert torch.allclose(norm.running_var, convolved.var(dim=(0, 2, 3)), rtol=1e-4)
        # One image's output does not depend on the others.
        whole, alone = network(batch, architecture), network(batch[:1], architecture)
        assert torch.allclose(whole[:1], alone, atol=1e-5)
    assert network.training
    assert norm.momentum == 0.1
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_wide_layer_of_relus_approaches_the_arc_cosine_kernel() -> None:
    # f(x) = sum of a relu(w x), a and w standard normal. For inputs of norm 1 at the angle t, the
    # weights a give (sin t + (pi - t) cos t) / 2 pi per unit, the weights w cos t (pi - t) / 2 pi.
    units = 40_000
    generator = torch.Generator().manual_seed(2)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(2, units, bias=False), nn.ReLU(), nn.Linear(units, 1, bias=False)
    )
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(generator=generator)
    angle = 1.0
    batch = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]]).reshape(2, 1, 1, 2)
    found = tangent_kernel(network, batch) / units
    across = math.sin(angle) + 2 * (math.pi - angle) * math.cos(angle)
    expected = torch.tensor([[2 * math.pi, across], [across, 2 * math.pi]]) / (2 * math.pi)
    assert torch.allclose(found, expected.double(), atol=0.03)


def test_a_layer_that_is_called_twice_is_refused() -> None:
    layer = nn.Linear(4, 4)
    with pytest.raises(AssertionError, match="called twice"):
        tangent_kernel(nn.Sequential(nn.Flatten(), layer, layer), images(2, 1, 2))
