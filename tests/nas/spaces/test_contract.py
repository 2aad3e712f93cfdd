"""What every search space of the catalogue promises."""

import random
from collections import Counter
from math import prod

import pytest
import torch
from torch import Tensor, nn

from nas.errors import UnknownArchitecture
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Count, Space
from nas.spaces.labelling import EFFECTIVE, TOTAL, ChoiceSum, Labelling
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_stand_alone, build_supernet

pytestmark = pytest.mark.parametrize("space", catalogue().values(), ids=catalogue().keys())

TINY = NetworkShape(width=3, cells_per_stage=1, image_channels=2, num_classes=5)


def samples(space: Space, number: int) -> list[Architecture]:
    rng = random.Random(number)
    return [space.sample(rng) for _ in range(number)]


def test_strings_name_exactly_the_architectures(space: Space) -> None:
    rng = random.Random(0)
    anyhow = [tuple(rng.choice(names) for names in space.choices) for _ in range(50)]
    for architecture in samples(space, 50) + anyhow:
        code = space.encode(architecture)
        assert space.decode(code) == architecture
        assert code.isascii()
        assert not set(code) & set("/?#% \t\n")
        for wrong in (code + code, code[:-1], code.replace(architecture[0], "no_such", 1), ""):
            with pytest.raises(UnknownArchitecture, match="is no architecture of"):
                space.decode(wrong)


def test_histograms_sum_to_the_size(space: Space) -> None:
    assert space.size.all == prod(len(names) for names in space.choices)
    for reading in ("effective", "total"):
        histogram = space.histogram(reading)
        assert list(histogram) == sorted(histogram)
        numbers = histogram.values()
        assert all(0 <= number.valid <= number.all for number in numbers)
        size = Count(
            all=sum(number.all for number in numbers),
            valid=sum(number.valid for number in numbers),
        )
        assert size == space.size


def labellings(space: Space) -> list[Labelling]:
    rng = random.Random(1)
    weights = tuple(tuple(rng.randrange(5) for _ in names) for names in space.choices)
    return [EFFECTIVE, TOTAL, ChoiceSum(weights, modulus=3)]


def test_samples_are_valid_and_have_the_labels_asked_for(space: Space) -> None:
    rng = random.Random(2)
    for labelling in labellings(space):
        tallies = space.counting(labelling).tallies
        labels = [label for label, number in tallies.items() if number.valid]
        for label in labels:
            architecture = space.sample(rng, {label}, labelling)
            assert space.is_valid(architecture)
            assert space.label(architecture, labelling) == label
            assert len(architecture) == len(space.choices)
            for name, names in zip(architecture, space.choices, strict=True):
                assert name in names


def test_samples_of_the_whole_space_have_labels_in_proportion(space: Space) -> None:
    number = 2000
    drawn = Counter(space.nonlinearity_count(one) for one in samples(space, number))
    for count, tally in space.histogram().items():
        share = tally.valid / space.size.valid
        # Five standard deviations of the binomial.
        assert abs(drawn[count] - number * share) <= 5 * (number * share * (1 - share)) ** 0.5


def test_ranks_number_the_valid_architectures(space: Space) -> None:
    counting = space.counting()
    for architecture in samples(space, 20):
        assert counting.unrank(counting.rank(architecture)) == architecture
    assert len({counting.unrank(rank) for rank in range(50)}) == 50
    with pytest.raises(IndexError):
        counting.unrank(space.size.valid)


def test_a_supernet_runs_every_architecture(space: Space) -> None:
    torch.manual_seed(0)
    network = build_supernet(space, TINY)
    images = torch.randn(4, 2, 9, 9)
    for architecture in samples(space, 4):
        network.zero_grad(set_to_none=True)
        scores = network(images, architecture)
        assert scores.shape == (4, 5)
        assert not torch.equal(scores[0], scores[1])
        scores.square().sum().backward()
        assert any(weight.grad is not None for weight in network.parameters())
    assert not list(network.buffers())


