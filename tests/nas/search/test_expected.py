"""What random search would have found."""

from itertools import combinations, product
from random import Random

import pytest

from nas.search.expected import random_search_truth

SCORES = [0.1, 0.9, 0.5, 0.7]
TRUTH = [60.0, 80.0, 90.0, 70.0]


def winners(draws):
    """True value of the best by score of each draw."""
    return [TRUTH[max(draw, key=lambda place: SCORES[place])] for draw in draws]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_without_replacement_the_mean_is_that_of_every_subset(number):
    (found,) = random_search_truth(SCORES, TRUTH, [number], is_whole_space=True)
    every = winners(combinations(range(4), number))
    assert found.mean == pytest.approx(sum(every) / len(every))
    assert (found.low, found.high) == (min(every), max(every))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_with_replacement_the_mean_is_that_of_every_sequence(number):
    (found,) = random_search_truth(SCORES, TRUTH, [number], is_whole_space=False)
    every = winners(product(range(4), repeat=number))
    assert found.mean == pytest.approx(sum(every) / len(every))


def test_a_search_of_everything_finds_the_best_by_score_for_certain():
    for number in (4, 9):
        (found,) = random_search_truth(SCORES, TRUTH, [number], is_whole_space=True)
        assert found.mean == pytest.approx(80)
        assert (found.low, found.high) == (80, 80)


def test_nine_of_ten_random_searches_end_inside_the_band():
    rng = Random(0)
    scores = [rng.random() for _ in range(300)]
    truth = [score + rng.gauss(0, 0.3) for score in scores]
    (found,) = random_search_truth(scores, truth, [40], is_whole_space=True)
    ends = [
        truth[max(rng.sample(range(300), 40), key=lambda place: scores[place])]
        for _ in range(4000)
    ]
    assert sum(ends) / len(ends) == pytest.approx(found.mean, abs=0.02)
    inside = sum(found.low <= end <= found.high for end in ends) / len(ends)
    # Both ends belong to it, and each of them is the end of some searches.
    assert 0.88 < inside < 0.96
