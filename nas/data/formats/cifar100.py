"""CIFAR-100 in its original Python archive."""

from collections.abc import Sequence
from typing import ClassVar, final

from nas.data.dataset import ImageSplit
from nas.data.formats.base import Format, LabelledImages
from nas.data.formats.pickled_batches import Labels, read_batch, read_names, require_files
from nas.data.resizing import fit_all
from nas.data.sources import Source

TRAIN, TEST, NAMES = "train", "test", "meta"
NUM_CLASSES = 100
LABELS = Labels("fine_labels", first=0, last=NUM_CLASSES - 1)


@final
class Cifar100(Format):
    """32x32 colour images in a hundred classes; their twenty coarse classes are left out.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """

    layout: ClassVar[str] = "CIFAR-100 (python version: files train, test and meta)"

    def recognises(self, names: Sequence[str]) -> bool:
        return len({TRAIN, TEST, NAMES}.intersection(names)) >= 2

    def read(self, source: Source, size: int | None) -> LabelledImages:
        require_files(source, (TRAIN, TEST, NAMES), self.layout)

        def part(name: str) -> ImageSplit:
            read = read_batch(source, name, sides=(32,), labels=LABELS)
            return ImageSplit(fit_all(read.images, size), read.labels)

        return LabelledImages(
            train=part(TRAIN),
            test=part(TEST),
            classes=read_names(source, NAMES, key="fine_label_names", number=NUM_CLASSES),
        )
