from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.data.importing import import_dataset
from nas.errors import InvalidDataset
from tests.nas.data.archives import Files, Hostile, Python2, cifar10, folder, pixels, tar, zipped


@pytest.fixture(params=[folder, tar, zipped], ids=["folder", "tar", "zip"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Files], Path]:
    return lambda files: request.param(files, tmp_path)


def read(path: Path, size: int | None = None, seed: int = 0):
    return import_dataset(path, size=size, num_validation=10, split_seed=seed)


def refusal(files: Files, path: Path) -> str:
    with pytest.raises(InvalidDataset) as caught:
        read(tar(files, path))
    return str(caught.value)


def batch(**changes: object) -> bytes:
    labels = list(range(8))
    return Python2.dumps({"labels": labels, "data": pixels(labels, 32)} | changes)


def test_every_image_is_there_once_with_its_label(stored):
    dataset = read(stored(cifar10()))
    assert dataset.classes == tuple(f"class {label}" for label in range(10))
    assert dataset.image_shape == (3, 32, 32)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [
        30,
        10,
        10,
    ]
    assert np.bincount(dataset.validation.labels).tolist() == [1] * 10
    for part in (dataset.train, dataset.validation, dataset.test):
        for channel in range(3):
            assert np.array_equal(part.images[:, channel, 0, 0], part.labels)
    published = [pixels([(8 * n + i) % 10 for i in range(8)], 32, n + 1) for n in range(5)]
    held_in = np.concatenate([dataset.train.images, dataset.validation.images]).reshape(40, -1)
    assert sorted(map(bytes, held_in)) == sorted(map(bytes, np.concatenate(published)))
    assert np.array_equal(dataset.test.images.reshape(10, -1), pixels(list(range(10)), 32))


def test_values_are_all_of_red_then_green_then_blue_row_by_row(tmp_path: Path):
    image = np.arange(3 * 32 * 32) % 251
    files = cifar10()
    files["test_batch"] = batch(
        labels=list(range(10)), data=np.tile(image.astype(np.uint8), (10, 1))
    )
    found = read(tar(files, tmp_path)).test.images[0]
    for channel, row, column in ((0, 0, 1), (0, 1, 0), (1, 0, 0), (2, 31, 31)):
        assert found[channel, row, column] == (1024 * channel + 32 * row + column) % 251


def test_the_validation_images_follow_the_seed(tmp_path: Path):
    path = tar(cifar10(), tmp_path)

    def held_out(seed: int) -> list[bytes]:
        return [image.tobytes() for image in read(path, seed=seed).validation.images]

    assert held_out(0) == held_out(0)
    assert held_out(0) != held_out(1)


def test_shrinking_averages_areas(tmp_path: Path):
    dataset = read(tar(cifar10(), tmp_path), size=16)
    full = pixels(list(range(10)), 32).reshape(10, 3, 16, 2, 16, 2)
    means = full.astype(np.float64).mean(axis=(3, 5))
    assert dataset.image_shape == (3, 16, 16)
    # Pillow rounds twice, after rows and after columns.
    assert np.abs(dataset.test.images - means).max() <= 1


def test_missing_batches_are_named(tmp_path: Path):
    files = cifar10()
    del files["data_batch_2"], files["batches.meta"]
    assert refusal(files, tmp_path).startswith(
        "data_batch_2, batches.meta missing from CIFAR-10 (python version"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": pixels(list(range(8)), 16)}, r"data is uint8 of shape (8, 768), where uint8"),
        ({"data": np.zeros((8, 3072))}, "data is float64 of shape (8, 3072)"),
        ({"data": np.zeros((8, 3, 32, 32), np.uint8)}, "data is uint8 of shape (8, 3, 32, 32)"),
        ({"data": [1, 2]}, "data is a list of 2 values"),
        ({"data": None}, "data is missing"),
        ({"labels": None}, "labels is missing, where a list of whole numbers"),
        ({"labels": [0] * 7}, "7 labels for 8 images"),
        ({"labels": [0] * 7 + [10]}, "label 10 of image 7; labels are 0 to 9"),
        ({"labels": [-1] + [0] * 7}, "label -1 of image 0; labels are 0 to 9"),
        ({"labels": [2**900] * 8}, "label of more than 64 bits of image 0"),
        ({"labels": [0.5] * 8}, "labels is a list of 8 values, where a list of whole numbers"),
        ({"labels": [[0]] * 8}, "labels is a list of 8 values, where a list of whole numbers"),
        ({"labels": [True] * 8}, "labels is a list of 8 values, where a list of whole numbers"),
    ],
)
def test_a_batch_that_does_not_fit_is_named(tmp_path: Path, changes: dict, message: str):
    said = refusal(cifar10() | {"data_batch_4": batch(**changes)}, tmp_path)
    assert said.startswith(f"data_batch_4: {message}")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"] * 9, "label_names is a list of 9 values, where 10 names are needed"),
        ([1] * 10, "label_names holds of type int, where a name is needed"),
        (["a"] * 10, "two classes are named 'a'"),
        (["a\0", *"bcdefghij"], r"class 0: 'a\x00' is no name"),
        (["", *"bcdefghij"], "class 0: '' is no name"),
        (["a" * 201, *"bcdefghij"], "class 0: "),
    ],
)
def test_names_of_classes_that_are_none_are_refused(tmp_path: Path, names: list, message: str):
    meta = Python2.dumps({"label_names": names})
    assert message in refusal(cifar10() | {"batches.meta": meta}, tmp_path)


def test_a_class_without_images_is_named(tmp_path: Path):
    files = cifar10() | {"test_batch": batch()}
    assert refusal(files, tmp_path) == "test holds no image of class class 8, class 9"


def test_a_command_in_a_batch_is_refused_and_not_executed(tmp_path: Path):
    import pickle

    hostile = pickle.dumps({"data": Hostile(tmp_path / "executed"), "labels": []}, 2)
    said = refusal(cifar10() | {"data_batch_3": hostile}, tmp_path)
    assert said.startswith("data_batch_3: the pickle asks for 'posix.system'")
    assert not (tmp_path / "executed").exists()


def test_a_batch_that_is_too_large_for_memory_is_not_read(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("nas.data.formats.pickled_batches.MAX_PICKLE_BYTES", 10_000)
    assert "data_batch_1: 24" in (said := refusal(cifar10(), tmp_path))
    assert said.endswith("more than 10000 for one batch of images")
