"""CIFAR-10 in its original Python archive."""

from collections.abc import Sequence
from typing import ClassVar, final

from nas.data.dataset import ImageSplit
from nas.data.formats.base import Format, LabelledImages
from nas.data.formats.pickled_batches import (
    Labels,
    joined,
    read_batch,
    read_names,
    require_files,
)
from nas.data.resizing import fit_all
from nas.data.sources import Source

TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
NAMES = "batches.meta"
NUM_CLASSES = 10
LABELS = Labels("labels", first=0, last=NUM_CLASSES - 1)


@final
class Cifar10(Format):
    """Five training batches and a test batch of 32x32 colour images in ten classes.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """

    layout: ClassVar[str] = (
        "CIFAR-10 (python version: data_batch_1 to data_batch_5, test_batch, batches.meta)"
    )

    def recognises(self, names: Sequence[str]) -> bool:
        return not {*TRAIN, TEST, NAMES}.isdisjoint(names)

    def read(self, source: Source, size: int | None) -> LabelledImages:
        require_files(source, (*TRAIN, TEST, NAMES), self.layout)

        def batch(name: str) -> ImageSplit:
            read = read_batch(source, name, sides=(32,), labels=LABELS)
            return ImageSplit(fit_all(read.images, size), read.labels)

        return LabelledImages(
            train=joined([batch(name) for name in TRAIN]),
            test=batch(TEST),
            classes=read_names(source, NAMES, key="label_names", number=NUM_CLASSES),
        )
