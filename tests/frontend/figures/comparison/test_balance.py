import pytest

from frontend.figures.comparison.balance import training_balances
from frontend.figures.comparison.runs import ComparedRun
from frontend.figures.style import is_empty
from tests.frontend import made


def compared(place, own=(), targets=None, **changes):
    return ComparedRun(
        place,
        made.run(id=place + 1, name=f"run {place}", **changes),
        subspaces=made.subspaces(*([1] * len(own)), targets=targets) if own else (),
        balance=[made.balance(index, updates) for index, updates in enumerate(own)],
    )


def test_the_evenness_of_each_run_is_the_entropy_of_its_shares():
    drawn = training_balances(
        [
            compared(0, own=(50, 50)),
            compared(1, own=(75, 25), targets=[0.9, 0.1]),
            compared(2, own=(100,), num_subspaces=1),
            compared(3),
        ]
    )
    assert list(drawn.data[0].x) == [1.0]
    # -(3/4 log2 3/4 + 1/4 log2 1/4)
    assert list(drawn.data[1].x) == pytest.approx([0.8113], abs=1e-4)
    assert list(drawn.data[1].text) == ["0.811 · shares 25.0% to 75.0% · n = 100"]
    assert [list(trace.x) for trace in drawn.data[2:]] == [[], []]
    assert [(words.y, words.text) for words in drawn.layout.annotations] == [
        ("#3 run 2", "one supernet"),
        ("#4 run 3", "no own update yet"),
    ]
    assert drawn.layout.title.subtitle.text.startswith("n = 100 own updates")


def test_a_tick_shows_what_the_sampler_aims_at():
    drawn = training_balances(
        [compared(0, own=(50, 50)), compared(1, own=(75, 25), targets=[0.9, 0.1])]
    )
    assert [tick.x0 for tick in drawn.layout.shapes] == pytest.approx([1.0, 0.469], abs=1e-3)
    assert [tick.y0 for tick in drawn.layout.shapes] == pytest.approx([-0.4, 0.6])


def test_a_bar_fills_its_row_whatever_the_number_of_runs():
    drawn = training_balances([compared(place, own=(1, 1)) for place in range(9)])
    assert drawn.layout.barmode == "overlay"


def test_runs_without_two_supernets_have_no_balance_to_compare():
    drawn = training_balances([compared(0), compared(1, own=(5,), num_subspaces=1)])
    assert is_empty(drawn)
    assert "two supernets" in drawn.layout.annotations[0].text
