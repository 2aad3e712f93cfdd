"""Datasets: a row for what is known, a checksummed file for the pixels."""

import secrets
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.datasets.schemas import DatasetRead
from backend.db import Database, lock_name
from backend.models import Dataset
from backend.paging import Listing, Page
from backend.references import get, next_version
from nas.data.dataset import ImageDataset

FOLDER = "datasets"


def list_datasets(
    session: Session, limit: int = 100, cursor: str | None = None
) -> Page[DatasetRead]:
    """Return every version of every dataset, by name and version."""
    keys = [Dataset.name, Dataset.version]
    listing = Listing("datasets", select(Dataset), keys, DatasetRead.model_validate)
    return listing.page(session, limit, cursor)


def read_dataset(session: Session, reference: str) -> DatasetRead:
    """Return a dataset. Raises `NotFound`."""
    return DatasetRead.model_validate(get(session, Dataset, reference))


def add_dataset(
    db: Database, artifact_folder: Path, name: str, dataset: ImageDataset
) -> tuple[DatasetRead, bool]:
    """Store a dataset, file and row together or neither; return it and whether it is new.

    The same content returns the version that holds it, its file restored if it was lost; other
    content under the same name becomes the next version.
    """
    folder = artifact_folder / FOLDER
    # A file of its own per import: what fails can be removed without harm to anybody else.
    path = folder / f"{name}-{secrets.token_hex(8)}.npz"
    digest = dataset.save(path)
    kept = False
    try:
        with db.unit_of_work() as session:
            lock_name(session, f"datasets/{name}")
            row = session.scalars(
                select(Dataset).where(Dataset.name == name, Dataset.sha256 == digest)
            ).one_or_none()
            new = row is None
            if row is None:
                row = _row(dataset, name, next_version(session, Dataset, name))
                row.sha256, row.num_bytes = digest, path.stat().st_size
                session.add(row)
            if new or not (artifact_folder / row.path).is_file():
                row.path, kept = f"{FOLDER}/{path.name}", True
            session.flush()
            read = DatasetRead.model_validate(row)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if not kept:
        path.unlink(missing_ok=True)
    return read, new


def _row(dataset: ImageDataset, name: str, version: int) -> Dataset:
    channels, height, width = dataset.image_shape
    return Dataset(
        name=name,
        version=version,
        path="",
        channels=channels,
        height=height,
        width=width,
        classes=list(dataset.classes),
        num_train=len(dataset.train),
        num_validation=len(dataset.validation),
        num_test=len(dataset.test),
        split_seed=dataset.split_seed,
    )
