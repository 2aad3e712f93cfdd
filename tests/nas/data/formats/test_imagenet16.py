from pathlib import Path

import numpy as np
import pytest

from nas.data.importing import import_dataset
from nas.errors import InvalidDataset
from tests.nas.data.archives import Files, Python2, folder, imagenet16, pixels, tar, zipped


def read(path: Path, size: int | None = None):
    return import_dataset(path, size=size, num_validation=120, split_seed=0)


@pytest.mark.parametrize("stored", [folder, tar, zipped])
@pytest.mark.parametrize("side", [16, 32])
def test_the_first_120_classes_are_numbered_from_0(stored, side: int, tmp_path: Path):
    dataset = read(stored(imagenet16(side), tmp_path))
    assert dataset.image_shape == (3, side, side)
    assert dataset.classes == tuple(str(number) for number in range(1, 121))
    for part in (dataset.train, dataset.validation, dataset.test):
        assert sorted(part.labels) == list(range(120))
        # An image's first value is its label in the archive.
        assert np.array_equal(part.images[:, 0, 0, 0], part.labels + 1)
    published = pixels(list(range(1, 131)), side)
    assert np.array_equal(dataset.test.images.reshape(120, -1), published[:120])


def test_32_pixels_shrink_to_16(tmp_path: Path):
    full = pixels(list(range(1, 131)), 32)[:120].reshape(120, 3, 16, 2, 16, 2)
    found = read(tar(imagenet16(32), tmp_path), size=16).test.images
    # Pillow rounds twice, after rows and after columns.
    assert np.abs(found - full.astype(np.float64).mean(axis=(3, 5))).max() <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_data_batch_10": None}, r"^train_data_batch_10 missing from ImageNet16-120"),
        ({"val_data": None}, r"^val_data missing"),
        (
            {"train_data_batch_2": ([0, 5], 16)},
            r"^train_data_batch_2: label 0 of image 0; labels are 1 to 1000",
        ),
        ({"val_data": ([1001], 16)}, r"^val_data: label 1001 of image 0"),
        ({"train_data_batch_3": ([5], 32)}, r"^train_data_batch_3: images of 32x32 pixels, where"),
        (
            {"train_data_batch_3": ([5], 7)},
            r"^train_data_batch_3: data is uint8 of shape \(1, 147\)",
        ),
        ({"val_data": ([121], 16)}, r"^test holds no image of class 1, 2, "),
    ],
)
def test_archives_that_do_not_fit_are_refused(change: dict, message: str, tmp_path: Path):
    files: Files = imagenet16()
    for name, batch in change.items():
        if batch is None:
            del files[name]
        else:
            labels, side = batch
            files[name] = Python2.dumps({"labels": labels, "data": pixels(labels, side)})
    with pytest.raises(InvalidDataset, match=message):
        read(tar(files, tmp_path))


def test_batches_of_several_sizes_are_resized_to_one(tmp_path: Path):
    files = imagenet16()
    files["val_data"] = imagenet16(32)["val_data"]
    assert read(tar(files, tmp_path), size=16).image_shape == (3, 16, 16)
