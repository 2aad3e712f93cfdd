import random
from collections import Counter
from math import comb
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from nas.errors import InfeasibleSupernet, UnknownArchitecture
from nas.operations import OPERATIONS
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.spaces import AnySpace, catalogue
from nas.spaces.base import Architecture, Count
from nas.spaces.labelling import EFFECTIVE, TOTAL, ChoiceSum
from nas.spaces.layered import LayeredSpace
from nas.spaces.shape import NetworkShape
from nas.spaces.tables import ranges

PROXYLESS = catalogue()["mobilenet-proxyless"]
SE = catalogue()["mobilenet-proxyless-se"]
E3, E6, E3_SE, IDENTITY = "mbconv_3x3_e3", "mbconv_3x3_e6", "mbconv_3x3_e3_se", "identity"


def document(**changes: Any) -> dict[str, Any]:
    """A chain of three layers, of which the first cannot be left out."""
    return {
        "kind": "layered",
        "name": "chain",
        "operations": [E3, IDENTITY, E3_SE],
        "layers": [
            {"channels": 6, "stride": 2, "operations": [E3, E6]},
            {"channels": 6},
            {"channels": 6, "operations": ["nor_conv_3x3", IDENTITY]},
        ],
        "skeleton": {
            "stem_channels": 4,
            "image_size": 8,
            "image_channels": 1,
            "num_classes": 10,
        },
        **changes,
    }


def space(**changes: Any) -> LayeredSpace:
    return LayeredSpace.model_validate(document(**changes))


CHAIN = space()


def test_the_mobilenet_space_holds_exactly_what_a_binomial_says() -> None:
    # 15 layers choose identity or one of 6 blocks, 6 layers one of 6 blocks.
    assert PROXYLESS.histogram() == {
        2 * (21 - identities): Count(*[comb(15, identities) * 6 ** (21 - identities)] * 2)
        for identities in reversed(range(16))
    }
    assert PROXYLESS.size == Count(all=6**6 * 7**15, valid=6**6 * 7**15)
    assert SE.size == Count(all=12**6 * 13**15, valid=12**6 * 13**15)


@pytest.mark.parametrize(
    ("identities", "count"), [(0, 42), (1, 40), (2, 38), (3, 36), (4, 34), (5, 32), (6, 30)]
)
def test_methods_2_11_6_zero_to_six_identities_leave_42_to_30_nonlinear_functions(
    identities: int, count: int
) -> None:
    optional = [index for index, names in enumerate(PROXYLESS.choices) if IDENTITY in names]
    assert len(optional) == 15
    rng = random.Random(identities)
    for _ in range(100):
        left_out = set(rng.sample(optional, identities))
        architecture = tuple(
            IDENTITY
            if index in left_out
            else rng.choice([name for name in names if name != IDENTITY])
            for index, names in enumerate(PROXYLESS.choices)
        )
        for reading in ("effective", "total"):
            assert PROXYLESS.nonlinearity_count(architecture, reading) == count


@pytest.mark.parametrize(
    ("sets", "shares"),
    [
        (((36, 38),), [0.498, 0.502]),
        (((36,), (38,), (40,)), [0.209, 0.289, 0.248, 0.255]),
        (((34,), (36,), (38,), (40,), (42,)), [0.104, 0.209, 0.289, 0.248, 0.099, 0.052]),
    ],
    ids=["two", "four", "six"],
)
def test_methods_2_11_6_the_masses_of_named_sub_spaces_match_the_binomial(
    sets: tuple[tuple[int, ...], ...], shares: list[float]
) -> None:
    num_subspaces = len(shares)
    splitter = NonlinearitySplitter(num_subspaces=num_subspaces, sets=sets)
    partition = splitter.split(PROXYLESS)
    # A layer that may be left out is so in one of 7 equally likely choices.
    mass = {42 - 2 * number: stats.binom.pmf(number, 15, 1 / 7) for number in range(16)}
    named = [sum(mass[count] for count in counts) for counts in sets]
    expected = [*named, 1 - sum(named)]
    assert expected == pytest.approx(shares, abs=0.0006)
    exact = [part.size.valid / PROXYLESS.size.valid for part in partition.subspaces]
    assert exact == pytest.approx(expected, rel=1e-9)
    rng = random.Random(0)
    num_drawn = 20_000
    owners = Counter(partition.route(PROXYLESS.sample(rng)) for _ in range(num_drawn))
    drawn = [owners[index] for index in range(num_subspaces)]
    assert stats.chisquare(drawn, [num_drawn * share for share in expected]).pvalue > 1e-3
    for number, share in zip(drawn, expected, strict=True):
        deviation = (share * (1 - share) / num_drawn) ** 0.5
        assert number / num_drawn == pytest.approx(share, abs=4 * deviation)


