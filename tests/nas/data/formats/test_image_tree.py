import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from nas.data import sources
from nas.data.dataset import ImageDataset
from nas.data.formats import image_tree as module
from nas.data.importing import import_dataset
from nas.errors import InvalidDataset

Files = dict[str, bytes]


def picture(
    colour: int | tuple[int, ...] = 0, *, mode: str = "RGB", size: tuple[int, int] = (4, 4)
) -> Image.Image:
    return Image.new(mode, size, colour)


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def collection(num_train: int = 4, num_test: int = 1) -> Files:
    """Two classes; the red channel tells the class, the green one the image."""
    return {
        f"{part}/{label}/{index}.png": encoded(picture((100 * number, index, 0)))
        for number, label in enumerate(("cat", "dog"))
        for part, count in (("train", num_train), ("test", num_test))
        for index in range(count)
    }


def folder(files: Files, path: Path) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def archive(files: Files | Iterable[tuple[zipfile.ZipInfo, bytes]], path: Path) -> Path:
    with zipfile.ZipFile(path / "images.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items() if isinstance(files, dict) else files:
            file.writestr(name, content)
    return path / "images.zip"


@pytest.fixture(params=[folder, archive], ids=["folder", "zip"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Files], Path]:
    return lambda files: request.param(files, tmp_path)


def test_a_folder_and_a_zip_give_every_image_once_with_its_class(stored):
    dataset = import_dataset(stored(collection()), size=None, num_validation=2, split_seed=0)
    assert dataset.classes == ("cat", "dog")
    assert dataset.image_shape == (3, 4, 4)
    seen = []
    for split in (dataset.train, dataset.validation):
        for image, label in zip(split.images, split.labels, strict=True):
            assert image[0, 0, 0] == 100 * label
            seen.append((int(label), int(image[1, 0, 0])))
    assert sorted(seen) == [(label, index) for label in (0, 1) for index in range(4)]
    assert np.bincount(dataset.validation.labels).tolist() == [1, 1]
    assert dataset.test.labels.tolist() == [0, 1]


def test_the_hold_out_follows_the_seed(stored):
    source = stored(collection(num_train=20))

    def held_out(seed: int) -> list[int]:
        dataset = import_dataset(source, size=None, num_validation=10, split_seed=seed)
        return dataset.validation.images[:, 1, 0, 0].tolist()

    assert held_out(0) == held_out(0)
    assert held_out(0) != held_out(1)


def test_a_folder_around_train_and_test_and_hidden_files_are_looked_through(stored):
    files = {f"pets/{name}": content for name, content in collection().items()}
    files |= {
        "__MACOSX/train/cat/._0.png": b"",
        "pets/train/cat/.DS_Store": b"",
        "pets/README": b"",
    }
    dataset = import_dataset(stored(files), size=None, num_validation=2, split_seed=0)
    assert len(dataset.train) == 6


def test_shrinking_averages_areas(tmp_path: Path):
    files = collection()
    block = np.kron(np.array([[10, 20], [30, 36]]), np.array([[1, 3], [5, 7]])).astype(np.uint8)
    files["test/cat/0.png"] = encoded(Image.fromarray(block).convert("RGB"))
    dataset = import_dataset(folder(files, tmp_path), size=2, num_validation=2, split_seed=0)
    # Each 2x2 block v * [[1, 3], [5, 7]] has mean 4 v.
    assert dataset.test.images[0, 0].tolist() == [[40, 80], [120, 144]]


def test_an_oblong_image_is_cropped_to_its_centre(tmp_path: Path):
    files = collection()
    wide = np.zeros((4, 8, 3), dtype=np.uint8)
    wide[:, 2:6] = 200
    files["test/cat/0.png"] = encoded(Image.fromarray(wide))
    dataset = import_dataset(folder(files, tmp_path), size=2, num_validation=2, split_seed=0)
    assert np.unique(dataset.test.images[0]).tolist() == [200]


def test_enlarging_keeps_an_even_colour_even(tmp_path: Path):
    dataset = import_dataset(
        folder(collection(), tmp_path), size=9, num_validation=2, split_seed=0
    )
    assert dataset.image_shape == (3, 9, 9)
    assert np.unique(dataset.test.images[1, 0]).tolist() == [100]


def test_grey_files_alone_give_one_channel(tmp_path: Path):
    files = {name: encoded(picture(9, mode="L")) for name in collection()}
    dataset = import_dataset(folder(files, tmp_path), size=None, num_validation=2, split_seed=0)
    assert dataset.image_shape == (1, 4, 4)
    assert np.unique(dataset.train.images).tolist() == [9]


def test_one_colour_file_makes_all_three_channels(tmp_path: Path):
    files = {name: encoded(picture(9, mode="L")) for name in collection()}
    files["test/dog/0.png"] = encoded(picture((1, 2, 3)))
    dataset = import_dataset(folder(files, tmp_path), size=None, num_validation=2, split_seed=0)
    assert dataset.train.images.shape[1:] == (3, 4, 4)
    assert dataset.train.images[0, :, 0, 0].tolist() == [9, 9, 9]
    assert dataset.test.images[1, :, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_common_formats_are_read(tmp_path: Path, form: str):
    files = collection()
    files["test/cat/0.png"] = encoded(picture((200, 200, 200)), form)
    dataset = import_dataset(folder(files, tmp_path), size=None, num_validation=2, split_seed=0)
    assert np.abs(dataset.test.images[0].astype(int) - 200).max() <= 2


def test_a_transparent_palette_is_read_without_its_transparency(tmp_path: Path):
    files = collection()
    image = picture((7, 8, 9)).quantize(2)
    file = io.BytesIO()
    image.save(file, "PNG", transparency=b"\x00\x80")
    files["test/cat/0.png"] = file.getvalue()
    dataset = import_dataset(folder(files, tmp_path), size=None, num_validation=2, split_seed=0)
    assert dataset.test.images[0, :, 0, 0].tolist() == [7, 8, 9]


def test_more_images_than_one_chunk_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "CHUNK", 3)
    dataset = import_dataset(
        archive(collection(num_test=10), tmp_path), size=None, num_validation=2, split_seed=0
    )
    assert dataset.test.images[:, 1, 0, 0].tolist() == [*range(10), *range(10)]


def bomb() -> bytes:
    """A PNG that claims 60,000 x 60,000 pixels and holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


def damaged(content: bytes) -> bytes:
    return content[: len(content) // 2]


NOISE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an image"),
        (b"GIF89a, or so it says", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", "not an image"),
        (damaged(encoded(Image.fromarray(NOISE), "JPEG")), "damaged image"),
        (damaged(encoded(Image.fromarray(NOISE))), "damaged image"),
        (bomb(), "pixels"),
        (encoded(Image.fromarray(NOISE[:, :, 0].astype(np.uint16))), "mode I;16"),
    ],
    ids=["empty", "cut header", "postscript", "cut jpeg", "cut png", "bomb", "sixteen bits"],
)
def test_a_bad_image_is_named(stored, content: bytes, message: str):
    files = collection() | {"train/dog/bad.png": content}
    with pytest.raises(InvalidDataset, match=rf"^train/dog/bad\.png: .*{message}"):
        import_dataset(stored(files), size=4, num_validation=2, split_seed=0)


def test_an_image_slightly_too_large_to_decode_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "MAX_PIXELS", 16)
    files = collection() | {"train/dog/big.png": encoded(picture(size=(5, 4)))}
    with pytest.raises(InvalidDataset, match=r"^train/dog/big\.png: 5x4 pixels, more than 16"):
        import_dataset(folder(files, tmp_path), size=4, num_validation=2, split_seed=0)


def test_mixed_sizes_without_a_size_are_refused(stored):
    files = collection() | {"test/dog/wide.png": encoded(picture(size=(5, 4)))}
    with pytest.raises(InvalidDataset, match=r"^test/dog/wide\.png: 5x4 pixels.*choose a size"):
        import_dataset(stored(files), size=None, num_validation=2, split_seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train/bird/0.png": b""}, "test holds no image of class bird"),
        ({"test/bird/0.png": b""}, "train holds no image of class bird"),
        ({"train/cat/more/0.png": b""}, r"train/cat/more/0\.png: expected train/<class>/<file>"),
        ({"train/labels.txt": b""}, r"train/labels\.txt: expected train/<class>/<file>"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(stored, change: Files, message: str):
    with pytest.raises(InvalidDataset, match=message):
        import_dataset(stored(collection() | change), size=4, num_validation=2, split_seed=0)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no file in it; understood are"),
        (
            ["photo.png"],
            r"1 files \(photo.png\) in no known layout; understood are .*train/<class>",
        ),
        (["train/cat/0.png"], "no image in test"),
        (["train/cat/0.png", "test/cat/0.png"], "1 class, 'cat': at least two"),
    ],
)
def test_a_source_without_two_classes_of_images_is_refused(stored, names: list[str], message: str):
    files = dict.fromkeys(names, encoded(picture()))
    with pytest.raises(InvalidDataset, match=message):
        import_dataset(stored(files), size=4, num_validation=2, split_seed=0)


@pytest.mark.parametrize(
    "name",
    [
        "/train/cat/0.png",
        "train/../../escape.png",
        "../train/cat/0.png",
        "train\\cat\\0.png",
        "C:/x",
    ],
)
def test_a_zip_entry_that_leads_outside_is_refused(tmp_path: Path, name: str):
    path = archive(collection() | {name: encoded(picture())}, tmp_path)
    with pytest.raises(InvalidDataset, match=r"path"):
        import_dataset(path, size=4, num_validation=2, split_seed=0)
    assert not (tmp_path.parent / "escape.png").exists()


def test_a_zip_entry_that_is_a_link_is_refused(tmp_path: Path):
    link = zipfile.ZipInfo("train/cat/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(InvalidDataset, match=r"train/cat/link\.png': a symbolic link"):
        import_dataset(
            archive([(link, b"/etc/passwd")], tmp_path), size=4, num_validation=2, split_seed=0
        )


def test_an_encrypted_zip_entry_is_refused(tmp_path: Path):
    path = archive(collection(), tmp_path)
    content = bytearray(path.read_bytes())
    # Bit 0 of the flags, 8 bytes into the first entry of the central directory.
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InvalidDataset, match="encrypted"):
        import_dataset(path, size=4, num_validation=2, split_seed=0)


def test_a_zip_entry_that_does_not_unpack_is_named(tmp_path: Path):
    path = archive(collection(), tmp_path)
    content = bytearray(path.read_bytes())
    start = content.index(b"train/cat/0.png") + len("train/cat/0.png")
    content[start : start + 20] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(InvalidDataset, match=r"^train/cat/0\.png: cannot be unpacked"):
        import_dataset(path, size=4, num_validation=2, split_seed=0)


def test_a_zip_with_a_name_twice_is_refused(tmp_path: Path):
    entries = [(zipfile.ZipInfo(name), content) for name, content in collection().items()]
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive([*entries, entries[0]], tmp_path)
    with pytest.raises(InvalidDataset, match=r"train/cat/0\.png: twice"):
        import_dataset(path, size=4, num_validation=2, split_seed=0)


def test_a_link_inside_a_folder_is_refused(tmp_path: Path):
    path = folder(collection(), tmp_path)
    (path / "train" / "dog" / "link.png").symlink_to("/etc/passwd")
    with pytest.raises(InvalidDataset, match=r"^train/dog/link\.png: a symbolic link"):
        import_dataset(path, size=4, num_validation=2, split_seed=0)


@pytest.mark.parametrize(
    ("owner", "limit", "message"),
    [
        (module, "MAX_FILE_BYTES", r"0\.png: \d+ bytes, more than 50 for one image"),
        (sources, "MAX_TOTAL_BYTES", "bytes in all"),
    ],
    ids=["one", "all"],
)
def test_too_many_bytes_are_refused(
    stored, monkeypatch: pytest.MonkeyPatch, owner: ModuleType, limit: str, message: str
):
    monkeypatch.setattr(owner, limit, 50)
    with pytest.raises(InvalidDataset, match=message):
        import_dataset(stored(collection()), size=4, num_validation=2, split_seed=0)


def test_a_size_whose_result_does_not_fit_memory_is_refused(tmp_path: Path):
    with pytest.raises(InvalidDataset, match="choose a smaller size"):
        import_dataset(folder(collection(), tmp_path), size=20_000, num_validation=2, split_seed=0)


@pytest.mark.parametrize("size", [0, -3])
def test_a_size_without_pixels_is_refused(tmp_path: Path, size: int):
    with pytest.raises(InvalidDataset, match="at least one pixel"):
        import_dataset(folder(collection(), tmp_path), size=size, num_validation=2, split_seed=0)


def test_a_path_that_is_no_collection_is_refused(tmp_path: Path):
    with pytest.raises(InvalidDataset, match="no such folder or file"):
        import_dataset(tmp_path / "gone", size=4, num_validation=2, split_seed=0)
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(InvalidDataset, match="neither a folder nor a zip or tar archive"):
        import_dataset(tmp_path / "text.zip", size=4, num_validation=2, split_seed=0)


def test_a_hold_out_that_empties_a_class_is_refused(tmp_path: Path):
    with pytest.raises(InvalidDataset, match="must give and keep at least one"):
        import_dataset(folder(collection(), tmp_path), size=4, num_validation=8, split_seed=0)


@pytest.mark.data
@pytest.mark.slow
def test_cifar_10_at_16_pixels_has_its_60000_images(cifar10_16: ImageDataset):
    assert len(cifar10_16.train) == 49_000
    assert np.bincount(cifar10_16.validation.labels).tolist() == [100] * 10
    assert np.bincount(cifar10_16.test.labels).tolist() == [1000] * 10
    assert cifar10_16.image_shape == (3, 16, 16)
    # The published channel means of CIFAR-10's training images, which averaging areas keeps.
    means = cifar10_16.train.images.mean(axis=(0, 2, 3), dtype=np.float64) / 255
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.003)
