import csv
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nas.errors import ScoreUndefined
from nas.ranking.measures import MEASURES, PARTS
from nas.ranking.metrics import (
    default_resamples,
    kendall_tau,
    rank_correlation,
    sparse_tau,
)
from nas.spaces import catalogue
from tests.nas.ranking import by_hand

SMALL = st.integers(0, 4).map(float)
RANKED = st.lists(st.tuples(SMALL, SMALL), min_size=3, max_size=25).map(
    lambda pairs: ([pair[0] for pair in pairs], [pair[1] for pair in pairs])
)
"""Scores and truths with many ties."""


def values(scores, truth, **options):
    """The value of every measure, without the intervals."""
    result = rank_correlation(scores, truth, seed=0, num_bootstrap=0, **options)
    return {name: measure.value for name, measure in result.measures.items()}


def test_tau_is_minus_one_for_reversed_order() -> None:
    assert rank_correlation([1, 2, 3], [3, 2, 1], seed=0).tau.value == -1.0


def test_a_worked_example_with_ties() -> None:
    # Pairs: 4 concordant, (2,3) tied in score, (3,4) tied in truth: tau-b = 4 / sqrt(5 * 5).
    result = rank_correlation([1, 2, 2, 3], [10, 20, 30, 30], seed=0)
    assert result.tau.value == pytest.approx(0.8)
    # Mean ranks 1, 2.5, 2.5, 4 and 1, 2, 3.5, 3.5: covariance 3.75 over variances 4.5 and 4.5.
    assert result.measures["spearman"].value == pytest.approx(3.75 / 4.5)
    assert result.num_architectures == 4
    assert (result.score_ties, result.truth_ties) == (1, 1)


def test_weighted_tau_counts_pairs_by_the_ranks_of_their_truths() -> None:
    # Truth ranks 0, 1, 2 weigh 1, 1/2, 1/3. Scores swap the best two: that pair weighs 3/2, the
    # others 4/3 and 5/6.
    result = values([2, 3, 1], [30, 20, 10])
    assert result["weighted-tau"] == pytest.approx((4 / 3 + 5 / 6 - 3 / 2) / (11 / 3))


def test_weighted_tau_is_not_symmetric() -> None:
    forward, back = values([4, 1, 2, 3], [1, 2, 3, 4]), values([1, 2, 3, 4], [4, 1, 2, 3])
    assert forward["tau"] == back["tau"]
    assert forward["weighted-tau"] == pytest.approx(
        by_hand.weighted_tau([4, 1, 2, 3], [1, 2, 3, 4])
    )
    assert forward["weighted-tau"] != pytest.approx(back["weighted-tau"], abs=0.1)


@settings(deadline=None)
@given(RANKED)
def test_every_correlation_equals_the_sum_over_pairs(ranked) -> None:
    scores, truth = ranked
    found = values(scores, truth)
    expected = by_hand.pairwise_tau(scores, truth)
    if expected is None:
        assert set(found.values()) == {None}
        return
    assert found["tau"] == pytest.approx(expected, abs=1e-12)
    assert found["weighted-tau"] == pytest.approx(by_hand.weighted_tau(scores, truth), abs=1e-12)
    assert found["spearman"] == pytest.approx(by_hand.spearman(scores, truth), abs=1e-12)
    for name, part in PARTS.items():
        size = math.ceil(len(truth) * part.percent / 100)
        inside = by_hand.best_by_truth(truth, size, worst=not part.from_top)
        within = [scores[i] for i in inside], [truth[i] for i in inside]
        expected = by_hand.pairwise_tau(*within) if len(inside) >= 3 else None
        assert found[name] == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(RANKED, st.randoms(use_true_random=False))
def test_the_order_of_the_architectures_changes_no_correlation(ranked, random) -> None:
    pairs = list(zip(*ranked, strict=True))
    random.shuffle(pairs)
    shuffled = rank_correlation(
        [pair[0] for pair in pairs], [pair[1] for pair in pairs], seed=3, num_bootstrap=20
    )
    first = rank_correlation(*ranked, seed=3, num_bootstrap=20)
    for name, definition in MEASURES.items():
        if not definition.has_interval:
            continue  # the first of several with the highest score is another one
        measure, other = first.measures[name], shuffled.measures[name]
        for one, two in zip(
            (measure.value, measure.low, measure.high),
            (other.value, other.low, other.high),
            strict=True,
        ):
            assert one == pytest.approx(two, abs=1e-9)


