"""Image files laid out as `train/<class>/<file>` and `test/<class>/<file>`."""

import io
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.data.dataset import ImageSplit
from nas.data.formats.base import Format, LabelledImages, require_all_classes
from nas.data.resizing import fit, pixels_for
from nas.data.sources import Source
from nas.errors import InvalidDataset

# Formats that Pillow decodes by itself; others would start foreign programs on a stranger's file.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
# Deeper images would be cut to eight bits without a word.
EIGHT_BIT_MODES = frozenset(
    {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"}
)
GREY_MODES = frozenset({"1", "L", "LA", "La"})
MAX_PIXELS = 2**26
# An uncompressed 24-bit photograph of 20 megapixels; anything larger is no training image.
MAX_FILE_BYTES = 64 * 2**20
PARTS = ("train", "test")
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


@final
class ImageTree(Format):
    """Images of any common format and size.

    Greyscale files alone give one channel, any colour file gives three; transparency is dropped,
    and of a moving picture the first frame counts.
    """

    layout: ClassVar[str] = "image files (train/<class>/<file> and test/<class>/<file>)"

    def recognises(self, names: Sequence[str]) -> bool:
        return any(name.partition("/")[0] in PARTS and "/" in name for name in names)

    def read(self, source: Source, size: int | None) -> LabelledImages:
        listing = _list(source.names)
        for names in listing.files.values():
            source.limit(names, MAX_FILE_BYTES, "one image")
        width_height = (size, size) if size is not None else _first_size(source, listing)
        decoded = {
            part: _decode_all(source, names, width_height, resize=size is not None)
            for part, names in listing.files.items()
        }
        num_channels = 3 if any(has_colour for _, has_colour in decoded.values()) else 1
        train, test = (
            ImageSplit(decoded[part][0][:, :num_channels], listing.labels[part]) for part in PARTS
        )
        return LabelledImages(train, test, listing.classes)


def _list(names: Sequence[str]) -> _Listing:
    """Sort files into parts and classes."""
    found: dict[str, list[tuple[str, str]]] = {part: [] for part in PARTS}
    for name in names:
        part, *rest = name.split("/")
        if part not in found:
            continue
        if len(rest) != 2:
            raise InvalidDataset(f"{name}: expected {part}/<class>/<file>")
        found[part].append((rest[0], name))
    classes = {part: {label for label, _ in files} for part, files in found.items()}
    for part, other in (("train", "test"), ("test", "train")):
        if not found[part]:
            raise InvalidDataset(f"no image in {part}/<class>/")
        require_all_classes(part, sorted(classes[other] - classes[part]))
    ordered = tuple(sorted(classes["train"]))
    number = {label: index for index, label in enumerate(ordered)}
    return _Listing(
        classes=ordered,
        files={part: tuple(name for _, name in files) for part, files in found.items()},
        labels={
            part: np.array([number[label] for label, _ in files], dtype=np.int64)
            for part, files in found.items()
        },
    )


def _first_size(source: Source, listing: _Listing) -> tuple[int, int]:
    name = listing.files["train"][0]
    return _open(source, name).size


def _decode_all(
    source: Source, names: Sequence[str], size: tuple[int, int], *, resize: bool
) -> tuple[NDArray[np.uint8], bool]:
    """Decode in threads, straight into one array, so that memory is that of the result.

    Returns:
        Pixels, shape (n, 3, height, width), and whether any file has colour.
    """
    width, height = size
    pixels = pixels_for(len(names), 3, height, width)

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


def _open(source: Source, name: str) -> Image.Image:
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
    return fit(colours, size)
