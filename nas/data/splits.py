"""Stratified hold-out: which images leave the training set, class by class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.errors import InvalidSplit
from nas.seeds import stream


def hold_out(
    labels: NDArray[np.int64],
    num_held: int,
    seed: int,
    purpose: str,
    names: Sequence[str] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose `num_held` of the images at random so that every class gives its share.

    A class gives its proportional share rounded down; the images still missing come from the
    classes with the largest remainders (the smaller label first). Equally large classes therefore
    give equal numbers, to within one image.

    Args:
        labels: class of each image, shape (n,).
        num_held: how many images leave.
        seed: source of the choice.
        purpose: names the random stream, so that two hold-outs of one dataset are independent.
        names: of the classes, for people; None: their numbers.

    Returns:
        Ascending indices of the images that stay, and of those that leave.

    Raises:
        InvalidSplit: if a class would give nothing, or keep nothing.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    quotas = _quotas(sizes, num_held)
    for label, size, quota in zip(classes, sizes, quotas, strict=True):
        if not 0 < quota < size:
            name = str(label) if names is None else names[label]
            raise InvalidSplit(
                f"cannot hold out {num_held:,} of {len(labels):,} images: class {name!r} has "
                f"{size:,}, of which {quota:,} would leave; each class must give and keep at "
                "least one"
            )
    held: list[int] = []
    for label, quota in zip(classes, quotas, strict=True):
        members = np.flatnonzero(labels == label).tolist()
        held += stream(seed, purpose, int(label)).sample(members, quota)
    leaving = np.zeros(len(labels), dtype=np.bool_)
    leaving[held] = True
    return np.flatnonzero(~leaving), np.flatnonzero(leaving)


def _quotas(sizes: NDArray[np.int64], num_held: int) -> list[int]:
    """Apportion `num_held` to the classes by largest remainder, in exact integers."""
    total = int(sizes.sum())
    shares = [divmod(int(size) * num_held, total) for size in sizes]
    quotas = [whole for whole, _ in shares]
    by_remainder = sorted(range(len(shares)), key=lambda index: -shares[index][1])
    for index in by_remainder[: num_held - sum(quotas)]:
        quotas[index] += 1
    return quotas
