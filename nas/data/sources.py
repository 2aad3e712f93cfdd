"""A folder, a zip or a tar archive read as a flat list of named files, nothing outside it."""

import gzip
import stat
import tarfile
import tempfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import BinaryIO, Self, final

from nas.errors import InvalidDataset

MAX_TOTAL_BYTES = 64 * 2**30
# What a compressed tar archive may become on disk; ImageNet at 32x32 pixels takes half of it.
MAX_UNPACKED_BYTES = 8 * 2**30
# Names and attributes of one tar member, which tarfile holds in memory.
MAX_HEADER_BYTES = 2**20
TAR_BLOCK = 512
COPY_BYTES = 2**20


class Source(ABC):
    """Files by their name, with `/` between folders.

    Hidden files and macOS's resource forks are left out. One folder that holds everything is
    looked through, unless it is itself a part of an image tree.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        """Take the files with their sizes in bytes.

        Raises:
            InvalidDataset: if they are larger than `MAX_TOTAL_BYTES` together.
        """
        total = sum(sizes.values())
        if total > MAX_TOTAL_BYTES:
            raise InvalidDataset(
                f"{total} bytes in all, more than {MAX_TOTAL_BYTES}: "
                "shrink the images before importing them"
            )
        self._root = _root(sizes)
        self._sizes = {name.removeprefix(self._root): sizes[name] for name in sorted(sizes)}

    @property
    @final
    def names(self) -> Sequence[str]:
        """Every regular file, ascending."""
        return tuple(self._sizes)

    @final
    def limit(self, names: Collection[str], max_bytes: int, what: str) -> None:
        """Refuse files that are larger than what they should hold.

        Args:
            names: of the files.
            max_bytes: of each.
            what: one of them holds, for people.

        Raises:
            InvalidDataset: naming the first file that is larger.
        """
        for name in names:
            if self._sizes[name] > max_bytes:
                raise InvalidDataset(
                    f"{name}: {self._sizes[name]} bytes, more than {max_bytes} for {what}"
                )

    @final
    def read(self, name: str) -> bytes:
        """Return a file's content; safe to call from several threads.

        Raises:
            InvalidDataset: naming the file, if it cannot be read.
        """
        return self._read(self._root + name)

    @abstractmethod
    def _read(self, name: str) -> bytes:
        """Return the content of a file by its full name."""


@contextmanager
def open_source(path: Path, scratch: Path | None = None) -> Iterator[Source]:
    """Open a folder, a zip archive, or a tar archive, plain or packed with gzip.

    Args:
        path: of the folder or archive.
        scratch: folder that a compressed tar archive is unpacked in, as one file without a name
            that goes with the source; None: the system's.

    Raises:
        InvalidDataset: if `path` is none of these, if an entry is a link or a device or leads
            outside of it, or if the files are larger than `MAX_TOTAL_BYTES` together.
    """
    if path.is_dir():
        yield _Folder(path)
        return
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InvalidDataset(f"{path}: no such folder or file") from error
    except OSError as error:
        raise InvalidDataset(f"{path}: {error.strerror}") from error
    with file:
        start = file.read(TAR_BLOCK)
        file.seek(0)
        if start.startswith(b"\x1f\x8b"):
            with tempfile.TemporaryFile(dir=scratch) as unpacked:
                _gunzip(file, unpacked, path)
                yield _Tar(unpacked, path)
        elif start[257:262] == b"ustar":
            yield _Tar(file, path)
        else:
            with _zip(file, path) as archive:
                yield _Zip(archive)


def _zip(file: BinaryIO, path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise InvalidDataset(
            f"{path}: neither a folder nor a zip or tar archive ({error})"
        ) from error


def _gunzip(file: BinaryIO, unpacked: BinaryIO, path: Path) -> None:
    """Unpack a gzip file as far as `MAX_UNPACKED_BYTES`."""
    with gzip.GzipFile(fileobj=file) as packed:
        while chunk := _chunk(packed, path):
            if unpacked.tell() + len(chunk) > MAX_UNPACKED_BYTES:
                raise InvalidDataset(
                    f"{path}: unpacks to more than {MAX_UNPACKED_BYTES} bytes; "
                    "unpack it and import the folder"
                )
            unpacked.write(chunk)
    unpacked.seek(0)


def _chunk(packed: gzip.GzipFile, path: Path) -> bytes:
    try:
        return packed.read(COPY_BYTES)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidDataset(
            f"{path}: a gzip file that is cut short or damaged ({error})"
        ) from error


def _root(names: Collection[str]) -> str:
    """Return the one folder that holds everything, with its slash, or nothing."""
    tops = {name.partition("/")[0] for name in names}
    if len(tops) == 1 and not tops & {"train", "test"} and all("/" in name for name in names):
        return f"{tops.pop()}/"
    return ""


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts)


def _check_path(name: str) -> None:
    """Refuse a path that could lead outside the archive."""
    if "\\" in name or "\0" in name or ":" in name.split("/")[0]:
        raise InvalidDataset(f"{name!r}: backslash, colon or null character in the path")
    if PurePosixPath(name).is_absolute() or ".." in name.split("/"):
        raise InvalidDataset(f"{name!r}: the path leads outside the archive")


@final
class _Folder(Source):
    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        sizes: dict[str, int] = {}
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if _is_hidden(name):
                continue
            if path.is_symlink():
                raise InvalidDataset(f"{name}: a symbolic link; put the files themselves there")
            if path.is_dir():
                continue
            if not path.is_file():
                raise InvalidDataset(f"{name}: not a regular file")
            sizes[name] = path.stat().st_size
        super().__init__(sizes)

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise InvalidDataset(f"{name}: {error.strerror}") from error


@final
class _Zip(Source):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        sizes: dict[str, int] = {}
        for entry in archive.infolist():
            _check_path(entry.orig_filename)
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise InvalidDataset(f"{entry.filename!r}: a symbolic link")
            if entry.flag_bits & 1:
                raise InvalidDataset(f"{entry.filename!r}: encrypted")
            if entry.is_dir() or _is_hidden(entry.filename):
                continue
            if entry.filename in sizes:
                raise InvalidDataset(f"{entry.filename}: twice in the archive")
            sizes[entry.filename] = entry.file_size
        super().__init__(sizes)

    def _read(self, name: str) -> bytes:
        # zipfile never returns more than the declared size, which was checked before.
        try:
            return self._archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise InvalidDataset(f"{name}: cannot be unpacked ({error})") from error


class _BoundedHeader(tarfile.TarInfo):
    """A tar header whose attached names and attributes cannot fill the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type not in tarfile.REGULAR_TYPES and header.size > MAX_HEADER_BYTES:
            raise InvalidDataset(
                f"{header.name!r}: a tar header of {header.size} bytes, "
                f"more than {MAX_HEADER_BYTES}"
            )
        return header


