"""Arrays in one .npz file, which is a zip of .npy files."""

import io
import sys
from collections.abc import Sequence
from math import prod
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.data.dataset import ImageSplit
from nas.data.formats.base import Format, LabelledImages
from nas.data.resizing import MAX_DECODED_BYTES, fit_all
from nas.data.sources import Source
from nas.errors import InvalidDataset

PARTS = ("train", "test")
NUM_CHANNELS = (1, 3)
MAX_HEADER = 10_000
MAX_REASON = 200


@final
class Arrays(Format):
    """Four arrays, `train_images`, `train_labels`, `test_images` and `test_labels`, and `classes`.

    Images are uint8 of shape (n, height, width), (n, height, width, channels) or (n, channels,
    height, width), with one channel or three; labels are whole numbers from 0 on. `classes` are
    their names; without it they are the numbers.
    """

    layout: ClassVar[str] = (
        ".npz (arrays train_images, train_labels, test_images, test_labels; optional classes)"
    )

    def recognises(self, names: Sequence[str]) -> bool:
        return not {
            f"{part}_{kind}.npy" for part in PARTS for kind in ("images", "labels")
        }.isdisjoint(names)

    def read(self, source: Source, size: int | None) -> LabelledImages:
        missing = [
            f"{part}_{kind}"
            for part in PARTS
            for kind in ("images", "labels")
            if f"{part}_{kind}.npy" not in source.names
        ]
        if missing:
            raise InvalidDataset(f"array {', '.join(missing)} missing from {self.layout}")
        labels = {part: _labels(source, f"{part}_labels") for part in PARTS}
        classes = _classes(source, highest=max(int(found.max()) for found in labels.values()))
        images = {part: _images(source, f"{part}_images") for part in PARTS}
        shapes = {part: found.shape[1:] for part, found in images.items()}
        if shapes["train"] != shapes["test"] and (
            size is None or shapes["train"][0] != shapes["test"][0]
        ):
            raise InvalidDataset(
                "test_images hold "
                f"{_shape(shapes['test'])}, where train_images hold {_shape(shapes['train'])}"
            )
        for part in PARTS:
            if len(labels[part]) != len(images[part]):
                raise InvalidDataset(
                    f"{part}_labels: {len(labels[part])} labels for {len(images[part])} images"
                )
        train, test = (ImageSplit(fit_all(images[part], size), labels[part]) for part in PARTS)
        return LabelledImages(train, test, classes)


def _images(source: Source, name: str) -> NDArray[np.uint8]:
    found = _read(source, name)
    if found.dtype != np.uint8:
        raise InvalidDataset(f"{name}: {found.dtype}; pixels must be uint8, 0 to 255")
    if found.ndim == 3:
        return found.astype(np.uint8, copy=False)[:, None]
    if found.ndim != 4:
        raise InvalidDataset(
            f"{name}: shape {found.shape}; (n, height, width), (n, height, width, channels) or "
            "(n, channels, height, width) is needed"
        )
    first, last = found.shape[1] in NUM_CHANNELS, found.shape[3] in NUM_CHANNELS
    if first and last:
        raise InvalidDataset(
            f"{name}: shape {found.shape}, where the channels may be the second or the last "
            "number: store grey images as (n, height, width), and colour images higher and wider "
            "than 3 pixels"
        )
    if not first and not last:
        raise InvalidDataset(
            f"{name}: shape {found.shape}, where neither the second nor the last number is 1 or 3, "
            "the channels of grey and of colour images"
        )
    images = found.astype(np.uint8, copy=False)
    return images if first else images.transpose(0, 3, 1, 2)


def _labels(source: Source, name: str) -> NDArray[np.int64]:
    found = _read(source, name)
    if found.dtype.kind not in "iu" or found.ndim != 1:
        raise InvalidDataset(
            f"{name}: {found.dtype} of shape {found.shape}; whole numbers of shape (n,) are needed"
        )
    lowest, highest = int(found.min()), int(found.max())
    # Without `classes` the highest label alone tells how many there are.
    if lowest < 0 or highest >= len(found):
        raise InvalidDataset(
            f"{name}: labels from {lowest} to {highest} for {len(found)} images; they count from "
            "0, and every class has an image"
        )
    return found.astype(np.int64)


def _classes(source: Source, highest: int) -> tuple[str, ...]:
    if "classes.npy" not in source.names:
        return tuple(str(number) for number in range(highest + 1))
    found = _read(source, "classes")
    if found.dtype.kind != "U" or found.ndim != 1:
        raise InvalidDataset(
            f"classes: {found.dtype} of shape {found.shape}; texts (numpy's str) of shape (n,) are "
            "needed"
        )
    if highest >= len(found):
        raise InvalidDataset(f"labels up to {highest} do not fit {len(found)} classes")
    letters = found.view(np.dtype(np.uint32).newbyteorder(found.dtype.byteorder))
    if letters.max() > sys.maxunicode:
        raise InvalidDataset("classes: holds numbers that are no letters of any text")
    return tuple(str(name) for name in found)


def _read(source: Source, name: str) -> NDArray[np.generic]:
    """Return an array; it is a view of the file, and pickled objects in it are refused."""
    file = f"{name}.npy"
    source.limit([file], MAX_DECODED_BYTES + MAX_HEADER, "one array")
    content = source.read(file)
    shape, fortran, dtype, start = _header(content, name)
    if dtype.hasobject or dtype.kind not in "biufU":
        raise InvalidDataset(
            f"{name}: elements of type {dtype}, which are not read; save plain numbers or texts"
        )
    if not shape or min(shape) < 1 or not dtype.itemsize:
        raise InvalidDataset(f"{name}: shape {shape}; at least one value is needed")
    if len(content) - start != prod(shape) * dtype.itemsize:
        raise InvalidDataset(
            f"{name}: {len(content) - start} bytes do not fit shape {shape} of {dtype}"
        )
    values = np.frombuffer(content, dtype=dtype, offset=start)
    return values.reshape(shape, order="F" if fortran else "C")


def _header(content: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    """Return shape, whether columns come first, the type of the elements, and where they begin."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(file, max_header_size=MAX_HEADER)
    except (ValueError, TypeError, KeyError, EOFError) as error:
        raise InvalidDataset(
            f"{name}: not an array as numpy saves it ({str(error)[:MAX_REASON]})"
        ) from error
    return shape, fortran, dtype, file.tell()


def _shape(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"images of {width}x{height} pixels in {channels} channels"
