import math

import pytest

from frontend.figures.balance import (
    newest,
    normalised_entropy,
    operation_balance,
    prepare_balance,
    prepare_operations,
    training_balance,
    updates_over_steps,
)
from frontend.figures.style import is_empty
from tests.frontend import made


def trace(drawn, name):
    return next(trace for trace in drawn.data if trace.name == name)


def test_entropy_is_one_for_equal_shares_and_zero_if_one_supernet_has_all():
    assert normalised_entropy([0.25] * 4) == pytest.approx(1)
    assert normalised_entropy([1.0, 0.0, 0.0]) == 0
    # 3/4 and 1/4: (3/4 log2(4/3) + 1/4 * 2) bits of 1.
    assert normalised_entropy([0.75, 0.25]) == pytest.approx(0.75 * math.log2(4 / 3) + 0.5)


def test_one_supernet_has_no_entropy():
    assert normalised_entropy([1.0]) is None


def test_only_the_newest_row_of_a_unit_and_subspace_counts():
    rows = [made.balance(0, 3, step=30), made.balance(0, 1, step=10), made.balance(1, 2, step=20)]
    assert [(row.subspace, row.updates) for row in newest(rows)] == [(0, 3), (1, 2)]


def test_the_warm_up_is_counted_apart_from_own_updates():
    rows = [
        made.balance(0, 10, phase="warm-up"),
        made.balance(1, 30, phase="warm-up"),
        made.balance(0, 6),
        made.balance(1, 2),
    ]
    found = prepare_balance(made.subspaces(1, 1), rows)
    assert [(bar.updates, bar.warm_up_updates) for bar in found.bars] == [(6, 10), (2, 30)]
    assert [bar.share for bar in found.bars] == [0.75, 0.25]


def test_before_the_first_own_update_there_is_no_entropy():
    rows = [made.balance(0, 10, phase="warm-up")]
    assert prepare_balance(made.subspaces(1, 1), rows).entropy is None


def test_the_figure_shows_updates_against_the_samplers_target():
    drawn = training_balance(
        made.run(),
        subspaces=made.subspaces(1, 1, targets=[0.9, 0.1]),
        balance=[made.balance(0, 60), made.balance(1, 40)],
    )
    assert list(trace(drawn, "own updates").x) == [60, 40]
    assert list(trace(drawn, "target").x) == [90, 10]
    assert trace(drawn, "own updates").text[0] == "60 · 60.0% (target 90.0%)"
    assert "normalised entropy 0.971 (even = 1) · target 0.469" in drawn.layout.title.subtitle.text


def test_without_a_warm_up_its_bars_are_absent():
    drawn = training_balance(
        made.run(), subspaces=made.subspaces(1, 1), balance=[made.balance(0, 1)]
    )
    assert [trace.name for trace in drawn.data] == ["own updates", "target"]


def test_updates_of_one_supernet_with_weight_banks_are_told_by_sub_space():
    banked = made.spec(supernet={"routing": "accumulated"}, training={"steps": 1000})
    run = made.run(spec=banked)
    rows = [made.balance(0, 60, unit="train"), made.balance(1, 40, unit="train")]
    parts = made.subspaces(1, 1)
    drawn = training_balance(run, subspaces=parts, balance=rows)
    assert list(trace(drawn, "updates").x) == [60, 40]
    assert "n = 100 updates ·" in drawn.layout.title.subtitle.text
    assert "of its architectures" in trace(drawn, "updates").hovertemplate
    over = updates_over_steps(run, subspaces=parts, balance_history=rows)
    assert over.layout.title.subtitle.text.startswith("updates per sub-space, step 100 of 1,000")


def test_updates_over_steps_end_at_the_target_of_the_last_step():
    rows = [
        made.balance(0, 5, step=410),
        made.balance(0, 9, step=420),
        made.balance(1, 1, step=410),
    ]
    drawn = updates_over_steps(made.run(), subspaces=made.subspaces(1, 1), balance_history=rows)
    assert list(trace(drawn, "count 0").x) == [410, 420]
    assert list(trace(drawn, "count 0").y) == [5, 9]
    # One point is a marker, for a line through it would be invisible.
    assert trace(drawn, "count 1").mode == "lines+markers"
    target = trace(drawn, "count 0, target")
    assert (list(target.x), list(target.y)) == ([400, 1000], [0, 300])


def test_operation_shares_sum_warm_up_and_own_steps_per_decision():
    rows = [
        made.balance(0, 4, phase="warm-up", operations=[{"a": 3, "b": 1}, {"a": 0, "b": 4}]),
        made.balance(0, 4, operations=[{"a": 1, "b": 3}, {"a": 4, "b": 0}]),
    ]
    shares = prepare_operations(made.subspaces(1, 1), rows)
    assert shares == {0: [{"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5}]}


def test_the_heat_map_has_a_column_per_trained_subspace():
    rows = [
        made.balance(0, 4, operations=[{"a": 1, "b": 3}]),
        made.balance(1, 2, operations=[{"a": 2, "b": 0}]),
    ]
    drawn = operation_balance(made.run(), subspaces=made.subspaces(1, 1), balance=rows)
    assert [list(trace.z[0]) for trace in drawn.data] == [[25.0, 75.0], [100.0, 0.0]]
    assert [annotation.text for annotation in drawn.layout.annotations] == ["count 0", "count 1"]


@pytest.mark.parametrize(
    ("draw", "rows"),
    [
        (training_balance, "balance"),
        (updates_over_steps, "balance_history"),
        (operation_balance, "balance"),
    ],
)
def test_without_an_update_the_figure_says_so(draw, rows):
    drawn = draw(made.run(), subspaces=made.subspaces(1, 1), **{rows: []})
    assert is_empty(drawn)
    assert drawn.layout.annotations[0].text
