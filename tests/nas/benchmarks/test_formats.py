"""Every format says the same of the same table."""

import json
from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from nas.benchmarks.checking import Value, checked_rows
from nas.benchmarks.columns import Column
from nas.benchmarks.formats import opened
from nas.benchmarks.formats.lines import MAX_LINE
from nas.errors import InvalidBenchmark
from nas.spaces import catalogue

DIGITS = catalogue()["digits-mini"]
SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|"
CONV = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
HEADER = {
    "columns": [
        {"metric": "accuracy", "dataset": "a", "unit": "percent", "seeds": [3, 5]},
        {"metric": "accuracy", "dataset": "b", "unit": "fraction"},
        {"metric": "flops", "unit": "M"},
        {"metric": "latency", "dataset": "a"},
    ]
}
ROWS = {SKIP: [[50.0, 70.0], 0.25, 1.5, None], CONV: [[90.0, None], None, 2.0, 0.5]}


def as_csv(path: Path) -> None:
    path.write_text(
        "architecture,a/accuracy/seed3 [percent],b/accuracy [fraction],flops [M],a/latency,"
        "a/accuracy/seed5 [percent]\n"
        f"{SKIP},50,0.25,1.5,,70\n\n{CONV},90,,2,.5,\n"
    )


def as_json(path: Path) -> None:
    path.write_text(json.dumps({**HEADER, "entries": ROWS}, indent=1))


def as_short_json(path: Path) -> None:
    path.write_text(json.dumps({**HEADER, "entries": ROWS}))


def as_json_lines(path: Path) -> None:
    rows = [{"architecture": code, "values": values} for code, values in ROWS.items()]
    path.write_text("\n".join(map(json.dumps, [HEADER, *rows])))


def as_parquet(path: Path) -> None:
    columns = {
        "architecture": [SKIP, CONV],
        "a/accuracy/seed3 [percent]": [50.0, 90.0],
        "a/accuracy/seed5 [percent]": [70.0, None],
        "b/accuracy [fraction]": [0.25, None],
        "flops [M]": [1.5, 2.0],
        "a/latency": [None, 0.5],
    }
    parquet.write_table(arrow.table(columns), path, row_group_size=1)


@pytest.mark.parametrize("write", [as_csv, as_json, as_short_json, as_json_lines, as_parquet])
def test_columns_seeds_units_and_missing_cells_are_read(write, tmp_path: Path):
    write(tmp_path / "table")
    with opened(tmp_path / "table") as contents:
        columns = contents.header.columns
        rows = {row.architecture: row for row in checked_rows(contents, DIGITS)}
    assert columns == (
        Column("accuracy", "a", "percent", (3, 5)),
        Column("accuracy", "b", "fraction"),
        Column("flops", None, "M"),
        Column("latency", "a"),
    )
    assert rows[SKIP].values == (Value(60.0, (50.0, 70.0)), Value(25.0), Value(1.5e6), None)
    assert rows[CONV].values == (Value(90.0, (90.0, None)), None, Value(2e6), Value(0.5))
    assert (rows[CONV].valid, rows[CONV].count) == (True, 2)


