"""One download: the files of a network in several formats, and how to load them."""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.errors import ExportFailed
from nas.export.formats import FORMATS

if TYPE_CHECKING:
    from nas.export.exported import Exported

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The date of every file: the earliest that a ZIP archive can hold."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A download.

    Attributes:
        data: a ZIP archive.
        left_out: formats in which the network could not be written, and why.
    """

    data: bytes
    left_out: Mapping[str, str]


def bundle(exported: "Exported", formats: Sequence[str] = ()) -> Bundle:
    """Write a network; the same bytes for the same network and formats.

    Args:
        exported: the network.
        formats: kinds of `nas.export.formats`; none: every one that the network can be written in.

    Raises:
        ExportFailed: if the network cannot be written in one of the formats that were asked for,
            or one is not known.
    """
    files: dict[str, bytes] = {}
    left_out: dict[str, str] = {}
    for kind in formats or FORMATS:
        if kind not in FORMATS:
            raise ExportFailed(kind, f"no such format; there are {', '.join(FORMATS)}")
        try:
            files |= FORMATS[kind].files(exported)
        except ExportFailed as error:
            if formats:
                raise
            left_out[kind] = str(error)
    written = [kind for kind in FORMATS if kind in (formats or FORMATS) and kind not in left_out]
    files["README.md"] = "\n".join(_readme(exported, written, left_out, files)).encode()
    return Bundle(_zipped(files), left_out)


def _readme(
    exported: "Exported",
    written: Sequence[str],
    left_out: Mapping[str, str],
    files: Mapping[str, bytes],
) -> Iterator[str]:
    model = exported.model
    channels, height, width = model.image_shape
    yield f"# {model.space.name}, one trained network"
    yield ""
    yield "```"
    yield model.code
    yield "```"
    yield ""
    yield f"Images are float32 of shape (n, {channels}, {height}, {width}), any n, their pixels"
    yield "from 0 to 1 (a stored value over 255). Give them as they are: they are normalised inside"
    yield "the network, by the mean and the deviation of the training images. Class scores have the"
    yield f"shape (n, {len(model.classes)}) and are those before the softmax; BatchNorm uses what"
    yield "training has gathered, once `eval()` is called where a network is built in Python."
    yield ""
    for kind in written:
        yield f"## {FORMATS[kind].title}"
        yield ""
        yield FORMATS[kind].usage
        yield ""
    for kind, reason in left_out.items():
        yield f"## Left out: {FORMATS[kind].title}"
        yield ""
        yield f"{reason}."
        yield ""
    yield "## Checksums"
    yield ""
    yield "| file | SHA-256 |"
    yield "| --- | --- |"
    for name in sorted(files):
        yield f"| {name} | {hashlib.sha256(files[name]).hexdigest()} |"
    yield ""


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    # Weights do not compress, and what does not depend on a compressor is the same everywhere.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()
