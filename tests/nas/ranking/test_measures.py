from typing import get_args

import numpy as np
import pytest

from nas.ranking.measures import MEASURES, MeasureName, Part, bins, tied_pairs


def test_every_name_of_a_measure_is_defined_in_the_order_of_the_names() -> None:
    assert tuple(MEASURES) == get_args(MeasureName)


def test_a_share_is_rounded_up_in_whole_numbers() -> None:
    # 0.01 * 700 is a little more than 7 in binary arithmetic.
    assert [Part("", 1).size(number) for number in (1, 100, 101, 700)] == [1, 1, 2, 7]
    assert [Part("", 50).size(number) for number in (4, 5)] == [2, 3]


def test_a_part_has_all_that_tie_with_its_last() -> None:
    truth = np.array([3.0, 1, 2, 2, 2, 4])
    assert list(truth[Part("", 50).of(truth)]) == [3, 2, 2, 2, 4]
    assert list(truth[Part("", 50, from_top=False).of(truth)]) == [1, 2, 2, 2]
    assert len(Part("", 50).of(np.array([]))) == 0


@pytest.mark.parametrize(("truth", "found"), [(91.1, 911), (91.2, 912), (0.3, 3), (91.19, 911)])
def test_a_bound_between_bins_belongs_to_the_upper_one(truth: float, found: int) -> None:
    assert bins(np.array([truth]), 0.1)[0] == found


def test_tied_pairs_are_counted_per_group() -> None:
    # Three alike are three pairs, two alike are one.
    assert tied_pairs(np.array([1.0, 1, 1, 2, 2, 3])) == 4
