import random
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
ONE_EACH = SupernetBalancedSampler(architectures_per_step="one-per-subspace")


def test_methods_2_11_5_balanced_sampling_draws_each_subspace_a_third_of_the_time() -> None:
    sampler = SupernetBalancedSampler()
    drawn: Counter[int] = Counter()
    for step in range(DRAWS):
        # One stream per step, as the training schedule draws.
        (route,) = sampler.draw(PARTITION, step, stream(0, "architecture", step))
        drawn[route.subspace] += 1
    for index in range(3):
        assert drawn[index] / DRAWS == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("num_subspaces", [1, 2, 4])
def test_methods_2_11_5_a_mobilenet_step_returns_k_architectures_of_distinct_subspaces(
    num_subspaces: int,
) -> None:
    # The sets of the source: every other count from 36 on, the rest together.
    sets = ((36,), (38,), (40,))[: num_subspaces - 1]
    space = catalogue()["mobilenet-proxyless"]
    partition = NonlinearitySplitter(num_subspaces=num_subspaces, sets=sets).split(space)
    seen = set()
    for step in range(200):
        routes = ONE_EACH.draw(partition, step, stream(0, "architecture", step))
        assert [route.subspace for route in routes] == list(range(num_subspaces))
        for route in routes:
            assert partition.route(route.architecture) == route.subspace
            seen.add(route.architecture)
    assert len(seen) == 200 * num_subspaces


def test_one_architecture_per_subspace_is_drawn_uniformly_inside_it() -> None:
    partition = NonlinearitySplitter(num_subspaces=3).split(catalogue()["digits-mini"])
    rng = random.Random(0)
    drawn = Counter(
        route.architecture for step in range(6000) for route in ONE_EACH.draw(partition, step, rng)
    )
    # 30, 66 and 20 valid cells, 6,000 draws each: five standard deviations.
    for architecture, number in drawn.items():
        expected = 6000 / partition.subspaces[partition.route(architecture)].size.valid
        assert abs(number - expected) < 5 * expected**0.5
    assert len(drawn) == 116


def test_uniform_sampling_draws_each_subspace_by_its_size() -> None:
    sampler = UniformSampler()
    rng = stream(0, "uniform")
    drawn = Counter(sampler.draw(PARTITION, step, rng)[0].subspace for step in range(DRAWS))
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


def test_both_balanced_forms_aim_at_the_same_shares_and_differ_in_steps() -> None:
    one = SupernetBalancedSampler()
    assert one.target_shares(PARTITION) == pytest.approx((1 / 3,) * 3)
    assert ONE_EACH.target_shares(PARTITION) == pytest.approx((1 / 3,) * 3)
    assert one.target_updates(PARTITION) == pytest.approx((1 / 3,) * 3)
    assert ONE_EACH.target_updates(PARTITION) == (1, 1, 1)