def test_methods_4_3_sparse_tau_of_a_single_bin_is_degenerate() -> None:
    truth = np.array([91.10, 91.12, 91.20])
    assert sparse_tau(np.array([1.0, 2.0, 3.0]), truth, 1.0) is None
    found = rank_correlation([1, 2, 3], list(truth), seed=0, sparse_threshold=1.0)
    sparse = found.measures["sparse-tau"]
    assert sparse.undefined_reason == "All 3 truths fall into one bin of 1 percentage points."
    assert sparse.truth_ties == 3
    assert found.tau.value == 1.0


def test_methods_4_3_sparse_tau_at_a_tenth_of_a_point_has_two_bins() -> None:
    # Bins 911, 911, 912: pairs with the third count, the first pair is tied.
    truth = [91.10, 91.12, 91.20]
    sparse = rank_correlation([2, 1, 3], truth, seed=0).measures["sparse-tau"]
    assert (sparse.truth_ties, sparse.score_ties) == (1, 0)
    assert sparse.value == pytest.approx(2 / math.sqrt(2 * 3))


@settings(deadline=None)
@given(
    st.lists(st.tuples(SMALL, st.integers(0, 10_000)), min_size=3, max_size=25),
    st.floats(0.001, 0.0099),
)
def test_methods_4_3_sparse_tau_equals_tau_b_below_every_gap(pairs, threshold) -> None:
    # Truths in hundredths of a percentage point, as a test set of 10,000 images gives them.
    scores, truth = [pair[0] for pair in pairs], [pair[1] / 100 for pair in pairs]
    found = values(scores, truth, sparse_threshold=threshold)
    assert found["sparse-tau"] == found["tau"]


def test_bins_need_a_width() -> None:
    with pytest.raises(ValueError, match="positive width"):
        rank_correlation([1, 2, 3], [1, 2, 3], seed=0, sparse_threshold=0)


def test_the_top_half_is_chosen_by_ground_truth() -> None:
    # The three best by truth have scores 9, 2, 5: one concordant and two discordant pairs. The
    # three worst are in order.
    found = values([1, 3, 4, 9, 2, 5], [1, 2, 3, 4, 5, 6])
    assert found["tau-top-half"] == pytest.approx((1 - 2) / 3)
    assert found["tau-bottom-half"] == 1.0


def test_the_middle_of_an_odd_number_belongs_to_both_halves() -> None:
    result = rank_correlation([9, 8, 1, 2, 3], [1, 2, 3, 4, 5], seed=0)
    assert result.measures["tau-top-half"].value == 1.0
    assert result.measures["tau-bottom-half"].value == -1.0
    assert result.measures["tau-bottom-half"].num_architectures == 3


def test_the_top_percents_have_their_own_numbers_and_ties() -> None:
    # Of 300: the best 3 and the best 30; truth 270 to 299 but for a tie at the lower bound.
    truth = [float(place) for place in range(300)]
    truth[269] = 270.0
    scores = truth.copy()
    scores[297:] = [1.0, 3.0, 2.0]
    result = rank_correlation(scores, truth, seed=0, num_bootstrap=0)
    first, tenth = (result.measures[f"tau-top-{share}-percent"] for share in (1, 10))
    assert (first.num_architectures, first.value) == (3, pytest.approx(1 / 3))
    assert (tenth.num_architectures, tenth.truth_ties, tenth.score_ties) == (31, 1, 1)


@pytest.mark.parametrize(
    ("scores", "truth", "reason"),
    [
        ([], [], "Too few architectures: 0, where at least 3 are needed."),
        ([1, 2], [1, 2], "Too few architectures: 2, where at least 3 are needed."),
        ([1, 1, 1], [1, 2, 3], "All 3 scores are equal."),
        ([1, 2, 3], [7, 7, 7], "All 3 truths are equal."),
    ],
)
def test_what_is_undefined_is_none_and_says_why(scores, truth, reason) -> None:
    result = rank_correlation(scores, truth, seed=0)
    assert set(result.measures) == set(MEASURES)
    for name, measure in result.measures.items():
        assert (measure.value, measure.low, measure.high) == (None, None, None)
        assert measure.undefined_reason is not None
        if name not in PARTS and name != "sparse-tau":
            assert measure.undefined_reason == reason
    assert result.best is None
    assert result.num_architectures == len(scores)


def test_a_part_that_is_too_small_says_so_while_the_rest_is_known() -> None:
    result = rank_correlation([1, 2, 2, 3], [10, 20, 30, 30], seed=0)
    top = result.measures["tau-top-half"]
    assert top.value is None
    assert top.undefined_reason == (
        "Too few architectures in the top half of ground truth: 2, where at least 3 are needed."
    )
    assert result.tau.undefined_reason is None


