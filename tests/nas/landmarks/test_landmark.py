from nas.landmarks.landmark import Landmark, Landmarks, live_form, num_pairs
from nas.spaces import catalogue

SPACE = catalogue()["digits-mini"]


def test_live_forms_are_equal_exactly_where_dead_decisions_differ() -> None:
    # Without 2<-1, nothing reads node 1.
    assert live_form(SPACE, ("nor_conv_3x3", "skip_connect", "none")) == (
        None,
        "skip_connect",
        None,
    )
    assert live_form(SPACE, ("none", "none", "none")) == (None, None, None)
    assert live_form(SPACE, ("nor_conv_3x3", "none", "nor_conv_1x1")) == (
        "nor_conv_3x3",
        None,
        "nor_conv_1x1",
    )
    chain = catalogue()["mobilenet-proxyless"]
    member = tuple(names[0] for names in chain.choices)
    assert live_form(chain, member) == member


def test_landmarks_are_ranked_by_accuracy_inside_a_subspace_and_over_all() -> None:
    a, b, c = (Landmark((name,), owner, value) for name, owner, value in
               (("a", 0, 70.0), ("b", 1, 60.0), ("c", 0, 65.0)))  # fmt: skip
    unknown = Landmark(("d",), 1)
    landmarks = Landmarks((a, b, c, unknown))
    assert landmarks.ranked(None) == (b, c, a)
    assert landmarks.ranked(0) == (c, a)
    assert landmarks.ranked(1) == (b,)
    assert landmarks.ranked(2) == ()
    assert landmarks.counts(3) == (2, 2, 0)
    assert Landmarks().ranked(None) == ()


def test_pairs_of_equal_accuracy_do_not_count() -> None:
    assert num_pairs([]) == num_pairs([1.0]) == 0
    assert num_pairs([1.0, 2.0, 3.0]) == 3
    # Of six pairs, those of the three twos have no order.
    assert num_pairs([2.0, 2.0, 2.0, 1.0]) == 3
    assert num_pairs([None, None]) == 1
