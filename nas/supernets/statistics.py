"""Means and variances that a supernet's BatchNorm remembers, where a policy asks for them."""

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from nas.modules import BatchNorm
from nas.spaces.base import Architecture
from nas.supernets.network import Module, Network

TRAINING_MOMENTUM = 0.1
"""Share of the newest batch in a moving average: torch's default."""


def keep_statistics(network: Module, momentum: float | None = TRAINING_MOMENTUM) -> Module:
    """Let every BatchNorm of a network gather statistics in training and use them in evaluation.

    Args:
        network: changed in place.
        momentum: of moving averages; None for the plain mean over all batches.
    """
    weight = next(network.parameters()).detach()
    for norm in _norms(network):
        norm.keep_statistics(momentum, weight)
    return network


def keeps_statistics(network: Module) -> bool:
    """Tell whether all of a network's BatchNorms keep statistics."""
    return all(norm.track_running_stats for norm in _norms(network))


def with_statistics(network: Network) -> Network:
    """Return a copy that keeps plain means over all batches it will see."""
    return keep_statistics(copy.deepcopy(network), momentum=None)


def estimate_statistics(
    network: Network, architecture: Architecture, batches: Iterable[Tensor]
) -> None:
    """Forget all statistics, and measure those of one architecture.

    Args:
        network: one that keeps plain means.
        architecture: whose features are measured.
        batches: of normalised images; each is normalised by its own statistics meanwhile.
    """
    for norm in _norms(network):
        norm.reset_running_stats()
    network.train()
    with torch.no_grad():
        for batch in batches:
            network(batch, architecture)


def hand_over_statistics(parent: Network, heir: Network) -> None:
    """Copy the statistics of features that are as wide in the heir; others stay as they are."""
    known = dict(parent.named_buffers())
    for name, buffer in heir.named_buffers():
        given = known.get(name)
        if given is not None and given.shape == buffer.shape:
            buffer.copy_(given)


def without_statistics(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a supernet's `state_dict` holds but for statistics, should it hold any."""
    return {
        name: value
        for name, value in stored.items()
        if name.rpartition(".")[2] not in ("running_mean", "running_var", "num_batches_tracked")
    }


def _norms(network: torch.nn.Module) -> list[BatchNorm]:
    return [module for module in network.modules() if isinstance(module, BatchNorm)]
