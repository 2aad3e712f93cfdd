"""What the networks of all spaces share: stand-alone networks and supernets alike.

Supernets normalise with the statistics of the batch, without affine parameters or running
statistics: those would belong to whatever architecture was trained last. Stand-alone networks have
both.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from nas.spaces.base import Architecture, Space
from nas.supernets.channels import Weight
from nas.supernets.walk import Walk

Module = TypeVar("Module", bound=nn.Module)


class Network(nn.Module, ABC):
    """Images in, class scores out, along one architecture's path.

    All random initialisation is torch's default, drawn from the global generator: seed it before
    building.

    Attributes:
        space: whose sizes are those of the network.
    """

    space: Space

    @property
    def banks_by_cell(self) -> tuple[tuple[int, ...], ...]:
        """The weight banks of each searched cell, first to last; empty without weight banks."""
        return ()

    def banks_read(self, architecture: Architecture) -> tuple[int, ...]:
        """Return the weight bank that each searched cell reads; empty without weight banks."""
        return ()

    @abstractmethod
    def weights(self) -> Iterator[Weight]:
        """Describe every weight of a supernet: how its channels lie."""

    @abstractmethod
    def feature_modules(self, architecture: Architecture) -> Iterator[nn.Module]:
        """Yield the modules along an architecture's path whose outputs are features.

        They are the stem, then one after the other what stands between it and the pooling before
        the classifier. A layer that an architecture leaves out is none.
        """

    @abstractmethod
    def forward(self, images_NCHW: Tensor, architecture: Architecture) -> Tensor:
        """Return class scores, shape (images, classes), before the softmax.

        Args:
            images_NCHW: normalised images.
            architecture: one whose operations this network holds.
        """

    @abstractmethod
    def walk(self, architecture: Architecture) -> Walk:
        """Return the way on which `nas.supernets.evaluation` follows an architecture.

        Its class scores are those of `forward` but for the order of sums. It reads live decisions
        alone.
        """


def on_device(network: Module, device: str) -> Module:
    """Move a network to `device`, its convolutions in the memory format of image batches."""
    network.to(device)
    convert_conv2d_weight_memory_format(network, torch.channels_last)
    return network
