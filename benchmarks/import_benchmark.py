"""How long does the import of a benchmark take, and how much memory? On SQLite and PostgreSQL.

Imports the table of NAS-Bench-201 (15,625 rows, from the shared data folder) into both, and made-up
tables of 100,000 and a million rows into SQLite, as CSV and as Parquet, over a space of five nodes
with 1,048,576 cells. Each import runs in a process of its own: what it took
of the processor beside what the clock showed, because the machine may be shared, and by how much
the process's memory grew at its largest. PostgreSQL keeps its own time, so that only the clock
tells what it took.

Keeps its figures in `results/import_benchmark/`. Exits with 1 if NAS-Bench-201 takes 5 seconds or
more of the processor, or if a million rows take 64 MiB more memory than 100,000.

    python benchmarks/import_benchmark.py [--postgresql URL]
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import psutil
import psycopg
from measuring.report import RESULTS, Row, keep, print_figures, print_table, provenance
from sqlalchemy import make_url

from backend.benchmarks.staging import staged
from backend.benchmarks.storing import store
from backend.db import Database
from backend.migrate import upgrade
from backend.models import SearchSpace
from backend.references import get
from backend.settings import Settings
from backend.spaces.service import add_space
from nas.benchmarks.formats import opened
from nas.spaces import catalogue
from nas.spaces.base import Space
from nas.spaces.cell import CellSpace

SHARED = Path(
    os.environ.get("EFSNAS_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data"
)
NAS_BENCH_201 = "nas-bench-201"
ROWS = (100_000, 1_000_000)
SEED = 0
MOST_SECONDS = 5.0
MOST_MIB_MORE = 64.0
KEPT = RESULTS / "import_benchmark" / "import.json"


@dataclass(frozen=True, slots=True)
class Measured:
    """One import.

    Attributes:
        table: what was imported.
        database: kind of it.
        rows: architectures of the table.
        processor_seconds: that this process had the processor.
        clock_seconds: that went by.
        grown_mib: largest resident memory during the import, above that before it.
    """

    table: str
    database: str
    rows: int
    processor_seconds: float
    clock_seconds: float
    grown_mib: float

    def line(self) -> list[str]:
        """Return the cells of a table."""
        return [
            self.table,
            self.database,
            f"{self.rows:,}",
            f"{self.processor_seconds:.1f}",
            f"{self.clock_seconds:.1f}",
            f"{self.grown_mib:.0f}",
        ]


def main() -> None:
    """Measure every table on every database, keep and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgresql", help="URL of a database whose user may create others.")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        table, url, space = arguments.one
        print(json.dumps(asdict(import_once(Path(table), url, space))))
        return
    origin = provenance()
    found = measure(arguments.postgresql)
    figures = summary(found)
    keep(
        KEPT,
        {"seed": SEED, **origin, "imports": [asdict(one) for one in found], "figures": figures},
    )
    show(found, figures)


def show(found: list[Measured], figures: Row) -> None:
    """Print one line per import, and the last line; exit with 1 if a limit is passed."""
    header = ["table", "database", "rows", "processor s", "clock s", "memory grown MiB"]
    print_table(header, [one.line() for one in found])
    print_figures(figures)
    seconds, more = figures["nas_bench_201_processor_seconds"], figures["mib_more_for_a_million"]
    assert isinstance(seconds, float)
    assert isinstance(more, float)
    if seconds >= MOST_SECONDS or more > MOST_MIB_MORE:
        sys.exit(1)


def summary(found: list[Measured]) -> Row:
    """Return the slowest import of NAS-Bench-201, and what longer tables need more of memory."""
    published = [one for one in found if one.table == NAS_BENCH_201]
    made = [one for one in found if one.table != NAS_BENCH_201]
    grown = {(one.table, one.database, one.rows): one.grown_mib for one in made}
    more = [
        grown[table, database, max(ROWS)] - grown[table, database, min(ROWS)]
        for table, database, rows in grown
        if rows == max(ROWS)
    ]
    return {
        "nas_bench_201_processor_seconds": max(one.processor_seconds for one in published),
        "nas_bench_201_clock_seconds": max(one.clock_seconds for one in published),
        "million_clock_seconds": max(one.clock_seconds for one in made),
        "million_grown_mib": max(one.grown_mib for one in made),
        "mib_more_for_a_million": max(more),
    }


