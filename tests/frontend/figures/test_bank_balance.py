import pytest

from frontend.figures.bank_balance import NO_BANKS, bank_balance, prepare_banks
from frontend.figures.style import is_empty
from tests.frontend import made

BANKED = made.spec(
    supernet={"routing": "accumulated", "cells_per_stage": 2}, training={"steps": 1000}
)
ROWS = [
    made.balance(0, 9, step=10, unit="train", banks=[{"0": 9}, {"0": 9, "2": 0}]),
    made.balance(0, 30, step=50, unit="train", banks=[{"0": 30}, {"0": 30, "2": 0}]),
    made.balance(1, 10, step=50, unit="train", banks=[{"0": 10}, {"0": 0, "2": 10}]),
]


def test_updates_of_a_bank_are_summed_over_sub_spaces_and_their_newest_rows():
    found = prepare_banks(ROWS)
    assert [(part.cell, part.bank, part.updates, part.share) for part in found] == [
        (1, 0, 40, 1.0),
        (2, 0, 30, 0.75),
        (2, 2, 10, 0.25),
    ]
    assert [part.by_subspace for part in found] == [{0: 30, 1: 10}, {0: 30}, {1: 10}]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_map_is_blank_where_no_architecture_reads_a_bank(theme):
    drawn = bank_balance(
        made.run(spec=BANKED), subspaces=made.subspaces(3, 1), balance=ROWS, theme=theme
    )
    (heat,) = drawn.data
    assert (list(heat.x), list(heat.y)) == (["1", "2"], ["bank 0", "bank 2"])
    assert [list(row) for row in heat.z] == [[100.0, 75.0], [None, 25.0]]
    assert heat.customdata[0][0] == "40 updates<br>30 by count 0<br>10 by count 1"
    assert "n = 40 updates of 2 searched cells" in drawn.layout.title.subtitle.text


def test_numbers_are_left_out_where_they_would_not_fit():
    many = [made.balance(0, 1, unit="train", banks=[{"0": 1}] * 21)]
    run = made.run(spec=BANKED)
    assert bank_balance(run, subspaces=[], balance=many[:]).data[0].texttemplate == ""
    few = [made.balance(0, 1, unit="train", banks=[{"0": 1}] * 20)]
    assert bank_balance(run, subspaces=[], balance=few).data[0].texttemplate == "%{z:.0f}"


def test_before_the_first_update_the_figure_says_so():
    rows = [made.balance(0, 0, unit="train", banks=[{"0": 0}])]
    for balance in ([], rows):
        drawn = bank_balance(made.run(spec=BANKED), subspaces=[], balance=balance)
        assert is_empty(drawn)
        assert "No update has been made yet" in drawn.layout.annotations[0].text


def test_a_run_of_private_supernets_has_no_banks_and_the_figure_says_why():
    drawn = bank_balance(made.run(), subspaces=made.subspaces(1, 1), balance=[made.balance(0, 60)])
    assert is_empty(drawn)
    text = drawn.layout.annotations[0].text
    assert text.replace("<br>", " ") == NO_BANKS.replace("<br>", " ")
