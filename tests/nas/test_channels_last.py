"""The faster ways against torch's own functions, values and gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, batch_norm, conv2d

from nas.channels_last import (
    box_mean,
    box_mean_pays,
    product_pays,
    standardised,
    standardising_pays,
)
from nas.modules import AvgPool3x3, Convolution
from nas.modules import batch_norm as batch_norm_module

SHAPES = [(64, 5, 32, 32), (7, 8, 9, 5), (3, 10, 1, 6), (2, 12, 4, 1), (5, 1, 3, 3), (4, 16, 2, 2)]


def values_and_gradient(
    function: Callable[[Tensor], Tensor], features: Tensor
) -> tuple[Tensor, Tensor]:
    leaf = features.clone().requires_grad_(True)
    output = function(leaf)
    torch.manual_seed(1)
    (gradient,) = torch.autograd.grad(output, leaf, torch.randn_like(output))
    return output.detach(), gradient


def random_features(shape: tuple[int, ...]) -> Tensor:
    torch.manual_seed(0)
    features = 3 + 2 * torch.randn(shape, dtype=torch.float64)
    return features.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", SHAPES)
def test_standardising_is_batch_norm_without_parameters(shape: tuple[int, ...]) -> None:
    features = random_features(shape)
    found = values_and_gradient(lambda x: standardised(x, 1e-5), features)
    expected = values_and_gradient(lambda x: batch_norm(x, None, None, training=True), features)
    for ours, torchs in zip(found, expected, strict=True):
        assert torch.allclose(ours, torchs, rtol=0, atol=1e-11)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_box_mean_is_average_pooling_over_the_pixels_inside(shape: tuple[int, ...]) -> None:
    features = random_features(shape)
    found = values_and_gradient(box_mean, features)
    expected = values_and_gradient(
        lambda x: avg_pool2d(x, 3, 1, 1, count_include_pad=False), features
    )
    for ours, torchs in zip(found, expected, strict=True):
        assert torch.allclose(ours, torchs, rtol=0, atol=1e-11)


def test_gradients_that_lie_in_another_order_are_read_right() -> None:
    features = random_features((64, 8, 16, 16)).requires_grad_(True)
    gradient = torch.randn(64, 8, 16, 16, dtype=torch.float64)
    for function, own in (
        (lambda x: standardised(x, 1e-5), lambda x: batch_norm(x, None, None, training=True)),
        (box_mean, lambda x: avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
    ):
        (found,) = torch.autograd.grad(function(features), features, gradient)
        (expected,) = torch.autograd.grad(own(features), features, gradient)
        assert torch.allclose(found, expected, rtol=0, atol=1e-11)


def test_modules_take_the_faster_way_only_where_it_pays() -> None:
    narrow, wide = random_features((64, 8, 32, 32)), random_features((64, 64, 8, 8))
    few = random_features((2, 8, 4, 4))
    assert standardising_pays(narrow)
    assert box_mean_pays(narrow)
    for features in (wide, few, narrow.contiguous()):
        assert not standardising_pays(features)
        assert not box_mean_pays(features)
    for features in (narrow.requires_grad_(True), wide.requires_grad_(True)):
        channels = features.shape[1]
        for module, fast in (
            (batch_norm_module(channels, affine=False), "_StandardisedBackward"),
            (AvgPool3x3(1), "_BoxMeanBackward"),
        ):
            taken = type(module(features).grad_fn).__name__
            assert (taken == fast) == (channels == 8), taken


def test_batch_norm_with_running_statistics_stays_torchs_own() -> None:
    features = random_features((64, 8, 16, 16))
    norm = batch_norm_module(8, affine=True).double()
    norm(features)
    assert torch.allclose(norm.running_mean, 0.1 * features.mean(dim=(0, 2, 3)))


@pytest.mark.parametrize("channels", [(16, 16), (16, 32), (48, 16)])
def test_a_convolution_of_single_pixels_is_a_product(channels: tuple[int, int]) -> None:
    module = Convolution(*channels, 1, bias=False).double()
    module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    features = random_features((6, channels[0], 5, 3))
    assert product_pays(features, module)
    found = values_and_gradient(module, features)
    expected = values_and_gradient(lambda x: conv2d(x, module.weight), features)
    for ours, torchs in zip(found, expected, strict=True):
        assert torch.allclose(ours, torchs, rtol=0, atol=1e-11)
    assert found[0].is_contiguous(memory_format=torch.channels_last)


def test_convolutions_with_stride_groups_or_odd_channels_stay_torchs_own() -> None:
    features = random_features((6, 16, 4, 4))
    for options in ({"stride": 2}, {"groups": 16}, {"bias": True}):
        module = Convolution(16, 16, 1, **{"bias": False, **options}).double()
        assert not product_pays(features, module)
    assert not product_pays(features, Convolution(16, 10, 1, bias=False).double())
