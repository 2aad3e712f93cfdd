from pathlib import Path

import numpy as np
import pytest

from nas.data.importing import import_dataset
from nas.errors import InvalidDataset
from tests.nas.data.archives import Python2, cifar100, folder, pixels, tar, zipped


@pytest.mark.parametrize("stored", [folder, tar, zipped])
def test_every_image_has_its_fine_label(stored, tmp_path: Path):
    path = stored(cifar100(), tmp_path)
    dataset = import_dataset(path, size=8, num_validation=100, split_seed=0)
    assert dataset.classes == tuple(f"fine {label}" for label in range(100))
    assert dataset.image_shape == (3, 8, 8)
    assert len(dataset.train) == len(dataset.validation) == len(dataset.test) == 100
    full = pixels(list(range(100)), 32).reshape(100, 3, 8, 4, 8, 4).astype(np.float64)
    # Pillow rounds twice, after rows and after columns.
    assert np.abs(dataset.test.images - full.mean(axis=(3, 5))).max() <= 1
    assert dataset.test.labels.tolist() == list(range(100))


@pytest.mark.parametrize("missing", ["train", "test", "meta"])
def test_a_missing_file_is_named(missing: str, tmp_path: Path):
    files = cifar100()
    del files[missing]
    with pytest.raises(InvalidDataset, match=f"^{missing} missing from CIFAR-100"):
        import_dataset(tar(files, tmp_path), size=None, num_validation=100, split_seed=0)


def test_coarse_labels_alone_are_refused(tmp_path: Path):
    batch = Python2.dumps({"coarse_labels": [0, 1], "data": pixels([0, 1], 32)})
    path = tar(cifar100() | {"train": batch}, tmp_path)
    with pytest.raises(InvalidDataset, match=r"^train: fine_labels is missing"):
        import_dataset(path, size=None, num_validation=100, split_seed=0)
