"""Gradients of a trained supernet on training batches, for the scorers that look at them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from nas.errors import ScoreUndefined
from nas.spaces.base import Architecture
from nas.supernets.network import Network

if TYPE_CHECKING:
    from nas.experiment import Experiment
    from nas.ranking.scorers.gradient import GradientScorer


@dataclass(frozen=True, slots=True)
class GradientSteps:
    """The gradients of some batches, one after the other.

    Layers are the convolutions and linear layers on the architecture's path, by name.

    Attributes:
        gradients: per layer, those of its weights: shape (batches, weights), float64.
        weights: per layer, as they are after the last batch: shape (weights,), float64.
        losses: mean cross entropy (nats) of each batch, before the step that follows it.
    """

    gradients: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]
    losses: tuple[float, ...]


def gradient_score(
    experiment: Experiment, supernet: Network, architecture: Architecture, scorer: GradientScorer
) -> float:
    """Return the score of an architecture by its supernet's gradients, higher is better.

    Raises:
        ScoreUndefined: if the score is not finite.
    """
    batches = experiment.probe_images.batches(scorer.num_batches, scorer.batch_size)
    score = scorer.of_gradients(gradient_steps(supernet, architecture, batches, scorer.step_size))
    if not math.isfinite(score):
        raise ScoreUndefined(
            f"{scorer.kind} of {experiment.space.encode(architecture)} is {score}; leave the "
            "scorer out"
        )
    return score


def gradient_steps(
    network: Network,
    architecture: Architecture,
    batches: Sequence[tuple[Tensor, Tensor]],
    step_size: float,
) -> GradientSteps:
    """Return the gradients of each batch, with a plain gradient step after each.

    The steps move copies: weights, gradients and buffers of the network stay as they are.

    Args:
        network: a supernet.
        architecture: one that it holds.
        batches: images and class indices.
        step_size: learning rate of the steps; 0 for none.

    Raises:
        ScoreUndefined: if a loss is not finite.
    """
    weights = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    layers = _layers(network)
    gradients: dict[str, list[Tensor]] = {}
    losses = []
    for images, labels in batches:
        found, loss = _gradients(network, architecture, {**buffers, **weights}, images, labels)
        losses.append(loss)
        for name, gradient in found.items():
            if name in layers:
                gradients.setdefault(name, []).append(gradient.flatten().double())
            weights[name] = weights[name].sub(gradient, alpha=step_size)
    return GradientSteps(
        gradients={name: torch.stack(rows) for name, rows in gradients.items()},
        weights={name: weights[name].flatten().double() for name in gradients},
        losses=tuple(losses),
    )


def _gradients(
    network: Network,
    architecture: Architecture,
    tensors: Mapping[str, Tensor],
    images: Tensor,
    labels: Tensor,
) -> tuple[dict[str, Tensor], float]:
    """Return the gradients of the weights that the loss depends on, and the loss."""
    names = [name for name, _ in network.named_parameters()]
    with torch.enable_grad():
        leaves = {name: tensors[name].detach().requires_grad_() for name in names}
        logits = functional_call(network, {**tensors, **leaves}, (images, architecture))
        loss = cross_entropy(logits, labels)
        found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ScoreUndefined(
            f"the loss of a training batch is {value}: training diverged, or the scorer's "
            "steps are too long; lower the learning rate"
        )
    used = {
        name: gradient for name, gradient in zip(names, found, strict=True) if gradient is not None
    }
    return used, value


def _layers(network: nn.Module) -> set[str]:
    """Return the names of the weights of convolutions and linear layers."""
    return {
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }
