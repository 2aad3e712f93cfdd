"""Places in a reference sample, worked by hand, and what does not change them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from nas.ranking.places import log_rank_sum, mid_ranks, normal_quantiles

REFERENCE = np.array([10.0, 20.0, 20.0, 40.0])
UNIT_WEIGHTS = (1.0, 1.0)

# Steps of a quarter keep their order under every monotone map below: none of them merges two.
STEPS = st.integers(-40, 40).map(lambda step: step / 4)
MONOTONE = [np.exp, np.cbrt, lambda x: 3 * x - 5, lambda x: x**3 + x, np.arctan]


@pytest.mark.parametrize(
    ("value", "rank"),
    [(5, 0.5), (10, 1), (15, 1.5), (20, 2.5), (30, 3.5), (40, 4), (50, 4.5)],
)
def test_a_rank_counts_what_is_lower_and_half_of_what_is_equal(value: float, rank: float) -> None:
    assert mid_ranks(np.array([float(value)]), REFERENCE).tolist() == [rank]


def test_a_reference_value_has_the_average_rank_that_scipy_gives_it() -> None:
    values = np.random.default_rng(0).integers(0, 12, 50).astype(float)
    assert mid_ranks(values, values).tolist() == rankdata(values).tolist()


def test_the_sum_of_a_small_example_is_that_worked_by_hand() -> None:
    reference = np.array([[1.0, 9.0], [2.0, 8.0], [3.0, 7.0], [4.0, 6.0]])
    scores = np.array([[4.0, 6.0], [2.5, 7.5], [0.0, 10.0]])
    expected = [
        math.log(4 / 4) + math.log(1 / 4),
        math.log(2.5 / 4) + math.log(2.5 / 4),
        math.log(0.5 / 4) + math.log(4.5 / 4),
    ]
    found = log_rank_sum(scores, reference, UNIT_WEIGHTS)
    assert found.tolist() == pytest.approx(expected, rel=1e-14)
    # To be fair by both is better than to be the best by one and the worst by the other.
    assert found[1] > found[0] > found[2]
    weighted = log_rank_sum(scores, reference, (2.0, 0.5))
    assert weighted[1] == pytest.approx(2.5 * math.log(2.5 / 4))


def test_the_last_place_by_one_outweighs_the_first_by_another() -> None:
    number = 1000
    reference = np.stack([np.arange(number), np.arange(number)], axis=1).astype(float)
    extreme, middling = (number - 1.0, 0.0), (number * 0.1, number * 0.1)
    found = log_rank_sum(np.array([extreme, middling]), reference, UNIT_WEIGHTS)
    assert found[0] == pytest.approx(-math.log(number))
    # Even the best tenth-from-below by both, for 2 log 10 < log 1000.
    assert found[1] > found[0]


def samples(columns: int) -> st.SearchStrategy[np.ndarray]:
    rows = st.lists(st.tuples(*[STEPS] * columns), min_size=1, max_size=30)
    return rows.map(lambda found: np.array(found, dtype=float))


@given(samples(2), samples(2), st.sampled_from(MONOTONE), st.sampled_from(MONOTONE))
def test_no_monotone_change_of_a_scorer_moves_a_place(reference, scores, first, second) -> None:
    def changed(values):
        return np.stack([first(values[:, 0]), second(values[:, 1])], axis=1)

    for place in (lambda s, r: log_rank_sum(s, r, UNIT_WEIGHTS), normal_quantiles):
        found, moved = place(scores, reference), place(changed(scores), changed(reference))
        assert found.tobytes() == moved.tobytes()
        assert np.isfinite(found).all()


@given(samples(3), samples(3))
def test_a_score_does_not_depend_on_what_is_scored_beside_it(reference, scores) -> None:
    weights = (1.0, 0.3, 2.0)
    together = log_rank_sum(scores, reference, weights)
    alone = [log_rank_sum(scores[i : i + 1], reference, weights)[0] for i in range(len(scores))]
    shuffled = log_rank_sum(scores, reference[::-1], weights)
    assert together.tolist() == alone == shuffled.tolist()


def test_quantiles_are_those_of_the_normal_distribution() -> None:
    found = normal_quantiles(np.array([[5.0], [20.0]]), REFERENCE[:, None])
    assert found[:, 0].tolist() == pytest.approx([norm.ppf(0.5 / 5), norm.ppf(2.5 / 5)])
