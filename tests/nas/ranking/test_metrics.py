import csv
import math
import time

import numpy as np
import pytest
from scipy import stats

from nas.errors import ScoreUndefined
from nas.ranking.metrics import _weighted_taus, kendall_tau, rank_correlation
from nas.spaces import catalogue


def test_tau_is_minus_one_for_reversed_order() -> None:
    assert rank_correlation([1, 2, 3], [3, 2, 1], seed=0).tau == -1.0


def test_a_worked_example_with_ties() -> None:
    # Pairs: 4 concordant, (2,3) tied in score, (3,4) tied in truth: tau-b = 4 / sqrt(5 * 5).
    result = rank_correlation([1, 2, 2, 3], [10, 20, 30, 30], seed=0)
    assert result.tau == pytest.approx(0.8)
    # Mean ranks 1, 2.5, 2.5, 4 and 1, 2, 3.5, 3.5: covariance 3.75 over variances 4.5 and 4.5.
    assert result.spearman == pytest.approx(3.75 / 4.5)
    assert result.num_architectures == 4
    assert result.num_ties == 2
    # Median truth 25: the top half are two architectures of equal truth.
    assert result.top_half_tau is None


def test_a_pair_tied_in_score_and_truth_is_one_tie() -> None:
    result = rank_correlation([1, 1, 2], [5, 5, 6], seed=0)
    assert result.num_ties == 1
    assert result.tau == pytest.approx(1)


def test_the_top_half_is_chosen_by_ground_truth() -> None:
    # Truth at least the median 3.5: the last three, whose scores 9, 2, 5 give one concordant and
    # two discordant pairs.
    result = rank_correlation([1, 3, 4, 9, 2, 5], [1, 2, 3, 4, 5, 6], seed=0)
    assert result.top_half_tau == pytest.approx((1 - 2) / 3)


def test_the_middle_of_an_odd_number_belongs_to_the_top_half() -> None:
    result = rank_correlation([9, 1, 2], [1, 2, 3], seed=0)
    assert result.top_half_tau == 1.0


@pytest.mark.parametrize(
    ("scores", "truth", "num_ties"),
    [([], [], 0), ([1.0], [2.0], 0), ([1, 1, 1], [1, 2, 3], 3), ([1, 2, 3], [7, 7, 7], 3)],
)
def test_what_is_undefined_is_none(scores, truth, num_ties) -> None:
    result = rank_correlation(scores, truth, seed=0)
    assert (result.tau, result.tau_low, result.tau_high) == (None, None, None)
    assert (result.spearman, result.top_half_tau) == (None, None)
    assert result.num_architectures == len(scores)
    assert result.num_ties == num_ties


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_by_position(bad: float) -> None:
    with pytest.raises(ScoreUndefined, match="score 1 is"):
        rank_correlation([1, bad, 3], [1, 2, 3], seed=0)
    with pytest.raises(ScoreUndefined, match="truth 2 is"):
        rank_correlation([1, 2, 3], [1, 2, bad], seed=0)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        rank_correlation([1, 2], [1, 2, 3], seed=0)


def test_weighted_tau_equals_scipys_tau_of_the_repeated_architectures() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(8, size=30).astype(float)
    truth = rng.integers(8, size=30).astype(float)
    weights = rng.multinomial(30, np.full(30, 1 / 30), size=50)
    expected = [
        kendall_tau(np.repeat(scores, drawn), np.repeat(truth, drawn)) for drawn in weights
    ]
    np.testing.assert_allclose(_weighted_taus(scores, truth, weights), expected, atol=1e-12)


def test_a_resample_of_one_architecture_alone_is_left_out() -> None:
    weights = np.array([[2, 0], [1, 1]])
    assert list(_weighted_taus(np.array([1.0, 2.0]), np.array([1.0, 2.0]), weights)) == [1.0]


@pytest.mark.parametrize("num_architectures", [60, 1200])
def test_the_interval_is_repeatable_and_as_wide_as_theory(num_architectures: int) -> None:
    # Both ways of computing it, below and above the size of the pair matrix. For bivariate normal
    # data tau is 2/pi asin(rho); with rho = 0.707 that is 0.5.
    rng = np.random.default_rng(1)
    x = rng.normal(size=num_architectures)
    y = x + rng.normal(size=num_architectures)
    result = rank_correlation(list(x), list(y), seed=3)
    assert result == rank_correlation(list(x), list(y), seed=3)
    assert result.tau_low < 0.5 < result.tau_high
    assert result.tau_low < result.tau < result.tau_high
    # Standard error of tau by the variance of the concordance projections (Hoeffding).
    concordance = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    projections = concordance.sum(axis=1) / (num_architectures - 1)
    error = 2 * projections.std() / math.sqrt(num_architectures)
    width = result.tau_high - result.tau_low
    assert width == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_both_ways_to_bootstrap_give_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(40, size=150).astype(float)
    y = x + rng.integers(40, size=150)
    by_matrix = rank_correlation(x, y, seed=0, num_bootstrap=4000)
    monkeypatch.setattr("nas.ranking.metrics.MAX_PAIR_MATRIX", 0)
    by_scipy = rank_correlation(x, y, seed=0, num_bootstrap=4000)
    assert by_scipy.tau_low == pytest.approx(by_matrix.tau_low, abs=0.01)
    assert by_scipy.tau_high == pytest.approx(by_matrix.tau_high, abs=0.01)


def test_a_thousand_architectures_take_less_than_two_seconds() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    start = time.process_time()
    rank_correlation(x, x + rng.normal(size=1000), seed=0)
    assert time.process_time() - start < 2


def test_methods_2_11_8_tau_of_the_count_against_nas_bench_201(shared_data) -> None:
    space = catalogue()["nas-bench-201"]
    with (shared_data / "nas-bench-201-cifar10-test.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    counts = [space.nonlinearity_count(space.decode(row["architecture"])) for row in rows]
    accuracy = [float(row["accuracy"]) for row in rows]
    assert len(rows) == 15_625
    tau = kendall_tau(np.array(counts, dtype=float), np.array(accuracy))
    assert tau == pytest.approx(0.565, abs=0.001)
    assert tau == stats.kendalltau(counts, accuracy).statistic
