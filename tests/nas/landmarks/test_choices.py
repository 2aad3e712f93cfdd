"""Which architectures become landmarks, by hand and by brute force."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from pydantic import ValidationError

from nas.errors import InfeasibleLandmarks
from nas.landmarks.choices.evenly_spaced import EvenlySpacedChoice
from nas.landmarks.choices.fixed import FixedChoice
from nas.landmarks.choices.random import RandomChoice
from nas.landmarks.choices.spread import SpreadChoice
from nas.landmarks.choosing import choose_landmarks
from nas.landmarks.sources.stand_alone import StandAloneLandmarks
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.spaces import catalogue
from nas.spec import RunSpec

SPACE = catalogue()["digits-mini"]
PARTITION = NonlinearitySplitter(num_subspaces=3).split(SPACE)
VALID = [member for member in SPACE.enumerate() if SPACE.is_valid(member)]
FORMS = {SPACE.live_form(member) for member in VALID}


def rng(seed: int = 0) -> random.Random:
    return random.Random(seed)


def test_random_landmarks_are_uniform_over_valid_architectures_without_repeats() -> None:
    found = Counter(
        member
        for seed in range(1500)
        for member in RandomChoice(count=10).choose(PARTITION, None, rng(seed))
    )
    assert set(found) == set(VALID)
    # 15,000 of 116, each 129.3 times with a standard deviation of at most 11.4.
    assert all(abs(number - 15_000 / 116) < 5 * 11.4 for number in found.values())
    chosen = RandomChoice(count=116).choose(PARTITION, None, rng())
    assert sorted(chosen) == sorted(VALID)


def test_random_landmarks_of_a_benchmark_are_among_those_that_it_holds() -> None:
    known = {member: float(place) for place, member in enumerate(VALID[::3])}
    chosen = RandomChoice(count=20).choose(PARTITION, known, rng())
    assert len(set(chosen)) == 20
    assert set(chosen) <= set(known)
    assert chosen != RandomChoice(count=20).choose(PARTITION, known, rng(1))


@pytest.mark.parametrize(
    ("known", "most"), [(None, 116), ({member: 1.0 for member in VALID[:7]}, 7)]
)
def test_more_landmarks_than_there_are_is_refused_with_the_largest_number(known, most) -> None:
    with pytest.raises(
        InfeasibleLandmarks, match=f"117 landmarks, .* only {most} valid"
    ) as caught:
        RandomChoice(count=117).choose(PARTITION, known, rng())
    assert caught.value.parameter == "count"


@pytest.mark.parametrize("known", [None, {member: 1.0 for member in VALID}])
def test_spread_landmarks_are_as_many_in_every_subspace_and_compute_different_things(
    known,
) -> None:
    for count in (12, 14):
        chosen = SpreadChoice(count=count).choose(PARTITION, known, rng(count))
        assert len({SPACE.live_form(member) for member in chosen}) == count
        owners = Counter(PARTITION.route(member) for member in chosen)
        assert sorted(owners.values()) == sorted([count // 3 + (k < count % 3) for k in range(3)])


def test_an_exhausted_subspace_leaves_its_share_to_the_others() -> None:
    by_owner = Counter(owner for owner in (_owner_of_form(form) for form in FORMS))
    scarce = min(by_owner.values())
    everything = SpreadChoice(count=len(FORMS)).choose(PARTITION, None, rng())
    assert {SPACE.live_form(member) for member in everything} == FORMS
    count = 3 * scarce + 4
    chosen = SpreadChoice(count=count).choose(PARTITION, None, rng())
    owners = Counter(PARTITION.route(member) for member in chosen)
    assert min(owners.values()) == scarce
    assert sum(owners.values()) == count


def _owner_of_form(form) -> int:
    return next(PARTITION.route(member) for member in VALID if SPACE.live_form(member) == form)


def test_spread_landmarks_stop_where_nothing_else_is_computed() -> None:
    with pytest.raises(InfeasibleLandmarks, match=f"only {len(FORMS)} that compute something"):
        SpreadChoice(count=len(FORMS) + 1).choose(PARTITION, None, rng())


CODES = [SPACE.encode(member) for member in VALID]
DEAD = SPACE.encode(("none", "none", "nor_conv_3x3"))
ONE, TWIN = ("none", "nor_conv_3x3", "none"), ("nor_conv_3x3", "nor_conv_3x3", "none")
ANOTHER = ("none", "nor_conv_1x1", "none")


def fixed(*members) -> FixedChoice:
    codes = [one if isinstance(one, str) else SPACE.encode(one) for one in members]
    return FixedChoice(architectures=tuple(codes))


def test_fixed_landmarks_are_those_listed_in_their_order() -> None:
    assert fixed(ANOTHER, ONE).choose(PARTITION, None, rng()) == (ANOTHER, ONE)
    known = {ANOTHER: 50.0, ONE: 60.0}
    assert fixed(ANOTHER, ONE).choose(PARTITION, known, rng()) == (ANOTHER, ONE)


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ((), "two or more are needed for a pair, 0 listed"),
        ((ONE,), "two or more are needed for a pair, 1 listed"),
        ((ONE, "|conv~0|"), r"outside the space: '\|conv~0\|' is no architecture"),
        ((ONE, DEAD), r"\|none~0\|\+\|none~0\|nor_conv_3x3~1\| is dead"),
        ((ONE, ANOTHER, ONE), "is listed twice"),
        ((ONE, ANOTHER, TWIN), "computes the same as"),
    ],
)
def test_fixed_landmarks_that_cannot_be_are_refused_by_name(members, named) -> None:
    with pytest.raises(InfeasibleLandmarks, match=named) as caught:
        fixed(*members).choose(PARTITION, None, rng())
    assert caught.value.parameter == "architectures"


def test_a_fixed_landmark_that_the_benchmark_lacks_is_refused_by_name() -> None:
    with pytest.raises(InfeasibleLandmarks, match=r"nor_conv_1x1~0\|none~1\| is not in the bench"):
        fixed(ONE, ANOTHER).choose(PARTITION, {ONE: 60.0}, rng())


def test_evenly_spaced_landmarks_run_from_the_worst_to_the_best() -> None:
    known = {member: 90 - 0.5 * place for place, member in enumerate(VALID[:31])}
    chosen = EvenlySpacedChoice(count=4).choose(PARTITION, known, rng())
    # Of places 0 to 30 by ascending accuracy: 0, 10, 20, 30.
    assert [known[member] for member in chosen] == [75.0, 80.0, 85.0, 90.0]
    every = EvenlySpacedChoice(count=31).choose(PARTITION, known, rng())
    assert all(known[one] < known[other] for one, other in pairwise(every))
    with pytest.raises(InfeasibleLandmarks, match="only 31 valid"):
        EvenlySpacedChoice(count=32).choose(PARTITION, known, rng())


def test_landmarks_that_the_run_trains_cannot_be_chosen_by_their_accuracy() -> None:
    with pytest.raises(ValidationError, match="evenly-spaced looks at the accuracies"):
        StandAloneLandmarks(choice=EvenlySpacedChoice())


def spec_with(**changes) -> RunSpec:
    return RunSpec.model_validate(
        {
            "name": "x",
            "space": "digits-mini",
            "dataset": "digits",
            "splitter": {"kind": "nonlinearity", "num_subspaces": 3},
            "training": {"steps": 10},
        }
        | changes
    )


def test_the_landmarks_of_a_run_follow_from_its_seed() -> None:
    landmarks = {"kind": "stand-alone", "choice": {"kind": "random", "count": 8}}
    one, again, other = (
        choose_landmarks(spec_with(landmarks=landmarks, seed=seed), PARTITION, None)
        for seed in (1, 1, 2)
    )
    assert one == again != other
    assert all(one.accuracy is None for one in one.chosen)
    assert [mark.subspace for mark in one.chosen] == [
        PARTITION.route(mark.architecture) for mark in one.chosen
    ]
    assert choose_landmarks(spec_with(), PARTITION, None).chosen == ()


def test_landmarks_of_a_benchmark_have_its_accuracies() -> None:
    accuracies = {code: 10.0 + place for place, code in enumerate(CODES)}
    spec = spec_with(landmarks={"kind": "benchmark"}, benchmark="known")
    found = choose_landmarks(spec, PARTITION, accuracies)
    assert len(found) == 50
    for one in found.chosen:
        assert one.accuracy == accuracies[SPACE.encode(one.architecture)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"landmarks": {"kind": "benchmark"}}, "taken from the run's benchmark, and it has none"),
        (
            {"training": {"steps": 9, "regularisers": [{"kind": "landmark"}]}},
            "the regulariser landmark needs landmarks",
        ),
    ],
)
def test_a_spec_without_what_its_landmarks_need_is_refused(changes, message) -> None:
    with pytest.raises(ValidationError, match=message):
        spec_with(**changes)
