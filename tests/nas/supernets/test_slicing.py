"""What a narrower supernet takes from a wider one, read off numbered weights and off scores."""

import random

import pytest
import torch
import yaml
from pydantic import TypeAdapter
from torch import Tensor, nn

from nas.modules import FactorisedReduction
from nas.operations import OPERATIONS
from nas.operations.base import Place
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.partition.routing import Routing
from nas.spaces import AnySpace, catalogue
from nas.spaces.base import Space
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_supernet
from nas.supernets.channels import halves, weights, whole
from nas.supernets.network import Network, on_device
from nas.supernets.slicing import shares

OWN = """
- kind: cell
  name: concatenating
  num_nodes: 4
  num_inputs: 1
  operations: [none, skip_connect, nor_conv_3x3, sep_conv_3x3, mbconv_3x3_e3_se]
  outputs: [2, 3]
  skeleton: {width: 8, cells_per_stage: 1, num_stages: 2, image_size: 8, image_channels: 2, num_classes: 3}
- kind: cell
  name: halving
  num_nodes: 5
  num_inputs: 2
  operations: [none, skip_connect, max_pool_3x3_bn, dil_conv_3x3, mbconv_3x3_e3_se]
  outputs: [2, 4]
  skeleton:
    {width: 8, widths: [8, 12], cells_per_stage: 2, num_stages: 2, reduction: cell,
     stem_multiplier: 2, image_size: 8, image_channels: 2, num_classes: 3}
- kind: layered
  name: halving-chain
  operations: [identity, mbconv_3x3_e3_se, sep_conv_3x3]
  layers:
    - {channels: 8}
    - {channels: 8, stride: 2, operations: [skip_connect, avg_pool_3x3, nor_conv_3x3]}
    - {channels: 8}
    - {channels: 12, stride: 2, operations: [skip_connect, mbconv_5x5_e3]}
    - {channels: 12}
  skeleton: {stem_channels: 8, stem_stride: 1, image_size: 8, image_channels: 2, num_classes: 3}
"""
SPACES: list[Space] = [
    *(catalogue()[name] for name in ("nas-bench-201", "darts-cell", "mobilenet-proxyless-se")),
    *TypeAdapter(list[AnySpace]).validate_python(yaml.safe_load(OWN)),
]
SHAPES = {
    "nas-bench-201": NetworkShape(cells_per_stage=2, reduction="residual"),
    "darts-cell": NetworkShape(cells_per_stage=1),
    "mobilenet-proxyless-se": NetworkShape(),
    "concatenating": NetworkShape(reduction="residual"),
    "halving": NetworkShape(),
    "halving-chain": NetworkShape(),
}
EVERY = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
Positions = dict[str, list[list[int]]]


