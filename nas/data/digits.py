"""The embedded dataset: handwritten digits that scikit-learn carries, so nothing is downloaded.

Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part).
"""

import numpy as np

from nas.data.dataset import ImageDataset, ImageSplit
from nas.data.splits import hold_out

NUM_VALIDATION = 397
NUM_TEST = 400
SPLIT_SEED = 0


def digits() -> ImageDataset:
    """Return 1,797 grey digits of 8x8 pixels: 1,000 train, 397 validation, 400 test, stratified.

    Intensities 0 to 16 are scaled to 0 to 255.
    """
    # Here, because it takes two seconds, which only the first start of a server needs.
    from sklearn.datasets import load_digits

    source = load_digits()
    images = np.rint(source.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = source.target.astype(np.int64)
    rest, test = hold_out(labels, NUM_TEST, SPLIT_SEED, "test")
    kept, held = hold_out(labels[rest], NUM_VALIDATION, SPLIT_SEED, "validation")
    train, validation = rest[kept], rest[held]
    return ImageDataset(
        train=ImageSplit(images[train], labels[train]),
        validation=ImageSplit(images[validation], labels[validation]),
        test=ImageSplit(images[test], labels[test]),
        classes=tuple(str(name) for name in source.target_names),
        split_seed=SPLIT_SEED,
    )