def measure(postgresql: str | None) -> list[Measured]:
    """Import every table into every database."""
    found = []
    with TemporaryDirectory(prefix="efsnas-") as home:
        tables = [(NAS_BENCH_201, SHARED / "nas-bench-201-cifar10-test.csv")]
        for rows in ROWS:
            write_csv(Path(home) / f"{rows}.csv", rows)
            write_parquet(Path(home) / f"{rows}.csv", Path(home) / f"{rows}.parquet")
            tables += [(kind, Path(home) / f"{rows}.{kind}") for kind in ("csv", "parquet")]
        for name, path in tables:
            space = NAS_BENCH_201 if name == NAS_BENCH_201 else five_nodes().name
            for database in ("sqlite", "postgresql"):
                if database == "postgresql" and (name != NAS_BENCH_201 or postgresql is None):
                    continue
                with new_database(database, Path(home), postgresql) as url:
                    done = _in_a_process_of_its_own(path, url, space)
                found.append(replace(done, table=name, database=database))
    return found


def import_once(path: Path, url: str, space_name: str) -> Measured:
    """Import a table into a migrated database, and tell what it took."""
    spaces = {**catalogue(), five_nodes().name: five_nodes()}
    db = Database(url)
    with db.unit_of_work() as session:
        add_space(session, spaces[space_name])
    process = psutil.Process()
    before, clock, processor = process.memory_info().rss, time.perf_counter(), time.process_time()
    with db.reading() as session:
        row = get(session, SearchSpace, space_name)
    with (
        opened(path) as contents,
        staged(contents, row.definition, path.parent) as table,
        db.unit_of_work() as session,
    ):
        made, _ = store(session, "made", session.get_one(SearchSpace, row.id), table)
        rows = made.num_entries
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    peak = peak_bytes()
    db.close()
    return Measured("", "", rows, processor, clock, (peak - before) / 2**20)


def peak_bytes() -> int:
    """Return the largest resident memory that this program had.

    What `getrusage` tells of a process begins with that of the process that started it.
    """
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def five_nodes() -> Space:
    """Return a space of four operations on ten edges: 1,048,576 cells."""
    model = catalogue()[NAS_BENCH_201]
    assert isinstance(model, CellSpace)
    return CellSpace(
        name="five-nodes",
        num_nodes=5,
        operations=("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"),
        skeleton=model.skeleton,
    )


def write_csv(path: Path, rows: int) -> None:
    """Write the first cells of the space with an accuracy drawn for each."""
    space, rng = five_nodes(), Random(SEED)
    with path.open("w") as file:
        file.write("architecture,made/accuracy [percent]\n")
        for member in islice(space.enumerate(), rows):
            file.write(f"{space.encode(member)},{rng.uniform(10, 95):.4f}\n")


def write_parquet(source: Path, path: Path) -> None:
    """Write a table of CSV anew, in row groups of the usual size."""
    from pyarrow import csv, parquet

    parquet.write_table(csv.read_csv(source), path, row_group_size=131_072)


@contextmanager
def new_database(kind: str, home: Path, postgresql: str | None) -> Iterator[str]:
    """Make a migrated database for one import; yield its URL."""
    name = f"efsnas_import_{secrets.token_hex(8)}"
    if kind == "sqlite":
        settings = Settings(home=home / name, database_url="", redis_url="", artifacts=None)
        upgrade(settings)
        yield settings.database
        return
    assert postgresql is not None
    server = make_url(postgresql)
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0".encode())
        try:
            url = server.set(database=name).render_as_string(hide_password=False)
            upgrade(Settings(database_url=url))
            yield url
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _in_a_process_of_its_own(path: Path, url: str, space: str) -> Measured:
    """Return what `import_once` told, memory being that of a fresh process."""
    command = [sys.executable, __file__, "--one", str(path), url, space]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Measured(**json.loads(done.stdout))


if __name__ == "__main__":
    main()
