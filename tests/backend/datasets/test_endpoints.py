import errno
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from backend.db import Database
from backend.models import Dataset
from backend.settings import Settings
from nas.data.dataset import ImageDataset
from tests.backend.api import Api, fields_of, problem_of
from tests.nas.data.archives import (
    Hostile,
    arrays,
    cifar10,
    cifar100,
    imagenet16,
    npz,
    tar,
    zipped,
)

DATASETS = "/api/v1/datasets"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def _png(shade: int, size: int = 6) -> bytes:
    content = io.BytesIO()
    Image.new("L", (size, size), shade).save(content, "PNG")
    return content.getvalue()


def _images(offset: int = 0) -> dict[str, bytes]:
    """Two classes of four training and two test images."""
    return {
        f"{part}/{label}/{number}.png": _png(offset + 20 * number + shade)
        for part, numbers in (("train", range(4)), ("test", range(2)))
        for label, shade in (("cat", 0), ("dog", 100))
        for number in numbers
    }


def _zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def _upload(api: Api, content: bytes, headers: dict | None = None, **fields):
    data = {"name": "pets", "num_validation": 2} | fields
    files = {"file": ("pets.zip", content)}
    return api.post(DATASETS, data=data, files=files, headers=headers or {})


def _files(settings: Settings) -> list[Path]:
    return sorted(path for path in settings.artifact_folder.rglob("*") if path.is_file())


def test_a_zip_becomes_a_dataset_with_a_checksummed_file(
    api: Api, stocked: Database, plain_settings: Settings
):
    response = _upload(api, _zip(_images()), size=4)
    assert response.status_code == 201
    made = response.json()
    assert [made[part] for part in ("num_train", "num_validation", "num_test")] == [6, 2, 4]
    assert (made["channels"], made["height"], made["width"]) == (1, 4, 4)
    assert made["classes"] == ["cat", "dog"]
    with stocked.reading() as session:
        row = session.scalars(select(Dataset).where(Dataset.name == "pets")).one()
    path = plain_settings.artifact_folder / row.path
    assert _files(plain_settings) == [path]
    assert len(ImageDataset.load(path, made["sha256"]).train) == 6
    assert api.get(f"{DATASETS}/pets").json() == made


def test_the_same_content_stays_and_other_content_becomes_the_next_version(
    api: Api, plain_settings: Settings
):
    assert _upload(api, _zip(_images())).json()["version"] == 1
    again = _upload(api, _zip(_images()))
    assert (again.status_code, again.json()["version"]) == (200, 1)
    assert len(_files(plain_settings)) == 1
    other = _upload(api, _zip(_images(offset=5)))
    assert (other.status_code, other.json()["version"]) == (201, 2)
    names = [f"{row['name']}@{row['version']}" for row in api.get(DATASETS).json()["items"]]
    assert names == ["digits@1", "pets@1", "pets@2"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train/cat/9.png": b"not an image"}, "train/cat/9.png"),
        ({"../escaped.png": _png(1)}, "escaped.png"),
        ({"train/bird/1.png": _png(1)}, "bird"),
    ],
)
def test_a_bad_zip_names_the_file_and_leaves_nothing(
    change: dict, said: str, api: Api, stocked: Database, plain_settings: Settings
):
    response = _upload(api, _zip(_images() | change))
    assert fields_of(response) == ["file"]
    assert said in response.json()["detail"]
    assert str(plain_settings.artifact_folder) not in response.text
    assert _files(plain_settings) == []
    with stocked.reading() as session:
        assert session.scalars(select(Dataset.name)).all() == ["digits"]


@pytest.mark.parametrize("content", [b"hello", b"\x1f\x8b\x08\x00cut short", b""])
def test_what_is_no_archive_is_refused_by_its_own_name(
    content: bytes, api: Api, plain_settings: Settings
):
    response = _upload(api, content)
    assert fields_of(response) == ["file"]
    assert "pets.zip" in response.json()["detail"]
    assert str(plain_settings.artifact_folder) not in response.text
    assert _files(plain_settings) == []


