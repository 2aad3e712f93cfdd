"""An image classification dataset in memory, and its one checksummed file."""

import hashlib
import os
import secrets
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from nas.errors import InvalidDataset

_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, eq=False)
class ImageSplit:
    """Images and their classes.

    Attributes:
        images: uint8, shape (n, channels, height, width), 0 to 255.
        labels: int64, shape (n,), indices into the dataset's classes.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class ImageDataset:
    """Three splits of one set of images.

    Scores, early stopping and search read `validation` alone, which was held out of the training
    images by `split_seed`; `test` is read only for final stand-alone figures.

    Raises:
        InvalidDataset: if the splits' shapes or types disagree, one is empty, or a label has no
            class.
    """

    train: ImageSplit
    validation: ImageSplit
    test: ImageSplit
    classes: tuple[str, ...]
    split_seed: int

    def __post_init__(self) -> None:
        for name in _SPLITS:
            self._check(name, getattr(self, name))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def _check(self, name: str, split: ImageSplit) -> None:
        images, labels = split.images, split.labels
        if images.ndim != 4 or images.shape[1:] != self.train.images.shape[1:]:
            raise InvalidDataset(
                f"{name}: images of shape {images.shape} where "
                f"(n, {', '.join(map(str, self.train.images.shape[1:]))}) is needed"
            )
        if images.dtype != np.uint8 or labels.dtype != np.int64:
            raise InvalidDataset(
                f"{name}: images {images.dtype} and labels {labels.dtype}; "
                "uint8 and int64 are needed"
            )
        if labels.shape != (len(images),) or len(images) == 0:
            raise InvalidDataset(
                f"{name}: {len(images)} images and labels of shape {labels.shape}; "
                "one label per image and at least one image are needed"
            )
        if labels.min() < 0 or labels.max() >= len(self.classes):
            raise InvalidDataset(
                f"{name}: labels from {labels.min()} to {labels.max()} "
                f"do not fit {len(self.classes)} classes"
            )

    def save(self, path: Path) -> str:
        """Write one uncompressed .npz file, whole or not at all.

        The bytes depend on the content alone, so equal datasets have equal checksums.

        Returns:
            The file's SHA-256 as hexadecimal digits.
        """
        arrays: dict[str, NDArray[np.generic]] = {
            "classes": np.array(self.classes, dtype=np.str_),
            "split_seed": np.array(self.split_seed, dtype=np.int64),
        }
        for name in _SPLITS:
            split: ImageSplit = getattr(self, name)
            arrays[f"{name}_images"] = split.images
            arrays[f"{name}_labels"] = split.labels
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
        try:
            with partial.open("x+b") as file:
                np.savez(file, allow_pickle=False, **arrays)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                checksum = hashlib.file_digest(file, "sha256").hexdigest()
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return checksum

    @classmethod
    def load(cls, path: Path, sha256: str) -> Self:
        """Read a file written by `save`.

        Raises:
            InvalidDataset: if the file is missing, is no such file, or differs from `sha256`.
        """
        try:
            file = path.open("rb")
        except OSError as error:
            raise InvalidDataset(f"{path}: {error.strerror}; import the dataset again") from error
        with file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise InvalidDataset(
                    f"{path}: SHA-256 is {found}, recorded was {sha256}; import the dataset again"
                )
            file.seek(0)
            return cls._read(file, path)

    @classmethod
    def _read(cls, file: BinaryIO, path: Path) -> Self:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                train, validation, test = (
                    ImageSplit(arrays[f"{name}_images"], arrays[f"{name}_labels"])
                    for name in _SPLITS
                )
                classes = tuple(str(name) for name in arrays["classes"])
                split_seed = int(arrays["split_seed"])
        except (KeyError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise InvalidDataset(f"{path}: not a dataset file ({error})") from error
        return cls(train, validation, test, classes, split_seed)
