import json

import numpy as np
import pytest
from scipy import stats

from nas.benchmarks.table import Entry, builtin, noise_ceiling, read_csv, read_json
from nas.errors import InvalidBenchmark
from nas.spaces import catalogue

NB201 = catalogue()["nas-bench-201"]
DIGITS = catalogue()["digits-mini"]
SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|"
NONE = "|none~0|+|none~0|none~1|"


def test_a_csv_becomes_ground_truth_without_seeds() -> None:
    table = read_csv(["architecture,accuracy\n", f"{SKIP},81.5\n", "\n", f"{NONE},10\n"], DIGITS)
    assert table.entries == {SKIP: Entry(81.5, None), NONE: Entry(10.0, None)}
    assert table.num_seeds is None
    assert table.noise_ceiling is None


def test_a_csv_saved_by_a_spreadsheet_is_read() -> None:
    table = read_csv(["\ufeffarchitecture, accuracy\r\n", f'"{SKIP}",81.5\r\n'], DIGITS)
    assert table.entries == {SKIP: Entry(81.5)}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "line 1: expected the columns"),
        (["accuracy,architecture"], "line 1: expected the columns"),
        (["architecture,accuracy"], "holds no architecture"),
        (["architecture,accuracy", f"{SKIP}"], "line 2: expected 2 columns, found 1"),
        (["architecture,accuracy", f"{SKIP},1,2"], "line 2: expected 2 columns, found 3"),
        (["architecture,accuracy", f"{SKIP},1", "|x~0|,2"], "line 3: .* is no architecture of"),
        (["architecture,accuracy", f"{SKIP},1", f"{SKIP},1"], "line 3: .* in the table already"),
        (["architecture,accuracy", f"{SKIP},nan"], "line 2: accuracy 'nan' is no percentage"),
        (["architecture,accuracy", f"{SKIP},inf"], "line 2: accuracy 'inf'"),
        # What Python reads as a number is more than what a person writes as one.
        (["architecture,accuracy", f"{SKIP},1_0"], "line 2: accuracy '1_0'"),
        (["architecture,accuracy", f"{SKIP},\uff11\uff10"], "line 2: accuracy '\uff11\uff10'"),
        (["architecture,accuracy", f"{SKIP},high"], "line 2: accuracy 'high'"),
        (["architecture,accuracy", f"{SKIP},"], "line 2: accuracy ''"),
        (["architecture,accuracy", f"{SKIP},100.5"], "line 2: accuracy '100.5'"),
        (["architecture,accuracy", f"{SKIP},-1"], "line 2: accuracy '-1'"),
        (["architecture,accuracy", "x" * 200_000 + ",1"], "line 2: field larger"),
    ],
)
def test_a_bad_csv_is_refused_with_the_line(lines: list[str], message: str) -> None:
    with pytest.raises(InvalidBenchmark, match=message):
        read_csv([f"{line}\n" for line in lines], DIGITS)


@pytest.mark.parametrize("text", ["80", "80.0", "8e1", "+80.", "800E-1"])
def test_an_accuracy_may_be_written_as_any_decimal_number(text: str) -> None:
    table = read_csv(["architecture,accuracy\n", f"{SKIP},{text}\n"], DIGITS)
    assert table.entries[SKIP].accuracy == 80.0


def test_a_table_of_another_space_is_refused() -> None:
    with pytest.raises(InvalidBenchmark, match=r"line 2: .* is no architecture of nas-bench-201"):
        read_csv(["architecture,accuracy\n", f"{SKIP},80\n"], NB201)


def test_the_table_of_nas_bench_201_is_read_whole(shared_data) -> None:
    with (shared_data / "nas-bench-201-cifar10-test.csv").open(encoding="utf-8") as lines:
        table = read_csv(lines, NB201)
    accuracies = [entry.accuracy for entry in table.entries.values()]
    assert len(accuracies) == 15_625
    assert (min(accuracies), max(accuracies)) == (10.0, 94.3733)


def test_the_noise_ceiling_of_two_seeds_is_their_tau() -> None:
    # Orders 1 2 3 and 2 1 3: two concordant pairs, one discordant.
    assert noise_ceiling({"a": [1, 2], "b": [2, 1], "c": [3, 3]}, seed=0) == pytest.approx(1 / 3)


def test_the_noise_ceiling_of_a_noiseless_table_is_one() -> None:
    assert noise_ceiling({"a": [1] * 6, "b": [2] * 6, "c": [3] * 6}, seed=0) == 1.0


def test_the_noise_ceiling_averages_over_the_splits_into_halves() -> None:
    # Three seeds: a half is one seed, so it is the mean tau over the three pairs of seeds.
    values = {"a": [1, 3, 2], "b": [2, 1, 1], "c": [3, 2, 4], "d": [4, 4, 3]}
    columns = np.array(list(values.values())).T
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.mean([stats.kendalltau(columns[i], columns[j]).statistic for i, j in pairs])
    assert noise_ceiling(values, seed=0, num_splits=5000) == pytest.approx(expected, abs=0.01)


def test_more_seeds_raise_the_noise_ceiling() -> None:
    rng = np.random.default_rng(0)
    accuracy = rng.normal(size=(100, 1)) + rng.normal(size=(100, 10))
    values = {str(index): list(row) for index, row in enumerate(accuracy)}
    few = {code: row[:2] for code, row in values.items()}
    assert noise_ceiling(values, seed=0) > noise_ceiling(few, seed=0) + 0.1


@pytest.mark.parametrize(
    "values", [{}, {"a": [1.0], "b": [2.0]}, {"a": [1.0, 2.0], "b": [1.0]}, {"a": [1.0, 2.0]}]
)
def test_a_noise_ceiling_needs_seeds_and_architectures(values) -> None:
    with pytest.raises(InvalidBenchmark, match="noise ceiling"):
        noise_ceiling(values, seed=0)


def document(**changes: object) -> str:
    table = {
        "space": "digits-mini",
        "dataset": "digits",
        "recipe": {"epochs": 12},
        "seeds": [0, 1],
        "noise_ceiling": 0.8,
        "entries": {SKIP: [80.0, 82.0], NONE: [10.0, 10.0]},
    }
    return json.dumps({**table, **changes})


def test_a_table_with_seeds_holds_their_mean_and_its_recipe() -> None:
    space, table = read_json(document())
    assert space == "digits-mini"
    assert table.entries[SKIP] == Entry(81.0, (80.0, 82.0))
    assert table.num_seeds == 2
    assert table.noise_ceiling == 0.8
    assert table.recipe == {"dataset": "digits", "epochs": 12}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": "mnist"}, "unknown search space 'mnist'"),
        ({"entries": {SKIP: [80.0]}}, "1 values for 2 seeds"),
        ({"entries": {"|x~0|": [1.0, 2.0]}}, "is no architecture"),
        ({"noise_ceiling": float("nan")}, "not a benchmark"),
        ({"extra": 1}, "not a benchmark"),
    ],
)
def test_a_bad_table_with_seeds_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidBenchmark, match=message):
        read_json(document(**changes))


def test_every_built_in_benchmark_is_of_a_built_in_space() -> None:
    for name, (space, table) in builtin().items():
        assert space in catalogue(), name
        assert table.entries, name
