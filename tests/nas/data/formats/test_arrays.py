import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nas.data.importing import import_dataset
from nas.errors import InvalidDataset
from tests.nas.data.archives import Hostile, arrays, npz


def read(values: dict, path: Path, size: int | None = None):
    return import_dataset(npz(values, path), size=size, num_validation=2, split_seed=0)


def coloured(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """`arrays` with images of a shape, each of its own values."""
    rng = np.random.default_rng(1)
    return arrays() | {
        "train_images": rng.integers(0, 256, (8, *shape), dtype=np.uint8),
        "test_images": rng.integers(0, 256, (2, *shape), dtype=np.uint8),
    }


def test_grey_images_of_three_dimensions_have_one_channel(tmp_path: Path):
    dataset = read(arrays(), tmp_path)
    assert dataset.image_shape == (1, 6, 4)
    assert dataset.classes == ("0", "1")
    assert np.array_equal(dataset.test.images[:, 0], arrays()["test_images"])
    assert np.bincount(dataset.validation.labels).tolist() == [1, 1]
    published = sorted(map(bytes, arrays()["train_images"]))
    assert sorted(map(bytes, [*dataset.train.images, *dataset.validation.images])) == published


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_last_and_channels_first_give_the_same(channels: int, tmp_path: Path):
    values = coloured((6, 4, channels))
    last = read(values, tmp_path)
    for part in ("train_images", "test_images"):
        values[part] = values[part].transpose(0, 3, 1, 2)
    first = read(values, tmp_path)
    assert last.image_shape == first.image_shape == (channels, 6, 4)
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(last, part).images, getattr(first, part).images)
    assert np.array_equal(first.test.images, values["test_images"])


def test_columns_first_and_other_types_of_labels_are_read(tmp_path: Path):
    values = coloured((6, 4, 3))
    turned = {name: np.asfortranarray(array) for name, array in values.items()}
    turned |= {name: values[name].astype(">u2") for name in ("train_labels", "test_labels")}
    assert np.array_equal(read(values, tmp_path).train.images, read(turned, tmp_path).train.images)


def test_classes_are_named(tmp_path: Path):
    values = arrays() | {"classes": np.array(["kočka", "pes"])}
    assert read(values, tmp_path).classes == ("kočka", "pes")


@pytest.mark.parametrize(("shape", "channels"), [((8, 8), 1), ((8, 8, 3), 3)])
def test_shrinking_averages_areas(shape: tuple[int, ...], channels: int, tmp_path: Path):
    values = coloured(shape)
    found = read(values, tmp_path, size=4)
    full = values["test_images"].reshape(2, 4, 2, 4, 2, channels).astype(np.float64)
    means = full.mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    assert found.image_shape == (channels, 4, 4)
    # Pillow rounds twice, after rows and after columns.
    assert np.abs(found.test.images - means).max() <= 1


