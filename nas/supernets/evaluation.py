"""Class scores of many architectures of one supernet; what they have in common is computed once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from nas.spaces.base import Architecture
from nas.supernets.network import Network
from nas.supernets.walk import Kept, Prefix

AT_ONCE = 20
"""Architectures that are evaluated on one batch before any of them sees the next one."""

KEPT_BYTES = 2**28
"""Of features that are kept for architectures to come, all batches together."""


def class_scores(
    network: Network, architectures: Sequence[Architecture], batches: Sequence[Tensor]
) -> Iterator[tuple[Architecture, Tensor]]:
    """Yield every architecture once with its class scores on all images, in an order of their own.

    Those that compute the same function are evaluated once, and those that begin alike follow one
    another. The scores are bit by bit the same whatever else is evaluated beside them.

    BatchNorm has the statistics of each batch, or the running ones of a network that keeps them.

    Args:
        network: that holds them.
        architectures: any number.
        batches: normalised images.
    """
    alike: dict[tuple[tuple[str, ...], tuple[int, ...]], list[Architecture]] = {}
    for architecture in dict.fromkeys(architectures):
        form = network.space.live_form(architecture), network.banks_read(architecture)
        alike.setdefault(form, []).append(architecture)
    ordered = [alike[form] for form in sorted(alike)]
    walks = [network.walk(members[0]) for members in ordered]
    users = Counter[Prefix](prefix for walk in walks for prefix in walk.prefixes)
    kept = [Kept(users, KEPT_BYTES // len(batches)) for _ in batches]
    pairs = list(zip(ordered, walks, strict=True))
    for start in range(0, len(pairs), AT_ONCE):
        group = pairs[start : start + AT_ONCE]
        parts: list[list[Tensor]] = [[] for _ in group]
        with _evaluating(network):
            for batch, of_batch in zip(batches, kept, strict=True):
                for (_, walk), found in zip(group, parts, strict=True):
                    found.append(walk.class_scores(batch, of_batch))
                    of_batch.leave(walk.prefixes)
        for (members, _), found in zip(group, parts, strict=True):
            together = torch.cat(found)
            for architecture in members:
                yield architecture, together


@contextmanager
def _evaluating(network: Network) -> Iterator[None]:
    """Compute without gradients, and without changing running statistics."""
    mode = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(mode)
