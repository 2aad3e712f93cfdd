"""Rows in a temporary file: constant memory, and a hash that does not depend on their order."""

import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from backend.benchmarks import staging, storing
from backend.benchmarks.staging import staged
from backend.benchmarks.statistics import column_statistics
from backend.db import Database
from backend.models import SearchSpace
from backend.references import get
from nas.benchmarks.formats import opened
from nas.errors import InvalidBenchmark
from nas.spaces import catalogue
from nas.spaces.forms import normal_form

NB201 = catalogue()["nas-bench-201"]
DIGITS = catalogue()["digits-mini"]
FEW, MANY = 500, 4000


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def written(path: Path, rows: int) -> Path:
    with path.open("w") as file:
        file.write("architecture,accuracy\n")
        for place, member in enumerate(islice(NB201.enumerate(), rows)):
            file.write(f"{NB201.encode(member)},{10 + place / 100}\n")
    return path


def peak_bytes(db: Database, path: Path, folder: Path) -> int:
    """The most memory that Python held at once during an import, above what it held before."""
    tracemalloc.start()
    with opened(path) as contents, staged(contents, NB201, folder) as table:
        with db.unit_of_work() as session:
            storing.store(session, path.stem, get(session, SearchSpace, NB201.name), table)
        assert table.num_entries == (FEW if path.stem == "few" else MANY)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_eight_times_the_rows_need_no_more_memory(
    stocked: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for module, name in ((staging, "BATCH_ROWS"), (staging, "FETCHED_ROWS")):
        monkeypatch.setattr(module, name, 125)
    monkeypatch.setattr(storing, "BATCH_ROWS", 125)
    # What is remembered of forms has a limit of its own.
    for member in islice(NB201.enumerate(), MANY):
        normal_form(NB201, member)
    few, many = written(tmp_path / "few.csv", FEW), written(tmp_path / "many.csv", MANY)
    peak_bytes(stocked, written(tmp_path / "warm.csv", MANY), tmp_path)
    small = peak_bytes(stocked, few, tmp_path)
    large = peak_bytes(stocked, many, tmp_path)
    # 3,500 architectures alone, as text, are 0.5 MB.
    assert large - small < 150_000


def test_nothing_is_left_of_a_refused_table(tmp_path: Path):
    table, folder = written(tmp_path / "table.csv", 3), tmp_path / "scratch"
    folder.mkdir()
    with table.open("a") as file:
        file.write("nonsense,1\n")
    with (
        pytest.raises(InvalidBenchmark, match="line 5"),
        opened(table) as contents,
        staged(contents, NB201, folder),
    ):
        pass
    assert not list(folder.iterdir())


def statistics(tmp_path: Path, text: str):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with opened(path) as contents, staged(contents, DIGITS, tmp_path) as table:
        return column_statistics(table, 0)


def codes(number: int) -> list[str]:
    valid = (member for member in DIGITS.enumerate() if DIGITS.is_valid(member))
    return [DIGITS.encode(member) for member in islice(valid, number)]


def test_a_noise_ceiling_is_of_the_architectures_with_all_seeds(tmp_path: Path):
    first, second, third, incomplete = codes(4)
    # Orders 1 2 3 and 2 1 3: two concordant pairs of three, one discordant.
    found = statistics(
        tmp_path,
        "architecture,accuracy/seed0,accuracy/seed1\n"
        f"{first},10,20\n{second},20,10\n{third},30,30\n{incomplete},5,\n",
    )
    assert found.noise_ceiling == pytest.approx(1 / 3, abs=1e-4)
    assert found.noise_architectures == 3


@pytest.mark.parametrize("rows", ["{},10,20\n", "{},10,\n{},,10\n", "{},10,10\n{},10,10\n"])
def test_too_little_for_a_noise_ceiling_leaves_it_unknown(rows: str, tmp_path: Path):
    found = statistics(
        tmp_path, "architecture,accuracy/seed0,accuracy/seed1\n" + rows.format(*codes(2))
    )
    assert (found.noise_ceiling, found.noise_architectures) == (None, None)


def test_a_cost_has_neither_a_noise_ceiling_nor_twins(tmp_path: Path):
    first, second = codes(2)
    found = statistics(
        tmp_path, f"architecture,latency/seed0,latency/seed1\n{first},1,2\n{second},2,3\n"
    )
    assert (found.noise_ceiling, found.twins) == (None, None)
    assert (found.lowest, found.highest) == (1.5, 2.5)


def test_a_large_table_is_sampled_for_its_noise_ceiling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("backend.benchmarks.statistics.MAX_NOISE_ARCHITECTURES", 5)
    rows = "".join(f"{code},{10 + i},{11 + i}\n" for i, code in enumerate(codes(20)))
    found = statistics(tmp_path, "architecture,accuracy/seed0,accuracy/seed1\n" + rows)
    assert (found.noise_ceiling, found.noise_architectures) == (1.0, 5)
