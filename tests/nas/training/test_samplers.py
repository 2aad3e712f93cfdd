import random
from collections import Counter

import pytest

from nas.errors import InfeasibleSampling
from nas.partition.base import Partition
from nas.partition.none import NoneSplitter
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.seeds import stream
from nas.spaces import catalogue
from nas.spaces.base import Space
from nas.spaces.cell import CellSpace
from nas.spaces.layered import LayeredSpace
from nas.training.samplers.base import Route
from nas.training.samplers.fair import FairSampler
from nas.training.samplers.sandwich import SandwichSampler
from nas.training.samplers.supernet_balanced import SupernetBalancedSampler
from nas.training.samplers.uniform import UniformSampler

DRAWS = 30_000
PARTITION = NonlinearitySplitter(num_subspaces=3, thresholds=(1, 2)).split(
    catalogue()["nas-bench-201"]
)
ONE_EACH = SupernetBalancedSampler(architectures_per_step="one-per-subspace")


def test_methods_2_11_5_balanced_sampling_draws_each_subspace_a_third_of_the_time() -> None:
    sampler = SupernetBalancedSampler()
    drawn: Counter[int] = Counter()
    for step in range(DRAWS):
        # One stream per step, as the training schedule draws.
        (route,) = sampler.draw(PARTITION, step, stream(0, "architecture", step))
        drawn[route.subspace] += 1
    for index in range(3):
        assert drawn[index] / DRAWS == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("num_subspaces", [1, 2, 4])
def test_methods_2_11_5_a_mobilenet_step_returns_k_architectures_of_distinct_subspaces(
    num_subspaces: int,
) -> None:
    # The sets of the source: every other count from 36 on, the rest together.
    sets = ((36,), (38,), (40,))[: num_subspaces - 1]
    space = catalogue()["mobilenet-proxyless"]
    partition = NonlinearitySplitter(num_subspaces=num_subspaces, sets=sets).split(space)
    seen = set()
    for step in range(200):
        routes = ONE_EACH.draw(partition, step, stream(0, "architecture", step))
        assert [route.subspace for route in routes] == list(range(num_subspaces))
        for route in routes:
            assert partition.route(route.architecture) == route.subspace
            seen.add(route.architecture)
    assert len(seen) == 200 * num_subspaces


def test_one_architecture_per_subspace_is_drawn_uniformly_inside_it() -> None:
    partition = NonlinearitySplitter(num_subspaces=3).split(catalogue()["digits-mini"])
    rng = random.Random(0)
    drawn = Counter(
        route.architecture for step in range(6000) for route in ONE_EACH.draw(partition, step, rng)
    )
    # 30, 66 and 20 valid cells, 6,000 draws each: five standard deviations.
    for architecture, number in drawn.items():
        expected = 6000 / partition.subspaces[partition.route(architecture)].size.valid
        assert abs(number - expected) < 5 * expected**0.5
    assert len(drawn) == 116


def test_uniform_sampling_draws_each_subspace_by_its_size() -> None:
    sampler = UniformSampler()
    rng = stream(0, "uniform")
    drawn = Counter(sampler.draw(PARTITION, step, rng)[0].subspace for step in range(DRAWS))
    # 1642 + 7122, 5520 and 1000 of 15,284 valid cells.
    expected = (8764 / 15_284, 5520 / 15_284, 1000 / 15_284)
    assert sampler.target_shares(PARTITION) == pytest.approx(expected)
    for index, share in enumerate(expected):
        assert drawn[index] / DRAWS == pytest.approx(share, abs=0.01)


def test_balanced_sampling_draws_the_smallest_class_five_times_as_often_as_uniform() -> None:
    # (1/3) / 0.0654 = 5.1, the figure of the source.
    balanced = SupernetBalancedSampler().target_shares(PARTITION)[2]
    uniform = UniformSampler().target_shares(PARTITION)[2]
    assert balanced / uniform == pytest.approx(5.1, abs=0.05)


def test_both_balanced_forms_aim_at_the_same_shares_and_differ_in_steps() -> None:
    one = SupernetBalancedSampler()
    assert one.target_shares(PARTITION) == pytest.approx((1 / 3,) * 3)
    assert ONE_EACH.target_shares(PARTITION) == pytest.approx((1 / 3,) * 3)
    assert one.target_updates(PARTITION) == pytest.approx((1 / 3,) * 3)
    assert ONE_EACH.target_updates(PARTITION) == (1, 1, 1)


def one_space(space: Space) -> Partition:
    return NoneSplitter().split(space)


def chosen(routes: tuple[Route, ...], decision: int) -> Counter[str]:
    return Counter(route.architecture[decision] for route in routes)


