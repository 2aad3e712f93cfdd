import json
from pathlib import Path

import pytest

from nas.benchmarks.checking import checked_rows
from nas.benchmarks.table import Entry, GroundTruth, builtin, read_table
from nas.errors import InvalidBenchmark
from nas.spaces import catalogue

NB201 = catalogue()["nas-bench-201"]
DIGITS = catalogue()["digits-mini"]
SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|"
NONE = "|none~0|+|none~0|none~1|"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "table"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_becomes_ground_truth_without_seeds(tmp_path: Path) -> None:
    path = written(tmp_path, f"architecture,accuracy\n{SKIP},81.5\n\n{NONE},10\n")
    table = read_table(path, DIGITS)
    assert table.entries == {SKIP: Entry(81.5, None), NONE: Entry(10.0, None)}
    assert (table.num_seeds, table.noise_ceiling, table.dataset) == (None, None, None)


def test_a_csv_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, f'\ufeffarchitecture, accuracy\r\n"{SKIP}",81.5\r\n')
    assert read_table(path, DIGITS).entries == {SKIP: Entry(81.5)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no result"),
        ([f"{SKIP}"], "line 2: expected 2 columns, found 1"),
        ([f"{SKIP},1,2"], "line 2: expected 2 columns, found 3"),
        ([f"{SKIP},81", f"{SKIP},81"], "line 3: .* in the table already"),
        (["x" * 200_000 + ",1"], "line 2: field larger"),
    ],
)
def test_a_bad_csv_is_refused_with_the_line(rows: list[str], message: str, tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join(["architecture,accuracy", *rows]))
    with pytest.raises(InvalidBenchmark, match=message):
        read_table(path, DIGITS)


@pytest.mark.parametrize("text", ["80", "80.0", "8e1", "+80.", "800E-1"])
def test_an_accuracy_may_be_written_as_any_decimal_number(text: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"architecture,accuracy\n{SKIP},{text}\n")
    assert read_table(path, DIGITS).entries[SKIP].accuracy == 80.0


def test_a_table_of_another_space_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, f"architecture,accuracy\n{SKIP},80\n")
    with pytest.raises(InvalidBenchmark, match=r"line 2: .* is no architecture of nas-bench-201"):
        read_table(path, NB201)


def test_a_table_without_accuracies_is_no_ground_truth(tmp_path: Path) -> None:
    with pytest.raises(InvalidBenchmark, match="no column of accuracies"):
        read_table(written(tmp_path, f"architecture,flops\n{SKIP},80\n"), DIGITS)


@pytest.mark.data
def test_the_table_of_nas_bench_201_is_read_whole(shared_data: Path) -> None:
    table = read_table(shared_data / "nas-bench-201-cifar10-test.csv", NB201)
    accuracies = [entry.accuracy for entry in table.entries.values()]
    assert len(accuracies) == 15_625
    assert (min(accuracies), max(accuracies)) == (10.0, 94.3733)


def test_a_document_with_seeds_holds_their_mean_and_its_recipe(tmp_path: Path) -> None:
    document = {
        "space": "digits-mini",
        "recipe": {"epochs": 12},
        "columns": [{"metric": "flops"}, {"metric": "accuracy", "dataset": "d", "seeds": [0, 1]}],
        "entries": {SKIP: [1, [80.0, 82.0]], NONE: [0, [10.0, None]]},
    }
    table = read_table(written(tmp_path, json.dumps(document)), DIGITS)
    assert table.entries == {SKIP: Entry(81.0, (80.0, 82.0)), NONE: Entry(10.0, (10.0,))}
    assert (table.num_seeds, table.dataset, table.recipe) == (2, "d", {"epochs": 12})


def test_a_table_in_memory_is_the_table_that_was_read() -> None:
    entries = {SKIP: Entry(81.0, (80.0, 82.0)), NONE: Entry(10.0, (10.0, 10.0))}
    truth = GroundTruth(entries, num_seeds=2, noise_ceiling=0.5, dataset="d")
    contents = truth.contents()
    (column,) = contents.header.columns
    assert (column.name, column.noise_ceiling) == ("d/accuracy", 0.5)
    means = {row.architecture: row.values[0].mean for row in checked_rows(contents, DIGITS)}
    assert means == {SKIP: 81.0, NONE: 10.0}


def test_every_built_in_benchmark_is_of_a_built_in_space() -> None:
    for name, (space, table) in builtin().items():
        assert space in catalogue(), name
        assert table.entries, name
