from collections import Counter

import pytest

from nas.partition.nonlinearity import NonlinearitySplitter
from nas.seeds import stream
from nas.spaces import catalogue
from nas.training.samplers.supernet_balanced import SupernetBalancedSampler
from nas.training.samplers.uniform import UniformSampler

DRAWS = 30_000
PARTITION = NonlinearitySplitter(num_subspaces=3, thresholds=(1, 2)).split(
    catalogue()["nas-bench-201"]
)


def test_methods_2_11_5_balanced_sampling_draws_each_subspace_a_third_of_the_time() -> None:
    sampler = SupernetBalancedSampler()
    drawn = Counter(
        # One stream per step, as the training schedule draws.
        sampler.draw(PARTITION, stream(0, "architecture", step))[0]
        for step in range(DRAWS)
    )
    for index in range(3):
        assert drawn[index] / DRAWS == pytest.approx(1 / 3, abs=0.01)


def test_uniform_sampling_draws_each_subspace_by_its_size() -> None:
    sampler = UniformSampler()
    rng = stream(0, "uniform")
    drawn = Counter(sampler.draw(PARTITION, rng)[0] for _ in range(DRAWS))
    # 1642 + 7122, 5520 and 1000 of 15,284 valid cells.
    expected = (8764 / 15_284, 5520 / 15_284, 1000 / 15_284)
    assert sampler.target_shares(PARTITION) == pytest.approx(expected)
    for index, share in enumerate(expected):
        assert drawn[index] / DRAWS == pytest.approx(share, abs=0.01)


def test_balanced_sampling_draws_the_smallest_class_five_times_as_often_as_uniform() -> None:
    # (1/3) / 0.0654 = 5.1, the figure of the source.
    balanced = SupernetBalancedSampler().target_shares(PARTITION)[2]
    uniform = UniformSampler().target_shares(PARTITION)[2]
    assert balanced / uniform == pytest.approx(5.1, abs=0.05)
