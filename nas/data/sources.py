"""A folder or a zip archive read as a flat list of named files, nothing outside it."""

import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import final

from nas.errors import InvalidDataset

# An uncompressed 24-bit photograph of 20 megapixels; anything larger is no training image.
MAX_FILE_BYTES = 64 * 2**20
MAX_TOTAL_BYTES = 64 * 2**30


class ImageSource(ABC):
    """Files by their name relative to the source, with `/` between folders."""

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """Every regular file, ascending; hidden ones and macOS's resource forks left out."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return a file's content; safe to call from several threads.

        Raises:
            InvalidDataset: naming the file, if it cannot be read.
        """


@contextmanager
def open_source(path: Path) -> Iterator[ImageSource]:
    """Open a folder or a zip archive.

    Raises:
        InvalidDataset: if `path` is neither, if an entry leads outside it, or if files are larger
            than `MAX_FILE_BYTES` each or `MAX_TOTAL_BYTES` together.
    """
    if path.is_dir():
        yield _Folder(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise InvalidDataset(f"{path}: no such folder or file") from error
    except (zipfile.BadZipFile, OSError) as error:
        raise InvalidDataset(f"{path}: neither a folder nor a zip archive ({error})") from error
    with archive:
        yield _Archive(archive)


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts)


def _check_sizes(sizes: dict[str, int]) -> None:
    for name, size in sizes.items():
        if size > MAX_FILE_BYTES:
            raise InvalidDataset(f"{name}: {size} bytes, more than {MAX_FILE_BYTES} for one image")
    if sum(sizes.values()) > MAX_TOTAL_BYTES:
        raise InvalidDataset(
            f"{sum(sizes.values())} bytes in all, more than {MAX_TOTAL_BYTES}: "
            "shrink the images before importing them"
        )


@final
class _Folder(ImageSource):
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        sizes: dict[str, int] = {}
        for path in sorted(self._root.rglob("*")):
            name = path.relative_to(self._root).as_posix()
            if _is_hidden(name):
                continue
            if path.is_symlink():
                raise InvalidDataset(f"{name}: a symbolic link; put the files themselves there")
            if path.is_dir():
                continue
            if not path.is_file():
                raise InvalidDataset(f"{name}: not a regular file")
            sizes[name] = path.stat().st_size
        _check_sizes(sizes)
        self._names = tuple(sorted(sizes))

    @property
    def names(self) -> Sequence[str]:
        return self._names

    def read(self, name: str) -> bytes:
        try:
            return (self._root / name).read_bytes()
        except OSError as error:
            raise InvalidDataset(f"{name}: {error.strerror}") from error


@final
class _Archive(ImageSource):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        sizes: dict[str, int] = {}
        for entry in archive.infolist():
            _check_entry(entry)
            if entry.is_dir() or _is_hidden(entry.filename):
                continue
            if entry.filename in sizes:
                raise InvalidDataset(f"{entry.filename}: twice in the archive")
            sizes[entry.filename] = entry.file_size
        _check_sizes(sizes)
        self._names = tuple(sorted(sizes))

    @property
    def names(self) -> Sequence[str]:
        return self._names

    def read(self, name: str) -> bytes:
        # zipfile never returns more than the declared size, which was checked above.
        try:
            return self._archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise InvalidDataset(f"{name}: cannot be unpacked ({error})") from error


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Refuse an entry that could lead outside the archive, or that cannot be read."""
    name = entry.orig_filename
    if "\\" in name or "\0" in name or ":" in name.split("/")[0]:
        raise InvalidDataset(f"{name!r}: backslash, colon or null character in the path")
    if PurePosixPath(name).is_absolute() or ".." in name.split("/"):
        raise InvalidDataset(f"{name!r}: the path leads outside the archive")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise InvalidDataset(f"{name!r}: a symbolic link")
    if entry.flag_bits & 1:
        raise InvalidDataset(f"{name!r}: encrypted")
