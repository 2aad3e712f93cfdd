import math

import pytest

from nas.training.balance import BalanceCount, normalised_entropy


def test_entropy_is_one_for_equal_counts_and_zero_if_one_has_all() -> None:
    assert normalised_entropy([5, 5, 5, 5]) == pytest.approx(1)
    assert normalised_entropy([7, 0, 0]) == 0
    # 3/4 and 1/4: (3/4 log2(4/3) + 1/4 * 2) bits of 1.
    assert normalised_entropy([30, 10]) == pytest.approx(0.75 * math.log2(4 / 3) + 0.5)


def test_entropy_is_that_of_the_shares_whatever_the_scale() -> None:
    assert normalised_entropy([0.1, 0.2, 0.7]) == pytest.approx(normalised_entropy([1, 2, 7]))


@pytest.mark.parametrize("counts", [[], [5], [0, 0]])
def test_without_two_counts_or_before_the_first_there_is_no_entropy(counts: list[int]) -> None:
    assert normalised_entropy(counts) is None


def test_a_step_of_several_architectures_is_one_update_and_several_samples() -> None:
    count = BalanceCount.zero(0, [["a", "b"], ["a", "b", "c"]])
    count.add([("a", "b"), ("a", "c"), ("b", "b")], num_images=16)
    count.add([("b", "a")], num_images=16)
    assert (count.updates, count.samples, count.images) == (2, 4, 64)
    assert count.operation_updates == [{"a": 1, "b": 2}, {"a": 1, "b": 1, "c": 1}]
    assert count.operation_samples == [{"a": 2, "b": 2}, {"a": 1, "b": 2, "c": 1}]
    assert count.operation_images == [{"a": 32, "b": 32}, {"a": 16, "b": 32, "c": 16}]


def test_a_step_counts_a_bank_once_however_many_architectures_read_it() -> None:
    count = BalanceCount.zero(0, [["a"]], banks_by_cell=[(0,), (0, 1)])
    count.add([("a",), ("a",)], num_images=4, banks_read=[(0, 0), (0, 0)])
    count.add([("a",), ("a",)], num_images=4, banks_read=[(0, 0), (0, 1)])
    assert count.bank_updates == [{0: 2}, {0: 2, 1: 1}]


def test_an_event_does_not_follow_later_counts() -> None:
    count = BalanceCount.zero(0, [["a"]], banks_by_cell=[(0,)])
    event = count.event()
    count.add([("a",)], num_images=4, banks_read=[(0,)])
    assert event.operation_updates == event.operation_samples == ({"a": 0},)
    assert (event.updates, event.images, event.bank_updates) == (0, 0, ({0: 0},))