def built(space: Space, width: int, partition=None, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    shape = SHAPES[space.name]
    sized = NetworkShape(
        width, shape.cells_per_stage, image_channels=2, num_classes=3, reduction=shape.reduction
    )
    return on_device(build_supernet(space, sized, partition).double(), "cpu")


def numbered(network: Network) -> Network:
    """Give every weight of every tensor its own number."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.arange(weight.numel()).reshape(weight.shape))
    return network


def plain_name(name: str) -> str:
    """A block that adds its input is wrapped where it keeps the shape, which may need width 1."""
    return name.replace(".inner.", ".")


def positions_taken(parent: Network, heir: Network) -> Positions:
    """Per weight of `heir` and dimension, the positions in the parent that it was filled from.

    Both networks are changed: every weight then holds a number.
    """
    numbered(parent)
    for share in shares(parent, heir):
        share.hand_over()
    origins = {plain_name(name): weight.shape for name, weight in parent.named_parameters()}
    found: Positions = {}
    for name, weight in heir.named_parameters():
        places = torch.unravel_index(weight.detach().long(), origins[plain_name(name)])
        taken = []
        for dimension, place in enumerate(places):
            lines = place.movedim(dimension, 0).reshape(place.shape[dimension], -1)
            # The same positions along every other dimension: a block, not a jumble.
            assert torch.equal(lines, lines[:, :1].expand_as(lines)), name
            taken.append(lines[:, 0].tolist())
        found[plain_name(name)] = taken
    return found


@pytest.mark.parametrize(
    ("space", "width"),
    [(space, width) for width in (5, 2) for space in SPACES if width == 5 or "ing" in space.name],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_narrower_supernet_scores_as_the_wider_one_without_the_other_channels(
    space: Space, width: int
) -> None:
    taken = positions_taken(built(space, 8), built(space, width))
    parent, heir = built(space, 8, seed=1), built(space, width, seed=2)
    for share in shares(parent, heir):
        share.hand_over()
    with torch.no_grad():
        # Nothing reads the channels that were not taken.
        for name, weight in parent.named_parameters():
            name = plain_name(name)
            if name in taken and weight.ndim > 1 and weight.shape[1] > 1:
                read = torch.zeros(weight.shape[1], dtype=torch.bool)
                read[taken[name][1]] = True
                weight[:, ~read] = 0
    images = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    rng = random.Random(0)
    for _ in range(4):
        architecture = space.sample(rng)
        with torch.no_grad():
            expected, found = (network(images, architecture) for network in (parent, heir))
        # Sixty BatchNorms in a row enlarge what rounding makes of the zeros.
        assert (expected - found).abs().max() < 1e-7, architecture


@EVERY
def test_a_supernet_as_wide_takes_everything(space: Space) -> None:
    parent, heir = built(space, 4, seed=1), built(space, 4, seed=2)
    for share in shares(parent, heir):
        share.hand_over()
    taken = dict(heir.named_parameters())
    for name, weight in parent.named_parameters():
        assert torch.equal(taken[name], weight), name


@EVERY
def test_every_weight_of_an_heir_comes_from_one_of_its_parent_once(space: Space) -> None:
    parent, heir = built(space, 6), built(space, 1)
    found = list(shares(parent, heir))
    assert {id(share.heir) for share in found} == {id(weight) for weight in heir.parameters()}
    assert len({id(share.parent) for share in found}) == len(found)


def test_where_nothing_is_concatenated_the_first_channels_of_the_whole_are_taken() -> None:
    taken = positions_taken(built(SPACES[0], 8), built(SPACES[0], 3))
    assert taken["stem.0.weight"] == [[0, 1, 2], [0, 1], [0, 1, 2], [0, 1, 2]]
    # The second stage has twice as many: six of sixteen.
    assert taken["blocks.2.first.0.weight"][:2] == [[*range(6)], [0, 1, 2]]
    assert taken["classifier.weight"] == [[0, 1, 2], [*range(12)]]
    assert taken["classifier.bias"] == [[0, 1, 2]]


def test_of_concatenated_nodes_the_first_channels_of_each_are_taken() -> None:
    space = next(space for space in SPACES if space.name == "concatenating")
    taken = positions_taken(built(space, 8), built(space, 3))
    first = "blocks.1.first.0.weight"  # a reduction that reads nodes 2 and 3 of the first cell
    assert taken[first][:2] == [[*range(6)], [0, 1, 2, 8, 9, 10]]
    assert taken["classifier.weight"][1] == [*range(6), *range(16, 22)]


def test_of_a_factorised_reduction_the_first_channels_of_each_half_are_taken() -> None:
    # In the cell that halves the image every node is [even pixels | odd pixels]: 6 and 6 channels.
    space = next(space for space in SPACES if space.name == "halving")
    taken = positions_taken(built(space, 8), built(space, 6))
    assert taken["blocks.2.operations.0-skip_connect.even.weight"][0] == [*range(5)]
    assert taken["blocks.2.operations.0-skip_connect.odd.weight"][0] == [*range(4)]
    nodes = [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert taken["blocks.2.operations.0-dil_conv_3x3.0.weight"][0] == nodes
    assert taken["blocks.2.preprocess.1.1.weight"][0] == nodes
    # The cell behind it reads nodes 2 and 4 of that one.
    behind = taken["blocks.3.preprocess.1.1.weight"]
    assert behind[1] == [*nodes, *(12 + position for position in nodes)]


def test_a_module_of_its_own_is_described_by_hand() -> None:
    module = FactorisedReduction(4, 5, affine=False)
    found = {
        weight.name: weight.blocks for weight in weights(module, "x", reads=halves, gives=whole)
    }
    kernel = ((1,), (1,))
    assert found == {
        "x.even.weight": ((3,), (2, 2), *kernel),
        "x.odd.weight": ((2,), (2, 2), *kernel),
    }


@pytest.mark.parametrize("kind", OPERATIONS)
def test_every_operation_tells_how_its_channels_lie(kind: str) -> None:
    for place in (Place(6, 6), Place(6, 6, 2)):
        if not OPERATIONS[kind].fits(place):
            continue
        module = OPERATIONS[kind].build(place, affine=False)
        found = list(weights(module, kind, reads=halves, gives=halves))
        assert {id(weight.tensor) for weight in found} == {id(own) for own in module.parameters()}
        for weight in found:
            assert tuple(map(sum, weight.blocks)) == tuple(weight.tensor.shape), weight.name


def test_a_layer_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"cell\.0: a narrower supernet cannot take its share of"):
        list(weights(nn.Sequential(nn.PReLU()), "cell", reads=whole, gives=whole))


def test_a_plain_parent_fills_all_banks_and_banks_fill_their_own() -> None:
    space = SPACES[0]
    routing = Routing(routing="accumulated", cells_per_stage=2)
    splitter = NonlinearitySplitter(num_subspaces=2, thresholds=(8,))
    partition = routing.partition(splitter, space)
    plain, banked = built(space, 6, seed=1), built(space, 4, partition, seed=2)
    for share in shares(plain, banked):
        share.hand_over()
    last = banked.blocks[-1]  # type: ignore[index]
    assert sorted(last) == ["0", "1"]
    key = "operations.0-nor_conv_3x3.0.weight"
    source = dict(plain.named_parameters())[f"blocks.{len(banked.blocks) - 1}.{key}"]  # type: ignore[arg-type]
    for cell in last.values():
        # Of 24 channels in the last stage, the first 16.
        assert torch.equal(dict(cell.named_parameters())[key], source[:16, :16])
    heir = built(space, 3, partition, seed=3)
    wide = built(space, 4, partition, seed=4)
    for share in shares(wide, heir):
        share.hand_over()
    own: dict[str, Tensor] = dict(wide.named_parameters())
    one, other = (dict(heir.named_parameters())[f"blocks.7.{bank}.{key}"] for bank in ("0", "1"))
    assert torch.equal(one, own[f"blocks.7.0.{key}"][:12, :12])
    assert torch.equal(other, own[f"blocks.7.1.{key}"][:12, :12])
    assert not torch.equal(one, other)
