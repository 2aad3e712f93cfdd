"""SynFlow: how much flows through all paths of an untrained network."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, final

from nas.errors import ScoreUndefined
from nas.ranking.scorers.untrained import UntrainedScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from nas.ranking.untrained import UntrainedNetwork


@final
class SynflowScorer(UntrainedScorer):
    """Logarithm of the sum of |w dR/dw| over the weights of convolutions and linear layers.

    R is the sum of the network's outputs for an image of ones, with every weight replaced by its
    absolute value; it is computed in float64. As in zero-cost-nas, BatchNorm is left out: it is the
    identity, where normalising would undo what R measures. ReLU6 is ReLU: its bound would cut the
    flow off. Other functions (a sigmoid) stay as they are.

    Sources: Tanaka et al., NeurIPS 2020 (arXiv 2006.05467); Abdelfattah et al., ICLR 2021 (arXiv
    2101.08134) for the score of an architecture, without the logarithm, which keeps the order, and
    of the full network.
    """

    kind: Literal["synflow"] = "synflow"

    def of_untrained(self, network: UntrainedNetwork) -> float:
        image = network.images.inputs("noise", 2)[:1]
        total = flow(network.network, image, network.architecture)
        if not 0 < total < math.inf:
            raise ScoreUndefined(
                f"synflow is the logarithm of {total}, beyond what float64 holds; lower the "
                "scorer's width or cells_per_stage, or leave it out"
            )
        return math.log(total)


def flow(network: nn.Module, image: Tensor, *arguments: object) -> float:
    """Return the sum of |w dR/dw|.

    Args:
        network: any; it is left as it was found.
        image: of the shape and on the device of those it reads.
        arguments: further ones of its forward pass.
    """
    import torch
    from torch import nn
    from torch.func import functional_call

    layers = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }
    weights = {
        f"{name}.weight": layer.weight.detach().abs().double().requires_grad_()
        for name, layer in layers.items()
    }
    biases = {
        f"{name}.bias": layer.bias.detach().abs().double()
        for name, layer in layers.items()
        if layer.bias is not None
    }
    with _linear(network), torch.enable_grad():
        ones = torch.ones_like(image, dtype=torch.float64)
        outputs = functional_call(network, {**weights, **biases}, (ones, *arguments))
        gradients = torch.autograd.grad(outputs.sum(), list(weights.values()), allow_unused=True)
    return sum(
        float((weight.detach() * gradient).abs().sum())
        for weight, gradient in zip(weights.values(), gradients, strict=True)
        if gradient is not None
    )


@contextmanager
def _linear(network: nn.Module) -> Iterator[None]:
    """Let BatchNorm change nothing meanwhile, and ReLU6 be ReLU."""
    from torch import nn
    from torch.nn.functional import relu

    replaced: dict[nn.Module, Callable[[Tensor], Tensor]] = {}
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            replaced[module] = _unchanged
        elif isinstance(module, nn.ReLU6):
            replaced[module] = relu
    try:
        for module, function in replaced.items():
            # An attribute of the instance stands before the method of its class.
            vars(module)["forward"] = function
        yield
    finally:
        for module in replaced:
            vars(module).pop("forward", None)


def _unchanged(features: Tensor) -> Tensor:
    return features
