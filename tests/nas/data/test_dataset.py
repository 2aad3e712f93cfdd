import hashlib
from pathlib import Path

import numpy as np
import pytest

from nas.data.dataset import ImageDataset, ImageSplit
from nas.errors import InvalidDataset


def split(num_images: int, seed: int = 0, *, height: int = 2) -> ImageSplit:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (num_images, 1, height, 3), dtype=np.uint8)
    return ImageSplit(images, np.arange(num_images, dtype=np.int64) % 2)


def dataset() -> ImageDataset:
    return ImageDataset(split(4, 0), split(2, 1), split(3, 2), ("cat", "hůlka"), split_seed=7)


def test_a_saved_dataset_loads_back_equal(tmp_path: Path):
    saved = dataset()
    checksum = saved.save(tmp_path / "folder" / "set.npz")
    loaded = ImageDataset.load(tmp_path / "folder" / "set.npz", checksum)
    for name in ("train", "validation", "test"):
        before, after = getattr(saved, name), getattr(loaded, name)
        assert np.array_equal(before.images, after.images)
        assert after.images.dtype == np.uint8
        assert np.array_equal(before.labels, after.labels)
        assert after.labels.dtype == np.int64
    assert loaded.classes == ("cat", "hůlka")
    assert loaded.split_seed == 7
    assert loaded.image_shape == (1, 2, 3)


def test_the_checksum_is_the_files_sha256_and_depends_on_content_alone(tmp_path: Path):
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    checksum = dataset().save(first)
    assert checksum == hashlib.sha256(first.read_bytes()).hexdigest()
    assert dataset().save(second) == checksum


def test_saving_leaves_no_partial_file_behind(tmp_path: Path):
    dataset().save(tmp_path / "set.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["set.npz"]


def test_a_failed_save_keeps_the_old_file_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "set.npz"
    checksum = dataset().save(path)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="disk full"):
        dataset().save(path)
    assert [found.name for found in tmp_path.iterdir()] == ["set.npz"]
    ImageDataset.load(path, checksum)


def test_a_changed_file_is_refused(tmp_path: Path):
    path = tmp_path / "set.npz"
    checksum = dataset().save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidDataset, match="recorded was"):
        ImageDataset.load(path, checksum)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InvalidDataset, match=r"gone\.npz: No such file"):
        ImageDataset.load(tmp_path / "gone.npz", "0" * 64)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut short"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    with pytest.raises(InvalidDataset, match="not a dataset file"):
        ImageDataset.load(path, hashlib.sha256(content).hexdigest())


def test_a_dataset_file_never_unpickles(tmp_path: Path):
    path = tmp_path / "set.npz"
    np.savez(path, train_images=np.array([{"any": "object"}], dtype=object))
    with pytest.raises(InvalidDataset, match="not a dataset file"):
        ImageDataset.load(path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (split(3, height=5), r"shape \(3, 1, 5, 3\)"),
        (ImageSplit(np.zeros((2, 1, 2, 3)), np.zeros(2, np.int64)), "images float64"),  # type: ignore[arg-type]
        (ImageSplit(np.zeros((2, 1, 2, 3), np.uint8), np.zeros(3, np.int64)), "one label per"),
        (ImageSplit(np.zeros((0, 1, 2, 3), np.uint8), np.zeros(0, np.int64)), "at least one"),
        (ImageSplit(np.zeros((1, 1, 2, 3), np.uint8), np.full(1, 2)), "do not fit 2 classes"),
        (ImageSplit(np.zeros((1, 1, 2, 3), np.uint8), np.full(1, -1)), "labels from -1"),
    ],
)
def test_splits_that_do_not_fit_together_are_refused(changed: ImageSplit, message: str):
    with pytest.raises(InvalidDataset, match=message):
        ImageDataset(split(4), split(2), changed, ("cat", "dog"), split_seed=0)
