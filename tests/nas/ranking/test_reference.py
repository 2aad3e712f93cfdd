"""The reference sample is the same for every run on a space."""

from collections import Counter

from nas.ranking.reference import reference_sample
from nas.spaces import catalogue

SPACES = catalogue()


def test_a_small_space_is_its_own_reference_sample() -> None:
    space = SPACES["digits-mini"]
    valid = {member for member in space.enumerate() if space.is_valid(member)}
    sample = reference_sample(space, 1000)
    assert len(sample) == len(valid) == 116
    assert set(sample) == valid


def test_a_large_space_gives_as_many_distinct_valid_architectures_as_asked_for() -> None:
    space = SPACES["darts-cell"]
    sample = reference_sample(space, 300)
    assert len(set(sample)) == len(sample) == 300
    assert all(map(space.is_valid, sample))


def test_the_sample_is_drawn_uniformly() -> None:
    space = SPACES["nas-bench-201"]
    sample = reference_sample(space, 1000)
    expected = {
        count: 1000 * number.valid / space.size.valid
        for count, number in space.histogram().items()
    }
    found = Counter(map(space.nonlinearity_count, sample))
    statistic = sum((found[count] - mean) ** 2 / mean for count, mean in expected.items())
    # The 99.9 % quantile of chi squared with three degrees of freedom.
    assert len(expected) == 4
    assert statistic < 16.27


def test_the_sample_belongs_to_the_content_of_a_space_not_to_its_name() -> None:
    space = SPACES["nas-bench-201"]
    renamed = space.model_copy(update={"name": "mine"})
    assert reference_sample(renamed, 50) == reference_sample(space, 50)
    fewer = tuple(name for name in space.operations if name != "avg_pool_3x3")
    other = type(space).model_validate({**space.model_dump(), "operations": fewer})
    assert reference_sample(other, 50) != reference_sample(space, 50)
