import re
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from nas.modules import FactorisedReduction
from nas.operations import OPERATIONS
from nas.operations.base import Operation, Place

PLACES = [
    Place(6, 6),
    Place(6, 6, stride=2),
    Place(6, 9),
    Place(6, 9, stride=2),
    Place(5, 1, stride=2),
]
KEPT = PLACES[0]
EVERY = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
NONLINEAR = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardswish)
KERNELS = re.compile("(relu6?|hardtanh|gelu|silu|sigmoid|tanh|hardswish|clamp|clamp_min|elu)_?")


def places(operation: Operation) -> Iterator[Place]:
    found = [place for place in PLACES if operation.fits(place)]
    assert found
    yield from found


def test_the_operations_are_these_with_their_nonlinearities() -> None:
    mbconvs = [f"mbconv_{size}x{size}_e{times}" for size in (3, 5, 7) for times in (3, 6)]
    assert {name: operation.nonlinearities for name, operation in OPERATIONS.items()} == {
        "none": 0,
        "identity": 0,
        "skip_connect": 0,
        "avg_pool_3x3": 0,
        "nor_conv_1x1": 1,
        "nor_conv_3x3": 1,
        "avg_pool_3x3_bn": 0,
        "max_pool_3x3_bn": 0,
        "sep_conv_3x3": 2,
        "sep_conv_5x5": 2,
        "dil_conv_3x3": 1,
        "dil_conv_5x5": 1,
        "mbconv_3x3_e1": 1,
        **dict.fromkeys(mbconvs, 2),
        **{f"{name}_se": 4 for name in mbconvs},
    }


def test_names_hold_none_of_the_characters_that_separate_them_in_architectures() -> None:
    for name in OPERATIONS:
        assert re.fullmatch("[a-z0-9_]+", name)


def test_where_each_operation_fits() -> None:
    everywhere = [True] * 5
    expected = {
        "identity": [True, False, False, False, False],
        "skip_connect": [True, True, False, True, True],
        "avg_pool_3x3": [True, True, False, False, False],
        "avg_pool_3x3_bn": [True, True, False, False, False],
        "max_pool_3x3_bn": [True, True, False, False, False],
    }
    for name, operation in OPERATIONS.items():
        fits = [operation.fits(place) for place in PLACES]
        assert fits == expected.get(name, everywhere), name


@EVERY
@pytest.mark.parametrize("affine", [True, False])
def test_the_built_module_gives_the_shape_of_its_place(operation: Operation, affine: bool) -> None:
    for place in places(operation):
        built = operation.build(place, affine=affine)(torch.randn(2, place.in_channels, 5, 8))
        height, width = (5, 8) if place.stride == 1 else (3, 4)
        assert built.shape == (2, place.out_channels, height, width)
        assert place.output_pixels(5, 8) == height * width


def num_nonlinear(module: nn.Module) -> int:
    """Nonlinear modules inside, but for those of factorised reductions."""
    if isinstance(module, FactorisedReduction):
        return 0
    own = isinstance(module, NONLINEAR)
    return own + sum(num_nonlinear(child) for child in module.children())


@EVERY
def test_the_declared_nonlinearities_are_those_of_the_built_module(operation: Operation) -> None:
    for place in places(operation):
        inside = num_nonlinear(operation.build(place, affine=True))
        assert operation.nonlinearities == inside + operation.takes_relu


