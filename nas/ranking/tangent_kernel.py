"""The empirical neural tangent kernel of a network, from one forward and one backward pass.

K[i, j] is the inner product of the gradients of f(image i) and f(image j) by all parameters, f being
the sum of the class scores. It is the sum of the kernels of the layers, and the gradient of a layer's
weights for one image follows from what the layer reads and from the gradient at its output.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold


@contextmanager
def fixed_statistics(
    network: nn.Module, images_NCHW: Tensor, *arguments: object
) -> Iterator[None]:
    """Let BatchNorm normalise by the statistics of these images, whatever the network is shown.

    Statistics and mode are as before afterwards.

    Args:
        network: whose BatchNorm has room for running statistics.
        images_NCHW: the images.
        arguments: further ones of the network's forward pass.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [_Kept(norm) for norm in norms]
    was_training = network.training
    try:
        for norm in norms:
            norm.track_running_stats = True
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all passes, which is one
        network.train()
        with torch.no_grad():
            network(images_NCHW, *arguments)
        network.eval()
        yield
    finally:
        for before in kept:
            before.restore()
        network.train(was_training)


def tangent_kernel(network: nn.Module, images_NCHW: Tensor, *arguments: object) -> Tensor:
    """Return the kernel, float64 on the CPU, shape (images, images).

    Args:
        network: of convolutions, BatchNorm and linear layers, each called once, in a mode in which
            an image's output depends on that image alone.
        images_NCHW: the images.
        arguments: further ones of the network's forward pass.
    """
    read: dict[nn.Module, Tensor] = {}
    given: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert module not in read, "a layer is called twice"
        read[module], given[module] = inputs[0].detach(), output

    layers = [module for module in network.modules() if isinstance(module, LAYERS)]
    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        with torch.enable_grad():
            # A graph from the images on: that of the weights is not needed.
            images_NCHW = images_NCHW.detach().requires_grad_()
            total = network(images_NCHW, *arguments).sum()
            found = torch.autograd.grad(total, list(given.values()), allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    number = len(images_NCHW)
    kernel_NN = torch.zeros(number, number, dtype=torch.float64)
    for layer, gradient in zip(given, found, strict=True):
        if gradient is not None:
            for rows_NW in _gradients(layer, read[layer], gradient):
                rows_NW = rows_NW.flatten(1).double()
                kernel_NN += (rows_NW @ rows_NW.T).cpu()
    # Some processors round the two halves of a product with its own transpose differently.
    return (kernel_NN + kernel_NN.T) / 2


LAYERS = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
"""What has weights in the networks of the spaces."""


def _gradients(layer: nn.Module, read: Tensor, gradient: Tensor) -> Iterator[Tensor]:
    """Yield the gradients of a layer's parameters, each with a row per image."""
    if isinstance(layer, nn.Conv2d):
        yield _of_kernel(layer, read, gradient)
        if layer.bias is not None:
            yield gradient.sum(dim=(2, 3))
    elif isinstance(layer, nn.Linear):
        yield gradient[:, :, None] * read[:, None, :]
        if layer.bias is not None:
            yield gradient
    elif isinstance(layer, nn.BatchNorm2d) and layer.affine:
        assert layer.running_mean is not None
        assert layer.running_var is not None
        deviation_C = (layer.running_var + layer.eps).sqrt()
        normalised = (read - layer.running_mean[:, None, None]) / deviation_C[:, None, None]
        yield (gradient * normalised).sum(dim=(2, 3))
        yield gradient.sum(dim=(2, 3))


def _of_kernel(layer: nn.Conv2d, read: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of a convolution's kernel for each image.

    G groups, each of I inputs (channels times the kernel's places) and O output channels; L places
    of the output.
    """
    padding = layer.padding
    assert not isinstance(padding, str)
    columns = unfold(
        read,
        _pair(layer.kernel_size),
        dilation=_pair(layer.dilation),
        padding=_pair(padding),
        stride=_pair(layer.stride),
    )
    number, groups = len(read), layer.groups
    columns_NGIL = columns.reshape(number, groups, -1, columns.shape[-1])
    gradient_NGOL = gradient.reshape(number, groups, layer.out_channels // groups, -1)
    return gradient_NGOL @ columns_NGIL.transpose(2, 3)


def _pair(sizes: tuple[int, ...]) -> tuple[int, int]:
    height, width = sizes
    return height, width


class _Kept:
    """What a BatchNorm is to be again; meanwhile it has statistics of its own.

    They are other tensors: to change the old ones would spoil a graph that somebody still holds.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        self._norm = norm
        self._momentum = norm.momentum
        self._tracks = norm.track_running_stats
        self._buffers = dict(norm.named_buffers())
        for name, buffer in self._buffers.items():
            setattr(norm, name, buffer.clone())

    def restore(self) -> None:
        for name, buffer in self._buffers.items():
            setattr(self._norm, name, buffer)
        self._norm.momentum = self._momentum
        self._norm.track_running_stats = self._tracks