@pytest.mark.parametrize("name", ["nas-bench-201", "darts-cell", "digits-mini"])
def test_a_fair_step_chooses_every_operation_of_every_decision_exactly_once(name: str) -> None:
    space = catalogue()[name]
    partition = NonlinearitySplitter(num_subspaces=3).split(space)
    for step in range(30):
        routes = FairSampler().draw(partition, step, stream(0, "architecture", step))
        for decision, names in enumerate(space.choices):
            assert chosen(routes, decision) == dict.fromkeys(names, 1)
        assert all(space.is_valid(route.architecture) for route in routes)
        assert [partition.route(route.architecture) for route in routes] == [
            route.subspace for route in routes
        ]


def test_a_fair_step_pairs_operations_anew_and_deals_all_live_pairs_alike() -> None:
    # Two layers of three operations: 9 architectures, 3 of them in each step.
    space = chain(("identity", "nor_conv_1x1", "nor_conv_3x3"), None, None)
    rng = random.Random(1)
    drawn = Counter(
        route.architecture
        for step in range(3000)
        for route in FairSampler().draw(one_space(space), step, rng)
    )
    assert len(drawn) == 9
    for number in drawn.values():
        assert abs(number - 1000) < 5 * 1000**0.5


def chain(operations: tuple[str, ...], *layers: tuple[str, ...] | None) -> LayeredSpace:
    """Layers of 8 channels; None stands for the chain's own operations."""
    return LayeredSpace.model_validate(
        {
            "name": "chain",
            "operations": operations,
            "layers": [{"channels": 8, "operations": names} for names in layers],
            "skeleton": {
                "stem_channels": 8,
                "image_size": 8,
                "image_channels": 1,
                "num_classes": 10,
            },
        }
    )


FIVE = ("identity", "nor_conv_1x1", "nor_conv_3x3", "sep_conv_3x3", "sep_conv_5x5")


def test_decisions_with_fewer_operations_are_exactly_fair_over_a_round_of_steps() -> None:
    # Five architectures per step: 3 operations get one each and two turns, 2 get two and one turn.
    space = chain(FIVE, None, FIVE[:3], FIVE[:2], FIVE[:1])
    totals: list[Counter[str]] = [Counter() for _ in space.choices]
    for step in range(6):
        routes = FairSampler().draw(one_space(space), step, stream(0, "architecture", step))
        assert len(routes) == 5
        for decision, total in enumerate(totals):
            total.update(chosen(routes, decision))
        assert sorted(chosen(routes, 0).values()) == [1] * 5
        assert sorted(chosen(routes, 1).values()) == [1, 2, 2]
        assert sorted(chosen(routes, 2).values()) == [2, 3]
    assert [set(total.values()) for total in totals] == [{6}, {10}, {15}, {30}]
    (targets,) = FairSampler().operation_targets(one_space(space))
    assert targets is not None
    for shares, total in zip(targets, totals, strict=True):
        assert shares == pytest.approx({name: number / 30 for name, number in total.items()})


def test_the_mobilenet_layers_of_six_and_seven_operations_are_dealt_fairly() -> None:
    space = catalogue()["mobilenet-proxyless"]
    totals: list[Counter[str]] = [Counter() for _ in space.choices]
    for step in range(6):
        routes = FairSampler().draw(one_space(space), step, stream(0, "architecture", step))
        for decision, total in enumerate(totals):
            total.update(chosen(routes, decision))
    # 6 steps of 7 architectures; 42 choices among 7 or 6 operations.
    assert {len(total): set(total.values()) for total in totals} == {7: {6}, 6: {7}}


def cell(num_nodes: int, edges: list[tuple[int, int, list[str]]]) -> CellSpace:
    base = catalogue()["digits-mini"].model_dump()
    return CellSpace.model_validate(
        base
        | {
            "name": "made",
            "num_nodes": num_nodes,
            "edges": [
                {"source": source, "target": target, "operations": names}
                for source, target, names in edges
            ],
        }
    )


def test_none_never_takes_a_turn_and_is_left_out_where_it_cuts_the_only_path() -> None:
    few, many = ["none", "skip_connect"], ["none", *FIVE[1:3]]
    space = cell(3, [(0, 1, many), (1, 2, many), (0, 2, few)])
    totals: list[Counter[str]] = [Counter() for _ in space.choices]
    for step in range(20):
        routes = FairSampler().draw(one_space(space), step, stream(0, "architecture", step))
        assert all(space.is_valid(route.architecture) for route in routes)
        for decision, total in enumerate(totals):
            total.update(chosen(routes, decision))
    by_edge = dict(zip(space.graph.edges, totals, strict=True))
    assert by_edge[0, 1] == by_edge[1, 2] == dict.fromkeys(many, 20)
    assert by_edge[0, 2] == {"none": 20, "skip_connect": 40}
    bridge = cell(3, [(0, 1, many), (1, 2, FIVE[1:3])])
    routes = FairSampler().draw(one_space(bridge), 0, random.Random(0))
    assert [chosen(routes, decision) for decision in (0, 1)] == [dict.fromkeys(FIVE[1:3], 1)] * 2
    (targets,) = FairSampler().operation_targets(one_space(bridge))
    assert targets is not None
    assert targets[0] == {"none": 0, "nor_conv_1x1": 0.5, "nor_conv_3x3": 0.5}