class ExecutedKernels(TorchDispatchMode):
    """Collects the names of what torch executes, whether a module calls it or a function."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.__name__.partition(".")[0])
        return func(*args, **(kwargs or {}))


@EVERY
def test_no_nonlinear_function_runs_beside_the_modules(operation: Operation) -> None:
    for place in places(operation):
        module = operation.build(place, affine=True)
        with ExecutedKernels() as executed, torch.no_grad():
            module(torch.randn(2, place.in_channels, 6, 6))
        inside = sum(isinstance(part, NONLINEAR) for part in module.modules())
        assert len([name for name in executed.names if KERNELS.fullmatch(name)]) == inside


@EVERY
def test_the_module_is_linear_where_it_holds_no_nonlinear_function(operation: Operation) -> None:
    module = operation.build(KEPT, affine=True).eval()
    first, second = torch.randn(2, 6, 4, 4), torch.randn(2, 6, 4, 4)
    with torch.no_grad():
        together = module(first + 2 * second)
        apart = module(first) + 2 * module(second)
    # The maximum of pooling is not counted among the nonlinear functions.
    linear = operation.nonlinearities == operation.takes_relu and "max_pool" not in operation.kind
    assert torch.allclose(together, apart, atol=1e-5) == linear


@EVERY
@pytest.mark.parametrize("affine", [True, False])
def test_parameters_are_those_of_the_built_module(operation: Operation, affine: bool) -> None:
    for place in places(operation):
        built = sum(part.numel() for part in operation.build(place, affine=affine).parameters())
        assert operation.parameters(place, affine=affine) == built


@EVERY
def test_flops_are_half_of_what_torch_counts(operation: Operation) -> None:
    # Torch counts a multiply-add as two operations.
    for place in places(operation):
        module = operation.build(place, affine=True).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.randn(1, place.in_channels, 5, 8))
        assert operation.flops(place, 5, 8) * 2 == counter.get_total_flops()


@EVERY
def test_the_output_depends_on_the_input_exactly_if_it_connects(operation: Operation) -> None:
    for place in places(operation):
        module = operation.build(place, affine=False)
        first, second = torch.randn(2, 2, place.in_channels, 6, 6).unbind()
        with torch.no_grad():
            assert torch.equal(module(first), module(second)) != operation.connects


@EVERY
def test_a_supernet_shares_no_batch_norm_state(operation: Operation) -> None:
    for place in places(operation):
        for part in operation.build(place, affine=False).modules():
            if isinstance(part, nn.BatchNorm2d):
                assert part.weight is None
                assert part.running_mean is None


def test_pooling_averages_the_pixels_inside_the_image_only() -> None:
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    pooled = OPERATIONS["avg_pool_3x3"].build(Place(1, 1), affine=True)(image)
    assert pooled[0, 0, 0, 0] == (0 + 1 + 3 + 4) / 4
    assert pooled[0, 0, 1, 1] == 4
    assert pooled[0, 0, 0, 1] == (0 + 1 + 2 + 3 + 4 + 5) / 6


@pytest.mark.parametrize("name", ["avg_pool_3x3_bn", "max_pool_3x3_bn"])
def test_pooling_of_the_darts_cell_is_normalised_without_scale_and_shift(name: str) -> None:
    module = OPERATIONS[name].build(Place(3, 3), affine=False)
    pooled = module(torch.randn(8, 3, 6, 6) * 7 + 3)
    torch.testing.assert_close(pooled.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        pooled.var(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-3, rtol=0
    )
    assert not list(OPERATIONS[name].build(Place(3, 3), affine=True).parameters())


def test_a_factorised_reduction_reads_every_second_pixel_of_the_diagonal() -> None:
    reduction = FactorisedReduction(1, 2, affine=True).eval()
    assert reduction.odd is not None
    nn.init.ones_(reduction.even.weight)
    nn.init.ones_(reduction.odd.weight)
    image = torch.arange(9.0).reshape(1, 1, 3, 3) - 1
    with torch.no_grad():
        even, odd = reduction(image)[0] * (1 + 1e-5) ** 0.5
    # The ReLU makes the first pixel, -1, zero; beyond the image there is nothing but zeros.
    torch.testing.assert_close(even, torch.tensor([[0.0, 1], [5, 7]]))
    torch.testing.assert_close(odd, torch.tensor([[3.0, 0], [0, 0]]))


def test_a_mobilenet_block_adds_its_input_where_the_shape_is_kept() -> None:
    for place, residual in [(Place(4, 4), True), (Place(4, 4, 2), False), (Place(4, 5), False)]:
        block = OPERATIONS["mbconv_3x3_e3"].build(place, affine=True).eval()
        for part in block.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.zeros_(part.weight)
        features = torch.randn(2, 4, 5, 5)
        with torch.no_grad():
            given = block(features)
        assert torch.equal(given, features) if residual else not given.any()


def test_the_hand_counted_costs_of_a_block_with_squeeze_and_excitation() -> None:
    operation, place = OPERATIONS["mbconv_5x5_e6_se"], Place(8, 10, stride=2)
    # 8 channels expand to 48, of which a quarter is 12; 6x6 pixels become 3x3.
    expand, depthwise, project, excite = 8 * 48, 25 * 48, 48 * 10, 2 * 48 * 12
    assert operation.flops(place, 6, 6) == expand * 36 + (depthwise + project) * 9 + excite
    norms, biases = 2 * (48 + 48 + 10), 12 + 48
    weights = expand + depthwise + project + excite + biases
    assert operation.parameters(place, affine=True) == weights + norms
    assert operation.parameters(place, affine=False) == weights
