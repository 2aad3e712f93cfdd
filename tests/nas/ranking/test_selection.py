import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.ranking.metrics import rank_correlation
from nas.ranking.selection import precision_at, surpassing_random
from tests.nas.ranking import by_hand

TIED = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=6)


def test_precision_is_the_share_of_the_chosen_that_are_among_the_best() -> None:
    scores, truth = np.array([5.0, 4, 3, 2, 1]), np.array([50.0, 10, 40, 20, 30])
    assert [precision_at(scores, truth, k) for k in (1, 2, 3, 5)] == [
        1.0,
        0.5,  # the best two by truth are the first and the third
        pytest.approx(2 / 3),
        1.0,
    ]


def test_whatever_is_as_good_as_the_last_of_the_best_is_among_them() -> None:
    assert precision_at(np.array([3.0, 1, 2]), np.array([7.0, 7, 1]), 1) == 1.0


def test_a_tie_at_the_last_place_counts_every_way_to_break_it_alike() -> None:
    # The second of the two best by score is one of three, of which one is among the best two.
    scores, truth = np.array([9.0, 5, 5, 5]), np.array([9.0, 8, 1, 2])
    assert precision_at(scores, truth, 2) == pytest.approx((1 + 1 / 3) / 2)


@settings(deadline=None)
@given(TIED, st.data())
def test_precision_is_the_mean_over_all_orders_of_the_tied(pairs, data) -> None:
    scores, truth = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    k = data.draw(st.integers(1, len(pairs)))
    found = precision_at(np.array(scores), np.array(truth), k)
    assert found == pytest.approx(by_hand.precision(scores, truth, k))


def test_k_is_a_percentage_rounded_up() -> None:
    rng = np.random.default_rng(0)
    result = rank_correlation(
        list(rng.normal(size=151)), list(rng.normal(size=151)), seed=0, num_bootstrap=0
    )
    chosen = [
        result.measures[f"precision-at-{share}-percent"].num_architectures for share in (1, 10)
    ]
    assert chosen == [2, 16]


def test_the_best_by_prediction_is_ranked_in_the_whole_benchmark() -> None:
    result = rank_correlation(
        [1, 3, 2], [93, 91, 90], seed=0, benchmark=[95, 94, 93, 92, 91, 91, 90, 80]
    )
    best = result.best
    # 95, 94, 93 and 92 are better; the other 91 shares the rank.
    assert (best.index, best.truth, best.rank, best.num_ranked) == (1, 91, 5, 8)
    assert best.num_tied == 1


def test_regret_is_to_the_best_of_the_pool_and_of_the_benchmark() -> None:
    result = rank_correlation([1, 3, 2], [93, 91, 90], seed=0, benchmark=[95, 93, 91, 90])
    assert result.measures["pool-regret"].value == 2
    assert result.measures["benchmark-regret"].value == 4


def test_choosing_the_best_leaves_no_regret() -> None:
    result = rank_correlation([1, 3, 2], [90, 93, 91], seed=0)
    assert result.measures["pool-regret"].value == 0
    assert result.measures["benchmark-regret"].value == 0
    assert (result.best.rank, result.best.num_ranked) == (1, 3)


def test_of_several_with_the_highest_score_the_first_is_taken_and_the_tie_told() -> None:
    result = rank_correlation([1, 3, 3, 3], [90, 91, 95, 80], seed=0)
    assert (result.best.index, result.best.num_tied) == (1, 3)
    assert result.measures["pool-regret"].value == 4


def test_methods_4_3_surpassing_random_is_certain_for_the_best_and_falls_with_the_draws() -> None:
    assert surpassing_random(1, 100, 10) == 1
    chances = [surpassing_random(26, 100, draws) for draws in (1, 2, 3)]
    assert chances == pytest.approx([0.75, 0.5625, 0.421875])


def test_surpassing_random_is_the_share_of_draws_that_are_no_better() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([95.0, 93, 93, 91, 90, 88])
    draws = rng.choice(truth, size=(20_000, 10))
    # Rank 2 of 6: the three that are worse, and the two that are as good, are no better.
    measured = float((draws.max(axis=1) <= 93).mean())
    assert surpassing_random(2, 6, 10) == pytest.approx(measured, abs=0.01)
    result = rank_correlation([1, 9, 2], [95, 93, 93], seed=0, benchmark=list(truth))
    assert result.measures["surpassing-random"].value == pytest.approx((5 / 6) ** 10)
