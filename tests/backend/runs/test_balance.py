from backend.runs.balance import balance_summary, newest
from tests.frontend import made


def test_only_the_newest_row_of_a_unit_and_subspace_counts():
    rows = [made.balance(0, 3, step=30), made.balance(0, 1, step=10), made.balance(1, 2, step=20)]
    assert [(row.subspace, row.updates) for row in newest(rows)] == [(0, 3), (1, 2)]


def test_the_warm_up_is_counted_apart_from_own_updates():
    rows = [
        made.balance(0, 10, phase="warm-up"),
        made.balance(1, 30, phase="warm-up"),
        made.balance(0, 6, samples=9),
        made.balance(1, 2),
    ]
    found = balance_summary(made.subspaces(1, 1), rows).supernets
    assert [(one.updates, one.warm_up_updates) for one in found] == [(6, 10), (2, 30)]
    assert [(one.samples, one.images) for one in found] == [(9, 576), (2, 128)]
    assert [one.share for one in found] == [0.75, 0.25]


def test_entropy_stands_beside_that_of_the_samplers_target():
    rows = [made.balance(0, 5), made.balance(1, 5)]
    found = balance_summary(made.subspaces(1, 1, targets=[1.0, 0.0]), rows)
    assert (found.entropy, found.target_entropy, found.undefined_reason) == (1, 0, None)
    assert balance_summary(made.subspaces(1, 1, targets=()), rows).target_entropy is None


def test_one_supernet_and_no_update_have_no_entropy_and_say_why():
    one = balance_summary(made.subspaces(1), [made.balance(0, 5)])
    assert (one.entropy, one.undefined_reason) == (None, "one supernet")
    warm = balance_summary(made.subspaces(1, 1), [made.balance(0, 10, phase="warm-up")])
    assert (warm.entropy, warm.undefined_reason) == (None, "no own update yet")
