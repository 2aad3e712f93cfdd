"""ImageNet16-120: the first 120 classes of ImageNet shrunk to 16x16 pixels."""

import re
from collections.abc import Sequence
from typing import ClassVar, final

from nas.data.dataset import ImageSplit
from nas.data.formats.base import Format, LabelledImages
from nas.data.formats.pickled_batches import Labels, joined, read_batch, require_files
from nas.data.resizing import fit_all
from nas.data.sources import Source
from nas.errors import InvalidDataset

TRAIN = tuple(f"train_data_batch_{number}" for number in range(1, 11))
TEST = "val_data"
NUM_CLASSES = 120
LABELS = Labels("labels", first=1, last=1000)
# The same files exist at other sizes.
SIDES = (8, 16, 32, 64)


@final
class ImageNet16(Format):
    """Ten training batches and the validation images of ImageNet, which serve as test images.

    The archive has all 1,000 classes, numbered from 1 and without names; those of the others are
    left out batch by batch. Classes are named by their number in the archive.

    Sources: Chrabaszcz et al., 2017 (arXiv 1707.08819) for the archive; NAS-Bench-201 (Dong and
    Yang, ICLR 2020, arXiv 2001.00326) for the 120 classes. It halves `val_data` into validation and
    test images; here validation is held out of train, as for every dataset.
    """

    layout: ClassVar[str] = (
        "ImageNet16-120 (train_data_batch_1 to train_data_batch_10 and val_data)"
    )

    def recognises(self, names: Sequence[str]) -> bool:
        return TEST in names or any(re.fullmatch(r"train_data_batch_\d+", name) for name in names)

    def read(self, source: Source, size: int | None) -> LabelledImages:
        require_files(source, (*TRAIN, TEST), self.layout)
        batches = [_first_classes(source, name, size) for name in (*TRAIN, TEST)]
        _, _, height, width = batches[0].images.shape
        for name, batch in zip((*TRAIN, TEST), batches, strict=True):
            if batch.images.shape[2:] != (height, width):
                raise InvalidDataset(
                    f"{name}: images of {batch.images.shape[3]}x{batch.images.shape[2]} pixels, "
                    f"where {TRAIN[0]} has {width}x{height}: choose a size to resize all of them to"
                )
        return LabelledImages(
            train=joined(batches[:-1]),
            test=batches[-1],
            classes=tuple(str(number) for number in range(1, NUM_CLASSES + 1)),
        )


def _first_classes(source: Source, name: str, size: int | None) -> ImageSplit:
    read = read_batch(source, name, sides=SIDES, labels=LABELS)
    chosen = read.labels < NUM_CLASSES
    return ImageSplit(fit_all(read.images[chosen], size), read.labels[chosen])
