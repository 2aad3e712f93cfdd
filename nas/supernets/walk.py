"""How one architecture of a supernet is evaluated where others share the beginning of its way.

A prefix is a part of the network whose features depend on nothing but the images, the weights and
the operations that its name lists. Whoever has the same prefix has the same features, bit by bit,
whether they are computed or were kept.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from torch import Tensor

Prefix = Hashable
"""Names everything that features depend on, but for the images and the weights."""


class Kept:
    """Features of one batch of images that architectures still to come have in common.

    Args:
        users: how many architectures have each prefix.
        limit_bytes: of all features that are kept; what does not fit is computed again.
    """

    def __init__(self, users: Counter[Prefix], limit_bytes: int) -> None:
        self._users = Counter(users)
        self._limit_bytes = limit_bytes
        self._features: dict[Prefix, Tensor] = {}
        self.num_bytes = 0

    def __len__(self) -> int:
        """Return how many features are kept."""
        return len(self._features)

    def features(self, prefix: Prefix, compute: Callable[[], Tensor]) -> Tensor:
        """Return the features of a prefix; nobody may change them in place.

        Args:
            prefix: of the architecture that is being evaluated.
            compute: makes them if they were not kept.
        """
        known = self._features.get(prefix)
        if known is not None:
            return known
        made = compute()
        if self._users[prefix] > 1 and self.num_bytes + made.nbytes <= self._limit_bytes:
            self._features[prefix] = made
            self.num_bytes += made.nbytes
        return made

    def leave(self, prefixes: Iterable[Prefix]) -> None:
        """Note that an architecture has been evaluated; free what no other one needs.

        Args:
            prefixes: all of its own.
        """
        for prefix in prefixes:
            self._users[prefix] -= 1
            # The one that is left computes it anew or takes it, and needs it no longer then.
            if self._users[prefix] == 0 and prefix in self._features:
                self.num_bytes -= self._features.pop(prefix).nbytes


@dataclass(frozen=True, slots=True)
class Walk:
    """The way of one architecture through its supernet.

    Attributes:
        prefixes: those that it may share with other architectures of the supernet.
        class_scores: makes them, (images, classes), from a batch and what was kept of it.
    """

    prefixes: tuple[Prefix, ...]
    class_scores: Callable[[Tensor, Kept], Tensor]