def test_equal_scores_of_a_part_say_so() -> None:
    result = rank_correlation([1, 2, 5, 5, 5], [1, 2, 3, 4, 5], seed=0)
    top = result.measures["tau-top-half"]
    assert top.undefined_reason == "All 3 scores in the top half of ground truth are equal."


@settings(deadline=None)
@given(RANKED)
def test_a_value_or_a_reason_and_never_nan(ranked) -> None:
    for measure in rank_correlation(*ranked, seed=0, num_bootstrap=10).measures.values():
        assert (measure.value is None) == (measure.undefined_reason is not None)
        for number in (measure.value, measure.low, measure.high):
            assert number is None or math.isfinite(number)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_by_position(bad: float) -> None:
    with pytest.raises(ScoreUndefined, match="score 1 is"):
        rank_correlation([1, bad, 3], [1, 2, 3], seed=0)
    with pytest.raises(ScoreUndefined, match="truth 2 is"):
        rank_correlation([1, 2, 3], [1, 2, bad], seed=0)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        rank_correlation([1, 2], [1, 2, 3], seed=0)


@pytest.mark.parametrize("num_architectures", [60, 1200])
def test_the_interval_is_repeatable_and_as_wide_as_theory(num_architectures: int) -> None:
    # For bivariate normal data tau is 2/pi asin(rho); with rho = 0.707 that is 0.5.
    rng = np.random.default_rng(1)
    x = rng.normal(size=num_architectures)
    y = x + rng.normal(size=num_architectures)
    result = rank_correlation(list(x), list(y), seed=3)
    assert result == rank_correlation(list(x), list(y), seed=3)
    tau = result.tau
    assert tau.low < 0.5 < tau.high
    assert tau.low < tau.value < tau.high
    # Standard error of tau by the variance of the concordance projections (Hoeffding).
    concordance = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    projections = concordance.sum(axis=1) / (num_architectures - 1)
    error = 2 * projections.std() / math.sqrt(num_architectures)
    assert tau.high - tau.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_about_95_in_100_intervals_cover_the_true_tau_and_rho() -> None:
    # Bivariate normal with rho = 0.6: tau = 2/pi asin(rho), Spearman = 6/pi asin(rho/2).
    rho, rng = 0.6, np.random.default_rng(5)
    true = {"tau": 2 / math.pi * math.asin(rho), "spearman": 6 / math.pi * math.asin(rho / 2)}
    covered = dict.fromkeys(true, 0)
    for seed in range(120):
        x = rng.normal(size=80)
        y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=80)
        result = rank_correlation(list(x), list(y), seed=seed, num_bootstrap=100)
        for name, value in true.items():
            measure = result.measures[name]
            covered[name] += measure.low <= value <= measure.high
    # Four standard deviations of 120 draws at 0.95 are 0.08.
    for count in covered.values():
        assert count / 120 >= 0.87


def test_a_perfect_order_has_no_spread() -> None:
    tau = rank_correlation([1, 2, 3, 4], [1, 2, 3, 4], seed=0).tau
    assert (tau.low, tau.value, tau.high) == (pytest.approx(1), pytest.approx(1), pytest.approx(1))


def test_what_rests_on_one_architecture_has_no_interval() -> None:
    rng = np.random.default_rng(0)
    result = rank_correlation(list(rng.normal(size=50)), list(rng.normal(size=50)), seed=0)
    for name, definition in MEASURES.items():
        if result.measures[name].value is not None:
            assert (result.measures[name].low is not None) == definition.has_interval


def test_large_samples_take_fewer_resamples_and_say_how_many() -> None:
    assert [default_resamples(n) for n in (0, 50, 4000, 15_284, 100_000)] == [
        *(1000, 1000, 1000),
        *(261, 100),
    ]
    assert rank_correlation([1, 2, 3], [1, 3, 2], seed=0, num_bootstrap=7).num_resamples == 7


@pytest.mark.parametrize(("number", "seconds"), [(50, 0.3), (200, 1), (15_284, 10)])
def test_all_intervals_take_bounded_time(number: int, seconds: float) -> None:
    rng = np.random.default_rng(0)
    truth = (90 + rng.normal(size=number)).round(2)
    scores = truth + rng.normal(size=number)
    rank_correlation(scores[:10], truth[:10], seed=0)  # loads scipy
    start = time.process_time()
    rank_correlation(scores, truth, seed=0)
    assert time.process_time() - start < seconds


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
