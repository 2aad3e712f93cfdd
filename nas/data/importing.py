"""Import of a dataset from a folder or an archive, in whichever known layout it is."""

from pathlib import Path

import numpy as np

from nas.data.dataset import ImageDataset, ImageSplit
from nas.data.formats import recognised
from nas.data.sources import open_source
from nas.data.splits import hold_out
from nas.errors import InvalidDataset


def import_dataset(
    path: Path,
    *,
    size: int | None,
    num_validation: int,
    split_seed: int,
    scratch: Path | None = None,
) -> ImageDataset:
    """Read a folder or archive of images into three splits held in memory.

    Args:
        path: folder, zip, tar or .npz, in a layout that `nas.data.formats` knows.
        size: height and width of the result in pixels; None keeps the images, which must then all
            have the same height and width.
        num_validation: images held out of train, from every class in proportion to its size.
        split_seed: source of the choice of these.
        scratch: see `nas.data.sources.open_source`.

    Raises:
        InvalidDataset: naming the file at fault.
        InvalidSplit: naming the class that has too few images for `num_validation`.
    """
    if size is not None and size < 1:
        raise InvalidDataset(f"size {size}: at least one pixel is needed")
    with open_source(path, scratch) as source:
        images = recognised(source.names).read(source, size)
    train = images.train
    kept, held = hold_out(train.labels, num_validation, split_seed, "validation", images.classes)
    return ImageDataset(
        train=ImageSplit(np.ascontiguousarray(train.images[kept]), train.labels[kept]),
        validation=ImageSplit(np.ascontiguousarray(train.images[held]), train.labels[held]),
        test=ImageSplit(np.ascontiguousarray(images.test.images), images.test.labels),
        classes=images.classes,
        split_seed=split_seed,
    )