def test_a_size_brings_training_and_test_images_to_one(tmp_path: Path):
    values = arrays() | {"test_images": np.zeros((2, 9, 7), np.uint8)}
    assert read(values, tmp_path, size=4).test.images.shape == (2, 1, 4, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_labels": None}, r"^array test_labels missing from \.npz"),
        ({"train_images": np.zeros((8, 6, 4))}, "^train_images: float64; pixels must be uint8"),
        ({"train_images": np.zeros((8, 6), np.uint8)}, r"^train_images: shape \(8, 6\); \(n, h"),
        (
            {"train_images": np.zeros((8, 3, 6, 3), np.uint8)},
            r"^train_images: shape \(8, 3, 6, 3\), where the channels may be the second or the last",
        ),
        (
            {"train_images": np.zeros((8, 1, 6, 1), np.uint8)},
            r"store grey images as \(n, height, width\)",
        ),
        (
            {"train_images": np.zeros((8, 6, 4, 4), np.uint8)},
            r"^train_images: shape \(8, 6, 4, 4\), where neither",
        ),
        ({"train_images": np.zeros((0, 6, 4), np.uint8)}, r"^train_images: shape \(0, 6, 4\)"),
        ({"test_images": np.zeros((2, 4, 6), np.uint8)}, "^test_images hold images of 6x4 pixels"),
        ({"test_images": np.zeros((2, 3, 6, 4), np.uint8)}, "^test_images hold .* in 3 channels"),
        ({"train_labels": np.arange(7) % 2}, "^train_labels: 7 labels for 8 images"),
        ({"train_labels": np.zeros(8)}, r"^train_labels: float64 of shape \(8,\); whole numbers"),
        ({"train_labels": np.zeros((8, 1), int)}, r"^train_labels: int64 of shape \(8, 1\)"),
        ({"train_labels": np.arange(8) % 2 - 1}, "^train_labels: labels from -1 to 0"),
        ({"test_labels": np.array([0, 2**40])}, "^test_labels: labels from 0 to 1099511627776"),
        ({"test_labels": np.array([0, 2**64 - 1], np.uint64)}, "^test_labels: labels from 0 to"),
        ({"test_labels": np.array([1, 1])}, "^test holds no image of class 0"),
        ({"classes": np.array(["a"])}, "^labels up to 1 do not fit 1 classes"),
        ({"classes": np.array(["a", "b", "c"])}, "^train holds no image of class c"),
        ({"classes": np.array([1, 2])}, r"^classes: int64 of shape \(2,\); texts"),
        ({"classes": np.array(["", ""])}, "^class(es)?( 0)?: "),
        ({"classes": np.array([0xFFFFFFFF, 65], np.uint32).view("U1")}, "^classes: holds numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict, message: str, tmp_path: Path):
    values = {name: array for name, array in (arrays() | change).items() if array is not None}
    with pytest.raises(InvalidDataset, match=message):
        read(values, tmp_path)


@pytest.mark.parametrize("name", ["train_images", "test_labels", "classes"])
def test_pickled_objects_are_refused_and_not_executed(name: str, tmp_path: Path):
    objects = np.array([Hostile(tmp_path / "executed")] * 2, dtype=object)
    with pytest.raises(InvalidDataset, match=f"^{name}: elements of type object"):
        read(arrays() | {name: objects}, tmp_path)
    assert not (tmp_path / "executed").exists()


def with_content(name: str, content: bytes, path: Path) -> Path:
    with zipfile.ZipFile(path / "made.npz", "w") as archive:
        for key, array in arrays().items():
            file = io.BytesIO()
            np.save(file, array)
            archive.writestr(f"{key}.npy", content if key == name else file.getvalue())
    return path / "made.npz"


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an array as numpy saves it"),
        (b"\x93NUMPY\x07\x00", "not an array as numpy saves it"),
        (header("{'descr': '|u1', 'fortran_order': False}\n"), "not an array as numpy saves it"),
        (header("exec('1')\n"), "not an array as numpy saves it"),
        (
            header("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 64, 64)}\n"),
            "0 bytes do not fit shape",
        ),
        (
            header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -1)}\n") + b"a",
            "at least one value",
        ),
        (header("{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}\n"), "elements of type"),
        (
            header("{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (1,)}\n") + b"a",
            "elements of type",
        ),
    ],
)
def test_a_file_that_is_no_array_is_named(content: bytes, message: str, tmp_path: Path):
    path = with_content("train_images", content, tmp_path)
    with pytest.raises(InvalidDataset, match=f"^train_images: .*{message}"):
        import_dataset(path, size=None, num_validation=2, split_seed=0)


def test_an_array_larger_than_memory_is_not_read(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("nas.data.formats.arrays.MAX_DECODED_BYTES", 0)
    with pytest.raises(InvalidDataset, match=r"^train_images\.npy: \d+ bytes, more than 10000"):
        read(coloured((40, 40)), tmp_path)