def test_squeeze_and_excitation_counts_four() -> None:
    rng = random.Random(0)
    for _ in range(50):
        architecture = SE.sample(rng)
        kinds = Counter(
            "se" if name.endswith("_se") else "identity" if name == IDENTITY else "plain"
            for name in architecture
        )
        assert SE.nonlinearity_count(architecture) == 4 * kinds["se"] + 2 * kinds["plain"]


@pytest.mark.parametrize(
    "labelling", [EFFECTIVE, TOTAL, ChoiceSum(((0, 3), (1, 2, 0), (5, 1)), 4)]
)
def test_counts_and_ranges_are_those_of_enumeration(labelling: Any) -> None:
    labels: dict[int, list[Architecture]] = {}
    for architecture in CHAIN.enumerate():
        labels.setdefault(CHAIN.label(architecture, labelling), []).append(architecture)
    assert {
        label: number.valid for label, number in CHAIN.counting(labelling).tallies.items()
    } == {label: len(held) for label, held in sorted(labels.items())}
    for label, spread in ranges(CHAIN, labelling).items():
        flops = [CHAIN.flops(architecture) for architecture in labels[label]]
        parameters = [CHAIN.parameters(architecture) for architecture in labels[label]]
        assert spread.flops == (min(flops), max(flops))
        assert spread.parameters == (min(parameters), max(parameters))


def test_every_architecture_is_valid_and_both_readings_agree() -> None:
    for architecture in CHAIN.enumerate():
        assert CHAIN.is_valid(architecture)
        assert CHAIN.live(architecture) == (True, True, True)
        count = sum(OPERATIONS[name].nonlinearities for name in architecture)
        assert CHAIN.nonlinearity_count(architecture) == count
        assert CHAIN.nonlinearity_count(architecture, "total") == count


def test_samples_of_a_label_are_uniform() -> None:
    rng = random.Random(0)
    held = [one for one in CHAIN.enumerate() if CHAIN.nonlinearity_count(one) == 4]
    drawn = Counter(CHAIN.sample(rng, {4}) for _ in range(400 * len(held)))
    assert set(drawn) == set(held)
    assert stats.chisquare(list(drawn.values())).pvalue > 1e-3


def test_a_chain_of_more_than_1e40_architectures_is_counted_and_sampled() -> None:
    layer = {"channels": 4, "operations": [E3, E6, E3_SE, IDENTITY, "sep_conv_3x3"]}
    long = space(layers=[layer] * 100)
    assert long.size.all == 5**100 > 10**40
    assert sum(number.all for number in long.histogram().values()) == 5**100
    assert long.histogram()[0] == Count(1, 1)
    assert long.histogram()[400] == Count(1, 1)
    rng = random.Random(0)
    for count in (0, 2, 198, 400):
        assert long.nonlinearity_count(long.sample(rng, {count})) == count


def test_an_architecture_is_written_as_its_operations() -> None:
    architecture = (E6, IDENTITY, "nor_conv_3x3")
    assert CHAIN.encode(architecture) == "mbconv_3x3_e6-identity-nor_conv_3x3"
    assert CHAIN.decode("mbconv_3x3_e6-identity-nor_conv_3x3") == architecture
    with pytest.raises(UnknownArchitecture, match=r"3 layers, written like 'mbconv_3x3_e3-mbc"):
        CHAIN.decode("mbconv_3x3_e6-identity")
    with pytest.raises(UnknownArchitecture, match="operation 'identity' of layer 0 is not among"):
        CHAIN.decode("identity-identity-identity")