@final
class _Tar(Source):
    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._starts: dict[str, int] = {}
        sizes: dict[str, int] = {}
        try:
            with tarfile.open(fileobj=file, mode="r:", tarinfo=_BoundedHeader) as archive:
                for member in archive:
                    self._add(member, sizes)
                end = archive.offset
        except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
            raise InvalidDataset(
                f"{path}: a tar archive that is cut short or damaged ({error})"
            ) from error
        # tarfile takes a damaged header between two members for the end.
        file.seek(end)
        if file.read(TAR_BLOCK).strip(b"\0"):
            raise InvalidDataset(f"{path}: a tar archive that is damaged at byte {end}")
        super().__init__(sizes)

    def _add(self, member: tarfile.TarInfo, sizes: dict[str, int]) -> None:
        _check_path(member.name)
        name = member.name.removeprefix("./")
        if member.isdir():
            return
        if member.islnk() or member.issym():
            raise InvalidDataset(f"{name!r}: a link")
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise InvalidDataset(f"{name!r}: not a regular file")
        if _is_hidden(name):
            return
        if name in sizes:
            raise InvalidDataset(f"{name}: twice in the archive")
        sizes[name] = member.size
        self._starts[name] = member.offset_data

    def _read(self, name: str) -> bytes:
        size = self._sizes[name.removeprefix(self._root)]
        with self._lock:
            self._file.seek(self._starts[name])
            content = self._file.read(size)
        if len(content) != size:
            raise InvalidDataset(f"{name}: cut short after {len(content)} of {size} bytes")
        return content
