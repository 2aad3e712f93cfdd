"""What a build trains, in which order, and the table that becomes of it."""

import pytest
from pydantic import ValidationError

from nas.benchmarks.build import BuildSpec
from nas.benchmarks.building import networks, trainings
from nas.errors import InfeasibleBuild
from nas.spaces import catalogue

SPACES = catalogue()
DIGITS = SPACES["digits-mini"]


def spec(**changes) -> BuildSpec:
    given = {"name": "x", "space": "s", "dataset": "d", "recipe": {"epochs": 1}}
    return BuildSpec.model_validate(given | changes)


def test_all_valid_architectures_belong_to_exactly_one_network_each():
    found = [code for network in networks(spec(), DIGITS) for code in network.architectures]
    valid = [DIGITS.encode(one) for one in DIGITS.enumerate() if DIGITS.is_valid(one)]
    assert sorted(found) == sorted(valid)


def test_architectures_of_a_network_have_the_same_live_part_and_different_ones_do_not():
    forms = []
    for network in networks(spec(), DIGITS):
        (form,) = {DIGITS.live_form(DIGITS.decode(code)) for code in network.architectures}
        forms.append(form)
    assert len(set(forms)) == len(forms)


def test_a_sample_is_valid_distinct_and_depends_on_its_seed_alone():
    def drawn(**changes) -> set[str]:
        found = networks(spec(sample=40, **changes), SPACES["darts-cell"])
        return {code for network in found for code in network.architectures}

    first = drawn()
    assert len(first) == 40
    assert first == drawn(seeds=[5, 6], recipe={"epochs": 3}, width=4)
    assert first != drawn(sample_seed=1)


def test_a_listed_architecture_stands_where_it_is_listed():
    codes = [DIGITS.encode(one) for one in DIGITS.enumerate() if DIGITS.is_valid(one)][::-1]
    listed = networks(spec(architectures=codes), DIGITS)
    assert listed[0].trained == codes[0]
    assert sum(len(network.architectures) for network in listed) == len(codes)


def test_every_network_is_trained_once_per_seed_and_a_seed_is_finished_before_the_next():
    found = trainings(spec(sample=9, seeds=[4, 2]), DIGITS)
    codes = [network.trained for network in networks(spec(sample=9, seeds=[4, 2]), DIGITS)]
    assert found == (*((code, 4) for code in codes), *((code, 2) for code in codes))


@pytest.mark.parametrize("name", ["darts-cell", "mobilenet-proxyless"])
def test_a_space_too_large_to_enumerate_needs_a_sample(name: str):
    with pytest.raises(InfeasibleBuild, match="set sample") as refused:
        networks(spec(), SPACES[name])
    assert refused.value.parameter == "sample"
    assert len(trainings(spec(sample=3), SPACES[name])) == 6


def test_a_sample_and_a_list_exclude_each_other():
    with pytest.raises(ValidationError, match="leave one of the two out"):
        spec(sample=2, architectures=["a"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "all valid ones"),
        ({"sample": 7, "sample_seed": 2}, "7 random valid ones, sample seed 2"),
        ({"architectures": ["a", "b"]}, "a list of 2"),
    ],
)
def test_people_are_told_which_architectures_there_are(changes: dict, said: str):
    assert spec(**changes).chosen == said
