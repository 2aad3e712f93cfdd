"""Tables as files, stored the way an upload is."""

from pathlib import Path
from tempfile import TemporaryDirectory

from backend.benchmarks.schemas import BenchmarkDetail
from backend.benchmarks.service import read_detail
from backend.benchmarks.staging import staged
from backend.benchmarks.storing import store
from backend.db import Database
from backend.models import SearchSpace
from backend.references import get
from nas.benchmarks.formats import opened


def add_file(db: Database, name: str, path: Path, space: str = "digits-mini") -> BenchmarkDetail:
    """Store a file as a benchmark of `space`."""
    with db.unit_of_work() as session:
        row = get(session, SearchSpace, space)
        with opened(path) as contents, staged(contents, row.definition) as table:
            stored, _ = store(session, name, row, table)
        return read_detail(stored)


def add_csv(db: Database, name: str, text: str, space: str = "digits-mini") -> BenchmarkDetail:
    """Store a table in CSV as a benchmark of `space`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_text(text, encoding="utf-8")
        return add_file(db, name, path, space)