def test_the_hand_counted_costs_of_a_chain() -> None:
    # 8x8 image, 4x4 after the stem, 2x2 after the first layer.
    stem = 9 * 1 * 4
    block = 4 * 12, 9 * 12, 12 * 6
    conv = 9 * 6 * 6
    assert CHAIN.flops((E3, IDENTITY, "nor_conv_3x3")) == (
        stem * 16 + block[0] * 16 + (block[1] + block[2]) * 4 + conv * 4 + 6 * 10
    )
    norms = 2 * 4 + 2 * (12 + 12 + 6) + 2 * 6
    assert CHAIN.parameters((E3, IDENTITY, "nor_conv_3x3")) == (
        stem + sum(block) + conv + norms + 7 * 10
    )
    skeleton = {**document()["skeleton"], "first_block_channels": 5, "head_channels": 20}
    larger = space(skeleton=skeleton)
    first, head = 9 * 4 + 4 * 5, 6 * 20
    block = 5 * 15, 9 * 15, 15 * 6
    assert larger.flops((E3, IDENTITY, IDENTITY)) == (
        stem * 16 + first * 16 + block[0] * 16 + (block[1] + block[2]) * 4 + head * 4 + 20 * 10
    )
    norms = 2 * 4 + 2 * (4 + 5) + 2 * (15 + 15 + 6) + 2 * 20
    assert larger.parameters((E3, IDENTITY, IDENTITY)) == (
        stem + first + sum(block) + head + norms + 21 * 10
    )


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        (
            {"layers": [{"channels": 6, "operations": [E3, IDENTITY]}]},
            ("layers", 0, "operations", 1),
            "identity does not fit here, where 4 channels become 6 with stride 1: remove it",
        ),
        (
            {"layers": [{"channels": 4}, {"channels": 4, "stride": 2}]},
            ("layers", 1),
            "4 channels become 4 with stride 2: give this layer operations of its own",
        ),
        (
            {"operations": [E3, "none"]},
            ("operations", 1),
            "none does not connect its input with its output",
        ),
        (
            {"layers": [{"channels": 4, "operations": ["none"]}]},
            ("layers", 0, "operations", 0),
            "none does not connect its input with its output",
        ),
        (
            {"layers": [{"channels": 4, "operations": ["conv"]}, {"channels": 4}]},
            ("layers", 0, "operations"),
            r"unknown operations \['conv'\]",
        ),
        ({"operations": [E3, E3]}, ("operations",), "each operation may be named once"),
        ({"operations": []}, ("operations",), "at least 1 item"),
        ({"layers": []}, ("layers",), "at least 1 item"),
        ({"layers": [{"channels": 4}] * 101}, ("layers",), "at most 100 items"),
        (
            {"layers": [{"channels": 0}, {"channels": 4}]},
            ("layers", 0, "channels"),
            "greater than or equal to 1",
        ),
        (
            {"layers": [{"channels": 4, "stride": 3}, {"channels": 4}]},
            ("layers", 0, "stride"),
            "1 or 2",
        ),
    ],
)
def test_a_faulty_definition_is_refused_at_its_place(
    changes: dict[str, Any], place: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        TypeAdapter(AnySpace).validate_python(document(**changes))
    assert [error["loc"] for error in refused.value.errors()] == [("layered", *place)]


def test_widths_follow_the_stem_in_proportion() -> None:
    assert isinstance(PROXYLESS, LayeredSpace)
    narrow = PROXYLESS.resized(NetworkShape(width=8, image_channels=1, num_classes=10))
    # A quarter, as the stem has 8 of 32 channels.
    assert [layer.channels for layer in narrow.layers[::4]] == [8, 10, 20, 24, 48, 80]
    skeleton = narrow.skeleton
    assert (skeleton.stem_channels, skeleton.first_block_channels) == (8, 4)
    assert (skeleton.head_channels, skeleton.image_channels) == (320, 1)
    assert skeleton.num_classes == 10


def test_what_a_chain_does_not_have_is_refused() -> None:
    assert CHAIN.resized(NetworkShape(cells_per_stage=1, reduction="pooled")) == CHAIN
    with pytest.raises(InfeasibleSupernet, match="2 cells per stage: chain is a chain") as refused:
        CHAIN.resized(NetworkShape(cells_per_stage=2))
    assert refused.value.parameter == "cells_per_stage"
    with pytest.raises(InfeasibleSupernet, match="leave it at pooled") as refused:
        CHAIN.resized(NetworkShape(reduction="residual"))
    assert refused.value.parameter == "reduction"
