"""Stochastic gradient descent with Nesterov momentum, over all weights at once.

The arithmetic is that of `torch.optim.SGD`, bit by bit. Its bookkeeping is left out: it took a tenth
of a narrow supernet's step, and loads torch's compiler, a second of every process that trains.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Nesterov:
    """The weights of a network and their momentum.

    Attributes:
        weights: all that are trained.
        momentum: of the weights that have had a gradient, each of the shape of its weight.
    """

    def __init__(self, weights: Iterable[Tensor], *, decay: float, weight_decay: float) -> None:
        """Begin without momentum.

        Args:
            weights: to train.
            decay: share of the momentum that a step keeps; 0 for plain gradient descent.
            weight_decay: share of a weight that is added to its gradient.
        """
        self.weights: list[Tensor] = list(weights)
        self.momentum: dict[Tensor, Tensor] = {}
        self._decay = decay
        self._weight_decay = weight_decay

    def forget_gradients(self) -> None:
        """Leave every weight without a gradient."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move the weights that have a gradient; the others keep weight and momentum bit by bit."""
        weights = [weight for weight in self.weights if weight.grad is not None]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        if not weights:
            return
        # A list of its own: gradients stay as they are.
        gradients = list(torch._foreach_add(gradients, weights, alpha=self._weight_decay))
        if self._decay:
            self._accelerate(weights, gradients)
        torch._foreach_add_(weights, gradients, alpha=-learning_rate)

    def _accelerate(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        for weight, gradient in zip(weights, gradients, strict=True):
            if weight not in self.momentum:
                # The first gradient becomes the momentum as it is: zeros keep nothing of themselves.
                self.momentum[weight] = torch.zeros_like(gradient)
        momentum = [self.momentum[weight] for weight in weights]
        torch._foreach_mul_(momentum, self._decay)
        torch._foreach_add_(momentum, gradients)
        torch._foreach_add_(gradients, momentum, alpha=self._decay)

    def stored_momentum(self, network: nn.Module) -> dict[str, Tensor]:
        """Return the momentum by the names of the network's weights."""
        return {
            name: self.momentum[weight]
            for name, weight in network.named_parameters()
            if weight in self.momentum
        }

    def restore_momentum(self, network: nn.Module, stored: Mapping[str, Tensor]) -> None:
        """Take the momentum that `stored_momentum` returned for an equal network.

        Raises:
            KeyError: if the network has no weight of that name.
            ValueError: if a weight has another shape.
        """
        weights = dict(network.named_parameters())
        for name, momentum in stored.items():
            weight = weights[name]
            if weight.shape != momentum.shape:
                raise ValueError(
                    f"momentum of shape {tuple(momentum.shape)} for {name}, "
                    f"which has {tuple(weight.shape)}"
                )
            # In the memory format of the weight.
            self.momentum[weight] = torch.empty_like(weight).copy_(momentum).detach()
