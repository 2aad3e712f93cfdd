"""Batches of square colour images in pickles, as CIFAR and downsampled ImageNet have them.

A batch is a dictionary: `data`, uint8 of shape (n, 3 * side * side), all red values of an image
first, then the green and the blue ones, row by row; and a list of n labels.

Sources: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; Chrabaszcz et al.,
2017 (arXiv 1707.08819).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from nas.data.dataset import ImageSplit
from nas.data.pickles import read_pickle
from nas.data.sources import Source
from nas.errors import InvalidDataset

# A batch of ImageNet at 64x64 pixels takes 1.6 GB.
MAX_PICKLE_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Labels:
    """Where the labels of a batch are, and which there are.

    Attributes:
        key: of the list in the batch.
        first: the smallest.
        last: the largest.
    """

    key: str
    first: int
    last: int


def require_files(source: Source, needed: Sequence[str], layout: str) -> None:
    """Refuse a source that lacks files, or whose files are larger than any batch.

    Raises:
        InvalidDataset: naming them.
    """
    if missing := [name for name in needed if name not in source.names]:
        raise InvalidDataset(f"{', '.join(missing)} missing from {layout}")
    source.limit(needed, MAX_PICKLE_BYTES, "one batch of images")


def read_batch(source: Source, name: str, *, sides: Collection[int], labels: Labels) -> ImageSplit:
    """Read one file of images.

    Args:
        source: that holds it.
        name: of the file.
        sides: heights and widths that its images may have, in pixels.
        labels: which it may have.

    Returns:
        Images of shape (n, 3, side, side), and labels from 0 on.

    Raises:
        InvalidDataset: naming the file and what is wrong with it.
    """
    batch = read_pickle(source.read(name), name)
    data = batch.get("data")
    lengths = [3 * side**2 for side in sorted(sides)]
    if (
        not isinstance(data, np.ndarray)
        or data.dtype != np.uint8
        or data.ndim != 2
        or data.shape[1] not in lengths
    ):
        raise InvalidDataset(
            f"{name}: data is {_kind(data)}, where uint8 of shape (n, "
            f"{' or '.join(map(str, lengths))}) is needed"
        )
    side = isqrt(data.shape[1] // 3)
    images: NDArray[np.uint8] = data.reshape(len(data), 3, side, side)
    return ImageSplit(images, _labels(batch.get(labels.key), name, labels, len(images)))


def read_names(source: Source, name: str, *, key: str, number: int) -> tuple[str, ...]:
    """Read the names of classes.

    Raises:
        InvalidDataset: naming the file, if `key` is not a list of as many names.
    """
    found = read_pickle(source.read(name), name).get(key)
    if not isinstance(found, list) or len(found) != number:
        raise InvalidDataset(f"{name}: {key} is {_kind(found)}, where {number} names are needed")
    names = []
    for entry in found:
        if not isinstance(entry, bytes | str):
            raise InvalidDataset(f"{name}: {key} holds {_kind(entry)}, where a name is needed")
        names.append(entry.decode("utf-8", "replace") if isinstance(entry, bytes) else entry)
    return tuple(names)


def joined(batches: Sequence[ImageSplit]) -> ImageSplit:
    """Return batches of equally large images as one, in their order."""
    return ImageSplit(
        np.concatenate([batch.images for batch in batches]),
        np.concatenate([batch.labels for batch in batches]),
    )


def _labels(found: object, name: str, labels: Labels, number: int) -> NDArray[np.int64]:
    if isinstance(found, np.ndarray) and found.ndim == 1 and found.dtype.kind in "iu":
        found = found.tolist()
    if not isinstance(found, list) or not all(type(label) is int for label in found):
        raise InvalidDataset(
            f"{name}: {labels.key} is {_kind(found)}, where a list of whole numbers is needed"
        )
    if len(found) != number:
        raise InvalidDataset(f"{name}: {len(found)} {labels.key} for {number} images")
    for index, label in enumerate(found):
        if not labels.first <= label <= labels.last:
            shown = label if abs(label) < 2**63 else "of more than 64 bits"
            raise InvalidDataset(
                f"{name}: label {shown} of image {index}; "
                f"labels are {labels.first} to {labels.last}"
            )
    return np.array(found, dtype=np.int64) - labels.first


def _kind(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    if isinstance(value, list):
        return f"a list of {len(value)} values"
    return f"of type {type(value).__name__}"
