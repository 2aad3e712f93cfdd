import numpy as np
from sklearn.datasets import load_digits

from nas.data.digits import digits


def test_digits_has_1000_train_397_validation_and_400_test_images():
    dataset = digits()
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (1000, 397, 400)
    assert dataset.image_shape == (1, 8, 8)
    assert dataset.classes == tuple("0123456789")


def test_the_splits_of_digits_are_together_scikit_learns_digits():
    dataset = digits()
    splits = (dataset.train, dataset.validation, dataset.test)
    ours = sorted(
        (int(label), image.tobytes())
        for part in splits
        for image, label in zip(part.images, part.labels, strict=True)
    )
    source = load_digits()
    scaled = np.rint(source.images / 16 * 255).astype(np.uint8)
    theirs = sorted(
        (int(label), image.tobytes()) for image, label in zip(scaled, source.target, strict=True)
    )
    assert ours == theirs


def test_every_class_of_digits_has_its_share_of_every_split():
    dataset = digits()
    shares = np.bincount(load_digits().target) / 1797
    for part in (dataset.train, dataset.validation, dataset.test):
        assert np.all(np.abs(np.bincount(part.labels) - shares * len(part)) < 2)


def test_digits_are_the_same_every_time():
    assert np.array_equal(digits().train.images, digits().train.images)