@pytest.mark.parametrize(
    ("make", "num_validation", "shape", "num_classes"),
    [
        (lambda path: tar(cifar10(), path), 10, (3, 32, 32), 10),
        (lambda path: zipped(cifar100(), path), 100, (3, 32, 32), 100),
        (lambda path: tar(imagenet16(), path, mode="w"), 120, (3, 16, 16), 120),
        (lambda path: npz(arrays(), path), 2, (1, 6, 4), 2),
    ],
    ids=["cifar-10", "cifar-100", "imagenet16-120", "npz"],
)
def test_a_published_archive_is_recognised_and_stored(
    make,
    num_validation: int,
    shape: tuple,
    num_classes: int,
    tmp_path: Path,
    api: Api,
    stocked: Database,
    plain_settings: Settings,
):
    content = make(tmp_path).read_bytes()
    response = _upload(api, content, num_validation=num_validation, split_seed=3)
    assert response.status_code == 201, response.text
    made = response.json()
    assert (made["channels"], made["height"], made["width"]) == shape
    assert (len(made["classes"]), made["split_seed"]) == (num_classes, 3)
    with stocked.reading() as session:
        row = session.scalars(select(Dataset).where(Dataset.name == "pets")).one()
    path = plain_settings.artifact_folder / row.path
    assert _files(plain_settings) == [path]
    stored = ImageDataset.load(path, made["sha256"])
    assert (stored.split_seed, len(stored.validation)) == (3, num_validation)
    assert _upload(api, content, num_validation=num_validation, size=8).json()["height"] == 8


def test_a_disk_that_fills_while_an_archive_is_unpacked_is_said_as_such(
    api: Api, plain_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class FullDisk(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nas.data.sources.tempfile.TemporaryFile", lambda **_: FullDisk())
    content = tar(cifar10(), tmp_path).read_bytes()
    problem_of(_upload(api, content, num_validation=10), 507)
    assert _files(plain_settings) == []


def test_an_archive_with_a_bad_batch_leaves_nothing(
    api: Api, stocked: Database, plain_settings: Settings, tmp_path: Path
):
    hostile = pickle.dumps({"data": Hostile(tmp_path / "executed"), "labels": []}, 2)
    whole = tar(cifar10(), tmp_path).read_bytes()
    without_one = {name: data for name, data in cifar10().items() if name != "data_batch_2"}
    for content, said in (
        (tar(cifar10() | {"test_batch": hostile}, tmp_path).read_bytes(), "posix.system"),
        (
            tar(cifar10() | {"test_batch": b"\x80\x02}"}, tmp_path).read_bytes(),
            "test_batch: a pickle",
        ),
        (tar(without_one, tmp_path).read_bytes(), "data_batch_2 missing from CIFAR-10"),
        (whole[: len(whole) // 2], "pets.zip: a gzip file that is cut short"),
    ):
        response = _upload(api, content, num_validation=10)
        assert fields_of(response) == ["file"]
        assert said in response.json()["detail"]
        assert _files(plain_settings) == []
    assert not (tmp_path / "executed").exists()
    with stocked.reading() as session:
        assert session.scalars(select(Dataset.name)).all() == ["digits"]


def test_fields_of_the_form_are_checked(api: Api):
    content = _zip(_images())
    assert fields_of(_upload(api, content, name="No Good")) == ["name"]
    assert fields_of(_upload(api, content, size=0)) == ["size"]
    assert fields_of(_upload(api, content, num_validation=0)) == ["num_validation"]
    (error,) = problem_of(_upload(api, content, num_validation=500), 422)["errors"]
    assert error["field"] == "num_validation"
    assert "class 'cat' has 4, of which 250 would leave" in error["message"]


def test_a_file_that_cannot_be_recorded_is_removed(
    api: Api, plain_settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> int:
        raise RuntimeError("no version")

    monkeypatch.setattr("backend.datasets.service.next_version", fail)
    problem_of(_upload(api, _zip(_images())), 500)
    assert _files(plain_settings) == []


def test_a_key_gives_the_first_answer_again(api: Api):
    headers = {"Idempotency-Key": "a-key"}
    content = _zip(_images())  # once: a zip holds the time at which it was made
    first = _upload(api, content, headers)
    again = _upload(api, content, headers)
    assert (again.status_code, again.json()) == (201, first.json())
    other = _upload(api, _zip(_images(offset=5)), headers)
    assert fields_of(other) == ["Idempotency-Key"]


def test_an_unknown_dataset_is_not_found(api: Api):
    problem_of(api.get(f"{DATASETS}/nowhere"), 404)


@pytest.mark.data
@pytest.mark.slow
def test_the_zip_of_cifar_10_becomes_a_dataset_of_16_pixels(
    cifar10_upload: tuple[dict[str, Any], ImageDataset],
):
    answer, dataset = cifar10_upload
    assert (answer["name"], answer["version"]) == ("cifar10-16", 1)
    assert (answer["channels"], answer["height"], answer["width"]) == (3, 16, 16)
    splits = {part: answer[f"num_{part}"] for part in ("train", "validation", "test")}
    assert splits == {"train": 49_000, "validation": 1_000, "test": 10_000}
    assert splits == {part: len(getattr(dataset, part)) for part in splits}
    assert dataset.image_shape == (3, 16, 16)
    assert answer["classes"] == list(dataset.classes)
    assert len(answer["classes"]) == 10
