"""The plain forward pass is the truth that shared prefixes are compared with."""

import random
from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from nas.partition.accumulated import accumulated_partition
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Space
from nas.spaces.cell import CellSpace
from nas.spaces.shape import NetworkShape
from nas.supernets import evaluation
from nas.supernets.build import build_supernet
from nas.supernets.cell_network import Cell, CellNetwork
from nas.supernets.chain_network import ChainNetwork
from nas.supernets.evaluation import class_scores
from nas.supernets.network import Network, on_device
from nas.supernets.statistics import estimate_statistics, with_statistics

NB201, DIGITS = catalogue()["nas-bench-201"], catalogue()["digits-mini"]
TINY = NetworkShape(width=4, cells_per_stage=1, num_classes=3)
NETWORKS = {
    **{name: (space, TINY, ()) for name, space in catalogue().items()},
    "two cells a stage": (NB201, NetworkShape(width=4, cells_per_stage=2, num_classes=3), ()),
    "residual": (NB201, NetworkShape(width=4, num_classes=3, reduction="residual"), ()),
    "banks": (NB201, NetworkShape(width=4, cells_per_stage=1, num_classes=3), (1, 4)),
}
EVERY = pytest.mark.parametrize("kind", NETWORKS)


def built(kind: str) -> Network:
    space, shape, thresholds = NETWORKS[kind]
    partition = None
    if thresholds:
        splitter = NonlinearitySplitter(num_subspaces=3, thresholds=thresholds)
        partition = accumulated_partition(splitter, space, cells_per_stage=1, shared_cells=0)
    torch.manual_seed(3)
    return on_device(build_supernet(space, shape, partition), "cpu")


def drawn(space: Space, number: int = 16) -> list[Architecture]:
    """Random ones; of cells also some with dead edges and one that is dead as a whole."""
    rng = random.Random(4)
    found = [space.sample(rng) for _ in range(number)]
    if isinstance(space, CellSpace) and "none" in space.operations:
        everything = list(space.choices)
        with_dead = []
        while len(with_dead) < 4:
            member = tuple(rng.choice(names) for names in everything)
            dead = [not alive for alive in space.live(member)]
            if any(d and name != "none" for d, name in zip(dead, member, strict=True)):
                with_dead.append(member)
        found += [*with_dead, tuple("none" for _ in everything)]
    return found


def batches(network: Network) -> list[Tensor]:
    """Two of unequal size, an odd one among them."""
    channels = next(network.parameters()).shape[1]
    side = 32 if isinstance(network, ChainNetwork) else 9
    torch.manual_seed(5)
    made = [torch.randn(number, channels, side, side) for number in (6, 5)]
    return [batch.contiguous(memory_format=torch.channels_last) for batch in made]


def alone(network: Network, member: Architecture, images: list[Tensor]) -> Tensor:
    ((_, scores),) = class_scores(network, [member], images)
    return scores


@EVERY
def test_class_scores_are_those_of_the_plain_forward_pass(kind: str) -> None:
    network = built(kind).double()
    images = [batch.double() for batch in batches(network)]
    members = drawn(network.space)
    found = dict(class_scores(network, members, images))
    assert set(found) == set(members)
    for member in members:
        with torch.no_grad():
            plain = torch.cat([network(batch, member) for batch in images])
        torch.testing.assert_close(found[member], plain, rtol=1e-9, atol=1e-9)


@EVERY
def test_class_scores_agree_in_single_precision_and_with_fixed_statistics(kind: str) -> None:
    network = with_statistics(built(kind))
    images = batches(network)
    member = drawn(network.space)[0]
    estimate_statistics(network, member, images)
    scores = alone(network, member, images)
    network.eval()
    with torch.no_grad():
        plain = torch.cat([network(batch, member) for batch in images])
    torch.testing.assert_close(scores, plain, rtol=1e-5, atol=1e-5)


