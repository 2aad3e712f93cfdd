"""What every format makes of its files, before a validation split is held out."""

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nas.data.dataset import ImageSplit
from nas.data.sources import Source
from nas.errors import InvalidDataset

MAX_CLASS_NAME = 200


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Training and test images as they were published.

    Attributes:
        train: images, and indices into `classes`.
        test: the same.
        classes: two or more different names.

    Raises:
        InvalidDataset: if a name is no line of text or there twice, or a class lacks images.
    """

    train: ImageSplit
    test: ImageSplit
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise InvalidDataset(
                f"{len(self.classes)} class, {', '.join(map(repr, self.classes))}: "
                "at least two are needed"
            )
        for index, name in enumerate(self.classes):
            if not name or len(name) > MAX_CLASS_NAME or any(map(_is_control, name)):
                raise InvalidDataset(
                    f"class {index}: {name[:MAX_CLASS_NAME]!a} is no name of 1 to "
                    f"{MAX_CLASS_NAME} characters in one line"
                )
        if len(set(self.classes)) != len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise InvalidDataset(f"two classes are named {twice!r}")
        for part, split in (("train", self.train), ("test", self.test)):
            counts = np.bincount(split.labels, minlength=len(self.classes))
            require_all_classes(
                part, (self.classes[index] for index in np.flatnonzero(counts == 0))
            )


def require_all_classes(part: str, missing: Iterable[str]) -> None:
    """Refuse a part that lacks classes.

    Raises:
        InvalidDataset: if `missing` names any.
    """
    if names := ", ".join(missing):
        raise InvalidDataset(f"{part} holds no image of class {names}")


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


class Format(ABC):
    """A layout of files. Stateless; one file per format.

    Attributes:
        layout: its name and its files, for people.
    """

    layout: ClassVar[str]

    @abstractmethod
    def recognises(self, names: Sequence[str]) -> bool:
        """Tell from the names of files whether they are meant to be of this format.

        One that is incomplete is recognised too, so that `read` can name what is missing.
        """

    @abstractmethod
    def read(self, source: Source, size: int | None) -> LabelledImages:
        """Read all images.

        Args:
            source: whose names are recognised.
            size: height and width of the result; None: as they are.

        Raises:
            InvalidDataset: naming the file at fault.
        """
