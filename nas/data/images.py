"""Import of images laid out as `train/<class>/<file>` and `test/<class>/<file>`.

Images are cropped to the centre square and resized: by area averaging (Pillow's BOX filter) when
that shrinks them, bicubic when it enlarges them. Area averaging was the best of the filters that
the source compared for training on shrunken images.

Source: Chrabaszcz, Loshchilov and Hutter, A Downsampled Variant of ImageNet as an Alternative to
the CIFAR Datasets, 2017 (arXiv 1707.08819).
"""

import io
import math
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nas.data.dataset import ImageDataset, ImageSplit
from nas.data.sources import ImageSource, open_source
from nas.data.splits import hold_out
from nas.errors import InvalidDataset

# Formats that Pillow decodes by itself; others would start foreign programs on a stranger's file.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
# Deeper images would be cut to eight bits without a word.
EIGHT_BIT_MODES = frozenset(
    {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"}
)
GREY_MODES = frozenset({"1", "L", "LA", "La"})
MAX_PIXELS = 2**26
MAX_DECODED_BYTES = 4 * 2**30
CHUNK = 256
# Pillow's decoders let their parsers' own errors through.
DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class _Listing:
    """The files of both parts, with the class of each.

    Attributes:
        classes: ascending names.
        files: "train" and "test" to file names, ascending.
        labels: "train" and "test" to indices into `classes`, int64.
    """

    classes: tuple[str, ...]
    files: dict[str, tuple[str, ...]]
    labels: dict[str, NDArray[np.int64]]


def import_images(
    source: Path, *, size: int | None, num_validation: int, split_seed: int
) -> ImageDataset:
    """Decode a folder or zip of images into three splits held in memory.

    Greyscale files alone give one channel, any colour file gives three; transparency is dropped,
    and of a moving picture the first frame counts. Files whose name starts with a dot are ignored.

    Args:
        source: folder or zip archive that holds `train` and `test`, or one folder that does.
        size: height and width of the result in pixels; None keeps the images, which must then all
            have the same height and width.
        num_validation: images held out of train, from every class in proportion to its size.
        split_seed: source of the choice of these.

    Raises:
        InvalidDataset: naming the file at fault.
        InvalidSplit: naming the class that has too few images for `num_validation`.
    """
    if size is not None and size < 1:
        raise InvalidDataset(f"size {size}: at least one pixel is needed")
    with open_source(source) as opened:
        listing = _list(opened.names)
        width_height = (size, size) if size is not None else _first_size(opened, listing)
        decoded = {
            part: _decode_all(opened, names, width_height, resize=size is not None)
            for part, names in listing.files.items()
        }
    num_channels = 3 if any(has_colour for _, has_colour in decoded.values()) else 1
    images = {part: pixels[:, :num_channels] for part, (pixels, _) in decoded.items()}
    kept, held = hold_out(
        listing.labels["train"], num_validation, split_seed, "validation", listing.classes
    )

    def split(part: str, chosen: NDArray[np.int64]) -> ImageSplit:
        return ImageSplit(np.ascontiguousarray(images[part][chosen]), listing.labels[part][chosen])

    return ImageDataset(
        train=split("train", kept),
        validation=split("train", held),
        test=split("test", np.arange(len(images["test"]))),
        classes=listing.classes,
        split_seed=split_seed,
    )


def _list(names: Sequence[str]) -> _Listing:
    """Sort files into parts and classes; one folder around `train` and `test` is looked through."""
    root = _root(names)
    found: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    for name in names:
        part, *rest = name.removeprefix(root).split("/")
        if part not in found:
            continue
        if len(rest) != 2:
            raise InvalidDataset(f"{name}: expected {part}/<class>/<file>")
        found[part].append((rest[0], name))
    classes = {part: {label for label, _ in files} for part, files in found.items()}
    for part, other in (("train", "test"), ("test", "train")):
        if not found[part]:
            raise InvalidDataset(f"no image in {part}/<class>/")
        if missing := sorted(classes[other] - classes[part]):
            raise InvalidDataset(f"{part} holds no image of class {', '.join(missing)}")
    ordered = tuple(sorted(classes["train"]))
    if len(ordered) < 2:
        raise InvalidDataset(f"one class, {ordered[0]!r}: at least two are needed")
    number = {label: index for index, label in enumerate(ordered)}
    return _Listing(
        classes=ordered,
        files={part: tuple(name for _, name in files) for part, files in found.items()},
        labels={
            part: np.array([number[label] for label, _ in files], dtype=np.int64)
            for part, files in found.items()
        },
    )


def _root(names: Sequence[str]) -> str:
    """Return the one folder that holds everything, with its slash, or nothing."""
    tops = {name.split("/")[0] for name in names}
    if len(tops) == 1 and not tops & {"train", "test"}:
        return f"{tops.pop()}/"
    return ""


def _first_size(source: ImageSource, listing: _Listing) -> tuple[int, int]:
    name = listing.files["train"][0]
    return _open(source, name).size


def _decode_all(
    source: ImageSource, names: Sequence[str], size: tuple[int, int], *, resize: bool
) -> tuple[NDArray[np.uint8], bool]:
    """Decode in threads, straight into one array, so that memory is that of the result.

    Returns:
        Pixels, shape (n, 3, height, width), and whether any file has colour.
    """
    width, height = size
    shape = (len(names), 3, height, width)
    if (num_bytes := math.prod(shape)) > MAX_DECODED_BYTES:
        raise InvalidDataset(
            f"{len(names)} images of {width}x{height} pixels take {num_bytes} bytes, more than "
            f"{MAX_DECODED_BYTES}: choose a smaller size"
        )
    pixels = np.empty(shape, dtype=np.uint8)

    def decode(indices: Sequence[int]) -> bool:
        has_colour = False
        for index in indices:
            image = _open(source, names[index])
            has_colour |= image.mode not in GREY_MODES
            fitted = _fit(image, names[index], size, resize=resize)
            pixels[index] = np.asarray(fitted).transpose(2, 0, 1)
        return has_colour

    executor = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        return pixels, any(list(executor.map(decode, _chunks(len(names)))))
    finally:
        # After a bad file the rest need not be decoded.
        executor.shutdown(cancel_futures=True)


def _chunks(length: int) -> Iterator[Sequence[int]]:
    indices = iter(range(length))
    while chunk := list(islice(indices, CHUNK)):
        yield chunk


def _open(source: ImageSource, name: str) -> Image.Image:
    """Read an image's header and refuse what should not be decoded."""
    content = io.BytesIO(source.read(name))
    try:
        image = Image.open(content, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidDataset(f"{name}: {error}") from error
    except DAMAGED as error:
        raise InvalidDataset(f"{name}: not an image that can be decoded") from error
    if image.width * image.height > MAX_PIXELS:
        raise InvalidDataset(
            f"{name}: {image.width}x{image.height} pixels, more than {MAX_PIXELS}"
        )
    if image.mode not in EIGHT_BIT_MODES:
        raise InvalidDataset(
            f"{name}: pixels of mode {image.mode}; convert it to eight bits per channel"
        )
    return image


def _fit(image: Image.Image, name: str, size: tuple[int, int], *, resize: bool) -> Image.Image:
    """Decode, convert to RGB and bring to `size`."""
    if not resize and image.size != size:
        raise InvalidDataset(
            f"{name}: {image.width}x{image.height} pixels, where the first image has "
            f"{size[0]}x{size[1]}: choose a size to resize all of them to"
        )
    try:
        # Pillow wants to see a palette's transparency as a channel before it drops it.
        opaque = image.convert("RGBA") if "transparency" in image.info else image
        colours = opaque.convert("RGB")
    except DAMAGED as error:
        raise InvalidDataset(f"{name}: damaged image ({error})") from error
    if image.size == size:
        return colours
    shrinks = min(image.size) >= size[0]
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return ImageOps.fit(colours, size, method)
