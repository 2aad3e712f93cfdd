from pathlib import Path

import pytest

from nas.benchmarks.checking import Value, checked_rows
from nas.benchmarks.formats import opened
from nas.errors import InvalidBenchmark
from nas.spaces import catalogue

DIGITS = catalogue()["digits-mini"]
SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|"
CONV = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
POOL = "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|"


@pytest.fixture
def checked(tmp_path: Path):
    def read(*lines: str):
        path = tmp_path / "table.csv"
        path.write_text("".join(f"{line}\n" for line in lines))
        with opened(path) as contents:
            return list(checked_rows(contents, DIGITS))

    return read


def refusal(checked, *lines: str) -> str:
    with pytest.raises(InvalidBenchmark) as refused:
        checked(*lines)
    return str(refused.value)


def test_a_missing_cell_is_no_error_and_a_row_without_any_is_left_out(checked):
    rows = checked("architecture,accuracy,flops", f"{SKIP},,3", f"{CONV},90,", f"{POOL},,")
    assert [(row.architecture, row.values) for row in rows] == [
        (SKIP, (None, Value(3.0))),
        (CONV, (Value(90.0), None)),
    ]


def test_accuracies_that_all_look_like_fractions_are_asked_about(checked):
    said = refusal(checked, "architecture,accuracy", f"{SKIP},0.5", f"{CONV},0.9")
    assert "no accuracy is above 1 (line 2: 0.5)" in said
    assert "'accuracy [fraction]'" in said


def test_percent_mixed_with_fractions_is_refused_with_both_lines(checked):
    said = refusal(checked, "architecture,accuracy", f"{SKIP},70", f"{CONV},0", f"{POOL},0.9")
    assert said.startswith("line 4: accuracy 0.9 looks like a fraction, and line 2: 70")


def test_a_declared_unit_is_believed(checked):
    rows = checked("architecture,accuracy [percent]", f"{SKIP},0.83", f"{CONV},73")
    assert [row.values[0].mean for row in rows] == [0.83, 73.0]
    rows = checked("architecture,accuracy [fraction]", f"{SKIP},0.9437", f"{CONV},1")
    assert [row.values[0].mean for row in rows] == [94.37, 100.0]


@pytest.mark.parametrize(
    ("header", "value", "said"),
    [
        ("accuracy [fraction]", "94.4", "line 2: accuracy 94.4 is no finite number of 0 to 1 (fr"),
        ("accuracy", "100.5", "line 2: accuracy 100.5 is no finite number of 0 to 100 (percent)"),
        ("accuracy", "-1", "line 2: accuracy -1.0"),
        ("x/flops", "-1", "line 2: x/flops -1.0 is no finite number of 0 to inf"),
        ("latency [s]", "1e999", "line 2: latency inf"),
        ("loss", "nan", "line 2: 'nan' is no number; leave the cell empty"),
        ("accuracy", "1_0", "line 2: '1_0' is no number"),
        # Digits of another script.
        ("accuracy", "\uff11\uff10", "line 2: '\uff11\uff10' is no number"),
    ],
)
def test_a_value_out_of_bounds_is_refused(header: str, value: str, said: str, checked):
    assert refusal(checked, f"architecture,{header}", f"{SKIP},{value}").startswith(said)


def test_a_loss_may_be_negative(checked):
    (row,) = checked("architecture,loss", f"{SKIP},-0.5")
    assert row.values == (Value(-0.5),)


def test_a_table_that_knows_nothing_is_refused(checked):
    assert "no result of any" in refusal(checked, "architecture,accuracy", f"{SKIP},")


def test_an_architecture_of_another_space_is_refused_with_the_line(checked):
    said = refusal(checked, "architecture,flops", f"{SKIP},1", "|x~0|,2")
    assert said.startswith("line 3: '|x~0|' is no architecture of digits-mini")


def test_a_long_line_of_nonsense_is_not_repeated_whole(checked):
    assert len(refusal(checked, "architecture,flops", f"{'x' * 100_000},1")) < 1200