def test_a_decision_with_a_single_operation_is_fair_by_itself() -> None:
    space = chain(FIVE[:1], None, None)
    (route,) = FairSampler().draw(one_space(space), 0, random.Random(0))
    assert route.architecture == ("identity", "identity")
    FairSampler().check(one_space(space))


def test_fair_sampling_is_refused_where_nearly_every_deal_holds_a_dead_architecture() -> None:
    # Two paths of four edges; of two architectures each has to keep the other path whole.
    pair = ["none", "skip_connect"]
    paths = [(0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 7)]
    space = cell(8, [(source, target, pair) for source, target in paths])
    with pytest.raises(InfeasibleSampling, match="nearly every deal holds a dead") as error:
        FairSampler().check(one_space(space))
    assert error.value.parameter == "kind"
    for name in ("nas-bench-201", "darts-cell", "mobilenet-proxyless"):
        FairSampler().check(one_space(catalogue()[name]))


def test_with_several_sub_spaces_a_fair_sampler_has_no_target() -> None:
    assert FairSampler().target_shares(PARTITION) is None
    assert FairSampler().target_updates(PARTITION) is None
    assert FairSampler().operation_targets(PARTITION) == (None, None, None)
    assert FairSampler().target_shares(one_space(PARTITION.space)) == (1,)


@pytest.mark.parametrize("name", ["digits-mini", "uneven", "chain"])
def test_a_sandwich_holds_the_largest_and_the_smallest_architecture_exactly_once(
    name: str,
) -> None:
    made = {
        "digits-mini": catalogue()["digits-mini"],
        "uneven": cell(
            4,
            [
                (0, 1, ["none", "sep_conv_3x3", "nor_conv_1x1"]),
                (1, 2, ["none", "skip_connect"]),
                (0, 3, ["none"]),
                (1, 3, ["nor_conv_3x3", "skip_connect"]),
                (2, 3, ["none", "nor_conv_1x1"]),
            ],
        ),
        "chain": chain(FIVE, None, FIVE[1:3], FIVE[1:4]),
    }[name]
    flops = [made.flops(member) for member in made.enumerate() if made.is_valid(member)]
    routes = SandwichSampler(num_random=3).draw(one_space(made), 0, random.Random(0))
    assert len(routes) == 5
    assert made.flops(routes[0].architecture) == max(flops)
    assert made.flops(routes[1].architecture) == min(flops)


def test_a_sandwich_aims_at_what_it_draws_in_every_sub_space() -> None:
    space = catalogue()["digits-mini"]
    partition = NonlinearitySplitter(num_subspaces=3).split(space)
    sampler = SandwichSampler(num_random=2)
    updates: Counter[int] = Counter()
    samples: list[Counter[tuple[int, str]]] = [Counter() for _ in range(3)]
    rng = random.Random(0)
    for step in range(6000):
        routes = sampler.draw(partition, step, rng)
        updates.update({route.subspace for route in routes})
        for route in routes:
            samples[route.subspace].update(enumerate(route.architecture))
    for index, expected in enumerate(sampler.target_updates(partition)):
        assert updates[index] / 6000 == pytest.approx(expected, abs=0.025)
    for counted, targets in zip(samples, sampler.operation_targets(partition), strict=True):
        assert targets is not None
        for decision, shares in enumerate(targets):
            assert sum(shares.values()) == pytest.approx(1)
            total = sum(counted[decision, name] for name in shares)
            for name, share in shares.items():
                assert counted[decision, name] / total == pytest.approx(share, abs=0.03)


def test_uniform_draws_inside_a_sub_space_aim_at_the_shares_of_its_members() -> None:
    for sampler in (SupernetBalancedSampler(), ONE_EACH, UniformSampler()):
        assert sampler.operation_targets(PARTITION) == PARTITION.operation_shares
    # Three convolutions on a path take all of its edges, the first of which is 0 -> 1.
    targets = UniformSampler().operation_targets(PARTITION)[2]
    assert targets is not None
    assert targets[0] == pytest.approx(
        {name: 0.5 if name.startswith("nor_conv") else 0.0 for name in targets[0]}
    )
