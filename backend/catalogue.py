"""What every installation has from the start: built-in spaces, digits, and our own benchmark."""

from sqlalchemy import select

from backend.benchmarks.service import add_benchmark
from backend.datasets.service import add_dataset
from backend.db import Database
from backend.models import Dataset, SearchSpace
from backend.references import get
from backend.settings import Settings
from backend.spaces.service import add_space
from nas.benchmarks.table import builtin
from nas.data.digits import digits
from nas.spaces import catalogue

DIGITS = "digits"


def install_catalogue(db: Database, settings: Settings) -> None:
    """Store the built-in spaces, datasets and benchmarks that are missing.

    Doing it again changes nothing; a dataset's file that was lost is restored.
    """
    if not _has_digits(db, settings):
        add_dataset(db, settings.artifact_folder, DIGITS, digits())
    with db.unit_of_work() as session:
        for space in catalogue().values():
            add_space(session, space)
        for name, (space_name, truth) in builtin().items():
            add_benchmark(session, name, get(session, SearchSpace, space_name), truth)


def _has_digits(db: Database, settings: Settings) -> bool:
    """Tell it by the row and the file alone: making the dataset costs seconds at every start."""
    with db.reading() as session:
        paths = session.scalars(select(Dataset.path).where(Dataset.name == DIGITS)).all()
    return bool(paths) and all((settings.artifact_folder / path).is_file() for path in paths)
