import pytest

from frontend.figures.balance import (
    operation_balance,
    prepare_operations,
    training_balance,
    updates_over_steps,
)
from frontend.figures.style import is_empty
from tests.frontend import made


def trace(drawn, name):
    return next(trace for trace in drawn.data if trace.name == name)


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


def test_a_sampler_without_a_target_gets_no_marks():
    parts = made.subspaces(1, 1, targets=())
    rows = [made.balance(0, 60, samples=90), made.balance(1, 40, samples=70)]
    drawn = training_balance(made.run(), subspaces=parts, balance=rows)
    assert [trace.name for trace in drawn.data] == ["own updates"]
    assert trace(drawn, "own updates").text[0] == "60 · 60.0%"
    caption = drawn.layout.title.subtitle.text
    assert caption == (
        "n = 100 own updates · 160 architectures · normalised entropy 0.971 (even = 1) · no target"
    )
    over = updates_over_steps(made.run(), subspaces=parts, balance_history=rows)
    assert [trace.name for trace in over.data] == ["count 0", "count 1"]
    assert "no target" in over.layout.title.subtitle.text


def test_the_balance_of_one_supernet_is_said_to_be_undefined():
    drawn = training_balance(
        made.run(), subspaces=made.subspaces(1), balance=[made.balance(0, 60)]
    )
    assert "normalised entropy undefined: one supernet" in drawn.layout.title.subtitle.text


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


def test_the_heat_map_tells_what_the_sampler_aims_at():
    rows = [made.balance(0, 4, operations=[{"a": 1, "b": 3}])]
    aimed = made.subspaces(1, operations=[{"a": 0.5, "b": 0.5}])
    (drawn,) = operation_balance(made.run(), subspaces=aimed, balance=rows).data
    assert list(drawn.customdata[0]) == ["<br>target of the sampler: 50.0%"] * 2
    aimless = operation_balance(made.run(), subspaces=made.subspaces(1), balance=rows)
    assert list(aimless.data[0].customdata[0]) == ["", ""]
    assert aimless.layout.title.subtitle.text.endswith("no target")


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