@EVERY
def test_class_scores_do_not_depend_on_what_is_evaluated_beside(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = built(kind)
    images = batches(network)
    members = drawn(network.space)
    together = dict(class_scores(network, members, images))
    shuffled = dict(class_scores(network, members[7:] + members[:3], images))
    for member in members[7:12]:
        assert torch.equal(together[member], alone(network, member, images))
        assert torch.equal(together[member], shuffled[member])
    monkeypatch.setattr(evaluation, "AT_ONCE", 3)
    monkeypatch.setattr(evaluation, "KEPT_BYTES", 20_000)
    for member, scores in class_scores(network, members, images):
        assert torch.equal(together[member], scores)


def test_architectures_of_one_live_form_are_evaluated_once() -> None:
    network = built("nas-bench-201")
    # Edge 1 <- 0 is none, so that the other edges of node 1 read nothing.
    alike = [
        ("none", "skip_connect", name, "nor_conv_1x1", other, "nor_conv_3x3")
        for name in ("none", "nor_conv_3x3", "skip_connect")
        for other in ("none", "avg_pool_3x3")
    ]
    found = dict(class_scores(network, alike, batches(network)))
    assert len(found) == 6
    assert len({scores.data_ptr() for scores in found.values()}) == 1


def test_the_first_cell_computes_every_prefix_once() -> None:
    network = built("digits-mini")
    assert isinstance(network, CellNetwork)
    calls: Counter[str] = Counter()
    first = network.blocks[0]
    assert isinstance(first, Cell)
    for key, module in first.operations.items():
        module.register_forward_hook(lambda *_, key=key: calls.update([key]))
    network.stem.register_forward_hook(lambda *_: calls.update(["stem"]))
    valid = [cell for cell in DIGITS.enumerate() if DIGITS.is_valid(cell)]
    assert len(list(class_scores(network, valid, batches(network)))) == len(valid)
    # Four operations connect. Edge 2 <- 1 reads one of four nodes 1; two batches.
    assert calls["stem"] == 2
    by_edge = Counter[str]()
    for key, number in calls.items():
        by_edge[key.partition("-")[0]] += number
    assert by_edge == {"stem": 2, "0": 2 * 4, "1": 2 * 4, "2": 2 * 4 * 4}


def test_all_cells_of_nas_bench_201_have_380_edges_with_features_of_their_own() -> None:
    network = built("nas-bench-201")
    forms = {NB201.live_form(cell): cell for cell in NB201.enumerate() if NB201.is_valid(cell)}
    # Three edges leave node 0 with one of four operations. Node 1 is one of four, and two edges
    # leave it. Node 2 has 84 values: edge 0 -> 2 gives nothing or one of four, edge 1 -> 2 nothing
    # or one of sixteen, and they are not both without.
    assert 3 * 4 + 2 * 4 * 4 + 84 * 4 == 380
    prefixes = {prefix for cell in forms.values() for prefix in network.walk(cell).prefixes}
    edges = {
        prefix
        for prefix in prefixes
        if isinstance(prefix, tuple) and prefix[0] in ("edge", "halved")
    }
    assert len(edges) == 380


def test_chains_share_their_first_layers() -> None:
    network = built("mobilenet-proxyless")
    assert isinstance(network, ChainNetwork)
    calls: Counter[int] = Counter()
    for index, layer in enumerate(network.layers):
        assert isinstance(layer, nn.ModuleDict)
        for module in layer.values():
            module.register_forward_hook(lambda *_, index=index: calls.update([index]))
    first = network.space.sample(random.Random(0))
    other = next(name for name in network.space.choices[-1] if name != first[-1])
    assert (
        len(list(class_scores(network, [first, (*first[:-1], other)], batches(network)[:1]))) == 2
    )
    assert [calls[index] for index in range(len(first))] == [1] * (len(first) - 1) + [2]


def test_evaluating_leaves_the_supernet_as_it_was() -> None:
    network = built("digits-mini")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert network.training
    scores = alone(network, drawn(DIGITS)[0], batches(network))
    assert not scores.requires_grad
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_what_is_kept_is_bounded_and_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    network = built("nas-bench-201")
    limit = 50_000
    monkeypatch.setattr(evaluation, "KEPT_BYTES", limit)
    made = []

    class Watched(evaluation.Kept):
        most = 0

        def features(self, *given):
            found = super().features(*given)
            self.most = max(self.most, self.num_bytes)
            return found

    def watched(*given):
        made.append(Watched(*given))
        return made[-1]

    monkeypatch.setattr(evaluation, "Kept", watched)
    list(class_scores(network, drawn(NB201, 60), batches(network)))
    assert len(made) == 2
    for kept in made:
        assert limit / 4 < kept.most <= limit / 2
        assert (len(kept), kept.num_bytes) == (0, 0)
