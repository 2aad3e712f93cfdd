import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nas.operations import OPERATIONS
from nas.operations.base import Operation

EVERY = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
NONLINEAR = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardswish)


def test_the_operations_are_those_of_nas_bench_201() -> None:
    assert {name: operation.nonlinearities for name, operation in OPERATIONS.items()} == {
        "none": 0,
        "skip_connect": 0,
        "avg_pool_3x3": 0,
        "nor_conv_1x1": 1,
        "nor_conv_3x3": 1,
    }


@EVERY
@pytest.mark.parametrize("affine", [True, False])
def test_the_built_module_keeps_the_shape(operation: Operation, affine: bool) -> None:
    features = torch.randn(2, 6, 5, 7)
    assert operation.build(6, affine=affine)(features).shape == features.shape


@EVERY
def test_the_declared_nonlinearities_are_those_of_the_built_module(operation: Operation) -> None:
    module = operation.build(4, affine=True)
    inside = sum(isinstance(part, NONLINEAR) for part in module.modules())
    assert operation.nonlinearities == inside + operation.takes_relu


@EVERY
def test_the_module_is_linear_apart_from_batch_norm(operation: Operation) -> None:
    module = operation.build(3, affine=True).eval()
    first, second = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(module(first + 2 * second), module(first) + 2 * module(second))


@EVERY
def test_parameters_are_those_of_the_built_module(operation: Operation) -> None:
    module = operation.build(6, affine=True)
    assert operation.parameters(6) == sum(weight.numel() for weight in module.parameters())


@EVERY
def test_flops_are_half_of_what_torch_counts(operation: Operation) -> None:
    # Torch counts a multiply-add as two operations.
    module = operation.build(6, affine=True).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.randn(1, 6, 5, 7))
    assert operation.flops(6, 5, 7) * 2 == counter.get_total_flops()


@EVERY
def test_the_output_depends_on_the_input_exactly_if_it_connects(operation: Operation) -> None:
    module = operation.build(3, affine=False)
    first, second = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        assert torch.equal(module(first), module(second)) != operation.connects


@EVERY
def test_a_supernet_shares_no_batch_norm_state(operation: Operation) -> None:
    module = operation.build(3, affine=False)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.weight is None
            assert part.running_mean is None


def test_pooling_averages_the_pixels_inside_the_image_only() -> None:
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    pooled = OPERATIONS["avg_pool_3x3"].build(1, affine=True)(image)
    assert pooled[0, 0, 0, 0] == (0 + 1 + 3 + 4) / 4
    assert pooled[0, 0, 1, 1] == 4
    assert pooled[0, 0, 0, 1] == (0 + 1 + 2 + 3 + 4 + 5) / 6