def refusal(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "table"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidBenchmark) as refused, opened(path) as contents:
        list(checked_rows(contents, DIGITS))
    return str(refused.value)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("accuracy,flops", "line 1: one column 'architecture'"),
        ("architecture,architecture,accuracy", "line 1: one column 'architecture'"),
        ("architecture", "line 1: the table has no column of results"),
        ("architecture,top1", "unknown metric 'top1'; known: accuracy, loss, flops"),
        ("architecture,a/b/accuracy", "is not named dataset/metric"),
        ("architecture,-x/accuracy", "'-x' is no name of a dataset"),
        ("architecture,latency [days]", "latency has no unit 'days'; known: ms, s, us"),
        ("architecture,accuracy,accuracy", "accuracy is there already"),
        ("architecture,accuracy,accuracy/seed0", "once, or once per seed"),
        ("architecture,accuracy/seed0,accuracy/seed0", "once, or once per seed"),
        ("architecture,accuracy/seed0 [percent],accuracy/seed1", "differ in their unit"),
        (",".join(["architecture", *(f"d{i}/loss" for i in range(101))]), "101 columns"),
    ],
)
def test_a_bad_header_is_refused(header: str, said: str, tmp_path: Path):
    assert said in refusal(tmp_path, f"{header}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "document: is not JSON"),
        ('{"columns": [],\n "entries": {}}', "no column of results"),
        ('{"columns": [{"metric": "accuracy"}],\n "entries": []}', "'entries' is needed"),
        ('{"columns": [{"metric": "flops"}], "entries": {"x": 1}}', "entry 1: a list of 1"),
        (
            '{"columns": [{"metric": "flops"}], "entries": {"x": ["1"]}}',
            "entry 1: '1' is no number",
        ),
        ('{"columns": [{"metric": "flops"}], "entries": {"x": [true]}}', "entry 1: 'True' is no"),
        ('{"columns": [{"metric": "flops"}], "entries": {"x": [NaN]}}', "NaN is no number"),
        (
            '{"columns": [{"metric": "flops"}], "entries": {"x": [1], "y": [1], "x": [2]}}',
            "'x' is there twice, as entries 1 and 3",
        ),
        ('{"columns": [{"metric": "flops", "odd": 1}],\n "entries": {}}', "columns.0.odd"),
        (
            '{"columns": [{"metric": "accuracy"}], "truth": "b/accuracy", "entries": {}}',
            "known: accuracy",
        ),
        (
            '{"columns": [{"metric": "flops"}]}\n{"architecture": "x"}',
            "line 2: 'architecture' and",
        ),
        ('{"columns": [{"metric": "flops"}]}\n[]', "line 2: an object is needed"),
        ('{"columns": [{"metric": "flops"}]}\n\n{', "line 3: is not JSON"),
        ("PAR1 but no more", "not a Parquet file"),
    ],
)
def test_a_bad_document_is_refused_with_the_place(text: str, said: str, tmp_path: Path):
    assert said in refusal(tmp_path, text)


def test_what_is_no_text_is_refused_with_the_line(tmp_path: Path):
    assert refusal(tmp_path, b"architecture,accuracy\n\xff\xfe,1\n").startswith(
        "line 2: is not UTF"
    )


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path):
    text = "architecture,accuracy\n" + "x" * (MAX_LINE + 1)
    assert refusal(tmp_path, text) == f"line 2: longer than {MAX_LINE} bytes"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"architecture": [1], "accuracy": [1.0]}, "'architecture' holds int64, where text is"),
        ({"architecture": ["x"], "accuracy": ["1"]}, "'accuracy' holds string, where numbers are"),
        ({"architecture": [SKIP], "accuracy": [True]}, "'accuracy' holds bool, where numbers are"),
        ({"architecture": [SKIP, None], "accuracy": [80.0, 1.0]}, "row 2: no architecture"),
        ({"architecture": [SKIP], "accuracy": [float("nan")]}, "row 1: accuracy nan"),
    ],
)
def test_a_bad_parquet_table_is_refused(columns: dict, said: str, tmp_path: Path):
    parquet.write_table(arrow.table(columns), tmp_path / "made")
    assert said in refusal(tmp_path, (tmp_path / "made").read_bytes())


def test_text_and_numbers_of_every_kind_are_read_from_parquet(tmp_path: Path):
    # Categories, views, decimals, and a column of nulls, which has no kind of its own.
    columns = {
        "accuracy": arrow.array([50, 90], arrow.decimal128(5, 2)),
        "loss": arrow.array([1.5, None], arrow.float32()),
        "flops": arrow.nulls(2),
    }
    for codes in (
        arrow.array([SKIP, CONV]).dictionary_encode(),
        arrow.array([SKIP, CONV], arrow.large_string()),
        arrow.array([SKIP, CONV], arrow.string_view()),
    ):
        parquet.write_table(arrow.table({"architecture": codes, **columns}), tmp_path / "made")
        with opened(tmp_path / "made") as contents:
            rows = {row.architecture: row.values for row in checked_rows(contents, DIGITS)}
        assert rows == {
            SKIP: (Value(50.0), Value(1.5), None),
            CONV: (Value(90.0), None, None),
        }


def test_a_damaged_parquet_table_is_refused(tmp_path: Path):
    rows = {"architecture": [SKIP] * 500, "accuracy": [float(i) for i in range(500)]}
    parquet.write_table(arrow.table(rows), tmp_path / "made", compression="zstd")
    content = bytearray((tmp_path / "made").read_bytes())
    content[40:400] = bytes(360)
    assert "Parquet" in refusal(tmp_path, bytes(content)) or "damaged" in refusal(
        tmp_path, bytes(content)
    )
