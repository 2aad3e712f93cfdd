import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.data.splits import hold_out
from nas.errors import InvalidSplit


def labels(*sizes: int) -> np.ndarray:
    return np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)


def test_equally_large_classes_give_equally_many_images():
    _, held = hold_out(labels(50, 50, 50), 30, 0, "validation")
    assert np.bincount(labels(50, 50, 50)[held]).tolist() == [10, 10, 10]


def test_missing_images_come_from_the_largest_remainders():
    # 10 of 30: shares 3.33, 2.67, 4.00, so the tenth image comes from the second class.
    _, held = hold_out(labels(10, 8, 12), 10, 0, "validation")
    assert np.bincount(labels(10, 8, 12)[held]).tolist() == [3, 3, 4]


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=8),
    st.floats(0.05, 0.95),
    st.integers(0, 2**31 - 1),
)
def test_every_class_gives_its_exact_share_to_within_one_image(
    sizes: list[int], share: float, seed: int
):
    total = sum(sizes)
    num_held = round(share * total)
    shares = [size * num_held / total for size in sizes]
    try:
        kept, held = hold_out(labels(*sizes), num_held, seed, "validation")
    except InvalidSplit:
        assert any(
            share < 1 or share > size - 1 for share, size in zip(shares, sizes, strict=True)
        )
        return
    given_up = np.bincount(labels(*sizes)[held], minlength=len(sizes))
    assert len(held) == num_held
    assert len(kept) == total - num_held
    assert np.all(np.abs(given_up - shares) < 1)
    assert np.all((given_up > 0) & (given_up < sizes))


def test_every_image_either_stays_or_leaves():
    kept, held = hold_out(labels(9, 13), 6, 3, "validation")
    assert sorted([*kept, *held]) == list(range(22))
    assert kept.tolist() == sorted(kept)
    assert held.tolist() == sorted(held)


def test_the_choice_is_a_function_of_seed_and_purpose():
    def held(seed: int, purpose: str) -> list[int]:
        return hold_out(labels(40, 40), 20, seed, purpose)[1].tolist()

    assert held(0, "validation") == held(0, "validation")
    assert held(0, "validation") != held(1, "validation")
    assert held(0, "validation") != held(0, "test")


@pytest.mark.parametrize(
    ("sizes", "num_held"), [((5, 5), 10), ((5, 5), 11), ((5, 5), 1), ((5, 5), 0), ((99, 1), 50)]
)
def test_a_class_that_would_give_or_keep_nothing_is_named(sizes: tuple[int, ...], num_held: int):
    with pytest.raises(InvalidSplit, match=r"class '(cat|dog)' has"):
        hold_out(labels(*sizes), num_held, 0, "validation", ["cat", "dog"])
