import numpy as np
import pytest
from scipy import stats

from nas.benchmarks.noise import noise_ceiling
from nas.errors import InvalidBenchmark


def test_the_noise_ceiling_of_two_seeds_is_their_tau() -> None:
    # Orders 1 2 3 and 2 1 3: two concordant pairs, one discordant.
    assert noise_ceiling({"a": [1, 2], "b": [2, 1], "c": [3, 3]}, seed=0) == pytest.approx(1 / 3)


def test_the_noise_ceiling_of_a_noiseless_table_is_one() -> None:
    assert noise_ceiling({"a": [1] * 6, "b": [2] * 6, "c": [3] * 6}, seed=0) == 1.0


def test_the_noise_ceiling_averages_over_the_splits_into_halves() -> None:
    # Three seeds: a half is one seed, so it is the mean tau over the three pairs of seeds.
    values = {"a": [1, 3, 2], "b": [2, 1, 1], "c": [3, 2, 4], "d": [4, 4, 3]}
    columns = np.array(list(values.values())).T
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.mean([stats.kendalltau(columns[i], columns[j]).statistic for i, j in pairs])
    assert noise_ceiling(values, seed=0, num_splits=5000) == pytest.approx(expected, abs=0.01)


def test_more_seeds_raise_the_noise_ceiling() -> None:
    rng = np.random.default_rng(0)
    accuracy = rng.normal(size=(100, 1)) + rng.normal(size=(100, 10))
    values = {str(index): list(row) for index, row in enumerate(accuracy)}
    few = {code: row[:2] for code, row in values.items()}
    assert noise_ceiling(values, seed=0) > noise_ceiling(few, seed=0) + 0.1


@pytest.mark.parametrize(
    "values", [{}, {"a": [1.0], "b": [2.0]}, {"a": [1.0, 2.0], "b": [1.0]}, {"a": [1.0, 2.0]}]
)
def test_a_noise_ceiling_needs_seeds_and_architectures(values) -> None:
    with pytest.raises(InvalidBenchmark, match="noise ceiling"):
        noise_ceiling(values, seed=0)
