import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.ranking.pairs import Groups, PairPlan
from tests.nas.ranking import by_hand

SMALL = st.integers(0, 4).map(float)
WEIGHTED = st.lists(st.tuples(SMALL, SMALL, st.integers(0, 3)), min_size=1, max_size=20)


def columns(rows):
    return (np.array(column, dtype=float) for column in zip(*rows, strict=True))


def repeated(values, times):
    return list(np.repeat(values, times.astype(int)))


def test_groups_stand_in_ascending_order_with_all_their_members() -> None:
    groups = Groups.of(np.array([3.0, 1, 3, 2]))
    assert list(groups.group) == [2, 0, 2, 1]
    assert list(groups.starts) == [0, 1, 2]
    assert groups.sums(np.array([[1.0], [2], [4], [8]])).tolist() == [[2], [8], [5]]


@settings(deadline=None)
@given(WEIGHTED)
def test_tau_of_weights_is_that_of_the_repeated_architectures(rows) -> None:
    scores, truth, times = columns(rows)
    (found,) = PairPlan(scores, truth).tau(times[:, None])
    expected = by_hand.pairwise_tau(repeated(scores, times), repeated(truth, times))
    assert (None if np.isnan(found) else found) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(WEIGHTED)
def test_disagreement_sums_products_over_discordant_pairs(rows) -> None:
    scores, truth, times = columns(rows)
    other = np.arange(1.0, len(times) + 1)
    (found,) = PairPlan(scores, truth).disagreement(times[:, None], other[:, None])
    expected = sum(
        times[i] * other[j]
        for i in range(len(times))
        for j in range(len(times))
        if truth[j] > truth[i] and scores[j] < scores[i]
    )
    assert found == pytest.approx(expected, abs=1e-9)


def test_every_column_is_a_weighting_of_its_own() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=33), rng.normal(size=33)
    weights = rng.integers(4, size=(33, 5)).astype(float)
    plan = PairPlan(scores, truth)
    together = plan.tau(weights)
    alone = [plan.tau(weights[:, [column]])[0] for column in range(5)]
    np.testing.assert_allclose(together, alone, atol=1e-12)