def test_a_stand_alone_network_holds_and_runs_one_architecture(space: Space) -> None:
    torch.manual_seed(0)
    for architecture in samples(space, 3):
        network = build_stand_alone(space, architecture, TINY)
        scores = network(torch.randn(4, 2, 9, 9), architecture)
        assert scores.shape == (4, 5)
        scores.square().sum().backward()
        without = [name for name, weight in network.named_parameters() if weight.grad is None]
        # What a cell does to an input that no live edge reads is part of the skeleton.
        assert all(".preprocess." in name for name in without), without
        size = sum(weight.numel() for weight in network.parameters())
        assert size == space.resized(TINY).parameters(architecture)


def test_parameters_are_those_of_the_built_network(space: Space) -> None:
    # Tensors without contents: full sizes cost nothing.
    with torch.device("meta"):
        for architecture in samples(space, 24):
            network = build_stand_alone(space, architecture)
            built = sum(weight.numel() for weight in network.parameters())
            assert space.parameters(architecture) == built, architecture


def test_flops_are_those_that_the_built_network_executes(space: Space) -> None:
    images_of = {"cell": 8, "layered": 40}
    small = space.resized(NetworkShape(width=6)).model_dump()
    small["skeleton"]["image_size"] = images_of[small["kind"]]
    narrow = type(space).model_validate(small)
    for architecture in samples(space, 24):
        executed = multiply_adds(narrow, architecture, device="cpu")
        assert narrow.flops(architecture) == executed, architecture


def test_flops_of_the_full_network_are_those_that_it_executes(space: Space) -> None:
    for architecture in samples(space, 1):
        assert space.flops(architecture) == multiply_adds(space, architecture, device="meta")


def multiply_adds(space: Space, architecture: Architecture, device: str) -> int:
    """Return what convolutions and classifier execute for one image, counted by forward hooks."""
    skeleton = space.skeleton  # type: ignore[attr-defined]
    with torch.device(device):
        network = build_stand_alone(space, architecture).eval()
        image = torch.zeros(1, skeleton.image_channels, skeleton.image_size, skeleton.image_size)
    executed = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal executed
        assert isinstance(module, nn.Conv2d | nn.Linear)
        weights = module.weight.numel()
        pixels = output[0, 0].numel() if isinstance(module, nn.Conv2d) else 1
        executed += weights * pixels

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(image, architecture)
    return executed


def test_a_resized_space_is_the_same_space_in_another_network(space: Space) -> None:
    narrow = space.resized(TINY)
    assert narrow.choices == space.choices
    assert narrow.histogram() == space.histogram()
    assert space.resized(NetworkShape()) == space
    for architecture in samples(space, 5):
        assert narrow.parameters(architecture) < space.parameters(architecture)


def test_images_are_halved_as_often_as_the_space_says(space: Space) -> None:
    network = build_supernet(space, TINY)
    architecture = space.sample(random.Random(0))
    last = network.get_submodule("tail" if space.kind == "cell" else "head")
    seen: list[tuple[int, ...]] = []
    last.register_forward_hook(lambda _, given, __: seen.append(tuple(given[0].shape[2:])))
    whole = 2**space.num_halvings
    for side in (whole, whole + 1, 2 * whole + 1):
        network(torch.zeros(2, 2, side, side), architecture)
    assert seen == [(1, 1), (2, 2), (3, 3)]


def test_the_smallest_images_still_have_neighbours_to_halve(space: Space) -> None:
    def sides(side: int) -> list[int]:
        found = [side]
        for _ in range(space.num_halvings):
            found.append(-(-found[-1] // 2))
        return found

    assert all(side > 1 for side in sides(space.smallest_side)[:-1])
    smaller = sides(space.smallest_side - 1)[:-1]
    assert not all(side > 1 for side in smaller) or not space.num_halvings
    assert space.smallest_side == {"digits-mini": 1, "nas-bench-201": 3, "darts-cell": 3}.get(
        space.name, 17
    )
