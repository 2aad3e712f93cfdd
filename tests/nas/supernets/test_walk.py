from collections import Counter

import torch
from torch import Tensor

from nas.supernets.walk import Kept


def features(value: float) -> Tensor:
    """Sixteen bytes."""
    return torch.full((4,), value)


def test_features_that_others_need_are_computed_once_and_freed_by_the_last() -> None:
    kept = Kept(Counter(shared=3, own=1), limit_bytes=100)
    made = []

    def compute() -> Tensor:
        made.append(1)
        return features(1.0)

    for users_left in (2, 1, 0):
        assert torch.equal(kept.features("shared", compute), features(1.0))
        kept.leave(["shared"])
        assert (len(kept), kept.num_bytes) == ((1, 16) if users_left else (0, 0))
    assert len(made) == 1


def test_features_of_one_user_are_never_kept() -> None:
    kept = Kept(Counter(own=1), limit_bytes=100)
    assert torch.equal(kept.features("own", lambda: features(2.0)), features(2.0))
    assert (len(kept), kept.num_bytes) == (0, 0)


def test_what_does_not_fit_is_computed_again_and_what_is_freed_makes_room() -> None:
    kept = Kept(Counter(first=2, second=3), limit_bytes=20)
    kept.features("first", lambda: features(1.0))
    assert torch.equal(kept.features("second", lambda: features(2.0)), features(2.0))
    assert kept.num_bytes == 16
    assert torch.equal(kept.features("second", lambda: features(3.0)), features(3.0))
    kept.leave(["first", "second"])
    kept.leave(["first"])
    assert kept.num_bytes == 0
    kept.features("second", lambda: features(4.0))
    assert torch.equal(kept.features("second", lambda: features(5.0)), features(4.0))


def test_the_counts_of_one_batch_are_not_those_of_another() -> None:
    users = Counter(shared=2)
    first, second = (Kept(users, limit_bytes=100) for _ in range(2))
    for kept in (first, second):
        kept.features("shared", lambda: features(1.0))
    first.leave(["shared"])
    first.leave(["shared"])
    assert (len(first), len(second)) == (0, 1)
