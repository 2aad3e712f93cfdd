import random
from collections.abc import Sequence

import numpy as np
import pytest
from pydantic import ValidationError

from nas.partition.nonlinearity import NonlinearitySplitter
from nas.search.base import Searcher
from nas.search.nsga2 import Nsga2Searcher, merits_of
from nas.search.pareto import dominates, hypervolume, pareto_front
from nas.search.random import RandomSearcher
from nas.search.state import Evaluation, History, Memory
from nas.spaces.base import Architecture
from tests.nas.search.searching import NB201, run

RNG = random.Random(0)
CELLS = list(dict.fromkeys(NB201.sample(RNG) for _ in range(40)))


def history_of(points: Sequence[Sequence[float]]) -> History:
    return History(
        Evaluation(architecture=cell, score=point[0], objectives=tuple(point))
        for cell, point in zip(CELLS, points, strict=False)
    )


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_are_fronts_peeled_one_after_the_other(size: int) -> None:
    points = np.random.default_rng(size).integers(0, 5, (30, size)).astype(float)
    ranks = [merit.rank for merit in merits_of(points)]
    left, rank = list(range(30)), 0
    while left:
        front = {left[place] for place in pareto_front([tuple(points[place]) for place in left])}
        assert {place for place in range(30) if ranks[place] == rank} == front
        left = [place for place in left if place not in front]
        rank += 1


def test_crowding_is_the_sum_of_the_normalised_sides_around_a_point() -> None:
    # Ends are infinitely far; the second has sides 3/4 and 3/4, the third 3/4 and 2/4.
    points = np.array([[0.0, 4.0], [1.0, 2.0], [3.0, 1.0], [4.0, 0.0]])
    merits = merits_of(points)
    assert [merit.rank for merit in merits] == [0] * 4
    distances = [-merit.crowding for merit in merits]
    assert distances[0] == distances[3] == np.inf
    # pymoo takes the mean over the objectives where the paper takes the sum.
    assert distances[1] / distances[2] == pytest.approx((3 / 4 + 3 / 4) / (3 / 4 + 2 / 4))


def test_an_objective_with_one_value_for_all_disturbs_nothing() -> None:
    points = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    merits = merits_of(points)
    assert [merit.rank for merit in merits] == [0, 2, 1, 2]
    assert not any(np.isnan(merit.crowding) for merit in merits)


def test_the_least_dominated_survive_and_of_the_last_front_the_least_crowded() -> None:
    # Minimised FLOPs, maximised loss score: the front is 0, 1, 2, 3; 4 and 5 are dominated.
    points = [(4.0, 4.0), (1.0, 0.0), (3.9, 3.8), (2.0, 1.0), (0.5, 3.0), (1.5, 4.0)]
    searcher = Nsga2Searcher(population_size=3)
    memory = searcher.observe(
        NB201, history_of(points), Memory(population=(0, 1, 2)), range(3, 6), RNG
    )
    # Of four on the front, the one closest to its neighbours leaves.
    assert sorted(memory.population) == [0, 1, 3]


def test_children_descend_from_the_population() -> None:
    parents = [("nor_conv_3x3",) * 6, ("skip_connect",) * 6]
    history = History(
        Evaluation(architecture=cell, score=1.0, objectives=(1.0, 1.0)) for cell in parents
    )
    searcher = Nsga2Searcher(population_size=2, mutation_probability=1e-9)
    for seed in range(10):
        memory = Memory(population=(0, 1))
        found = searcher.propose(NB201, history, memory, random.Random(seed))
        assert all(set(cell) == {"nor_conv_3x3", "skip_connect"} for cell in found)


def test_mutation_alone_changes_every_decision_at_probability_one() -> None:
    searcher = Nsga2Searcher(mutation_probability=1)
    mutant = searcher.mutated(NB201, CELLS[0], random.Random(0))
    assert all(a != b for a, b in zip(mutant, CELLS[0], strict=True))
    expected = Nsga2Searcher()
    changes = sum(
        a != b
        for seed in range(300)
        for a, b in zip(
            expected.mutated(NB201, CELLS[0], random.Random(seed)), CELLS[0], strict=True
        )
    )
    # One of six decisions on average.
    assert changes / 300 == pytest.approx(1, abs=0.2)


def convolutions(architectures: Sequence[Architecture]) -> list[list[float]]:
    # Rewards 3x3 convolutions and punishes their cost not at all: FLOPs are the other objective.
    return [
        [cell.count("nor_conv_3x3") + 0.5 * cell.count("skip_connect")] for cell in architectures
    ]


def front_volume(searcher: Searcher, seed: int) -> float:
    partition = NonlinearitySplitter().split(NB201)
    events = run(searcher, partition=partition, evaluate=convolutions, seed=seed)
    losses = [searcher.losses(tuple(event.objectives.values())) for event in events]
    return hypervolume(losses, (0.0, 2e8))


def test_it_covers_more_of_a_trade_off_than_random_search() -> None:
    objectives = ("loss", "flops")
    for seed in range(2):
        bred = front_volume(Nsga2Searcher(budget=500, objectives=objectives), seed)
        drawn = front_volume(RandomSearcher(budget=500, objectives=objectives), seed)
        assert bred > drawn


def test_the_front_of_what_was_found_is_mutually_non_dominated() -> None:
    searcher = Nsga2Searcher(budget=100, population_size=20)
    partition = NonlinearitySplitter().split(NB201)
    events = run(searcher, partition=partition, evaluate=convolutions)
    losses = [searcher.losses(tuple(event.objectives.values())) for event in events]
    front = [losses[place] for place in pareto_front(losses)]
    assert not any(dominates(one, other) for one in front for other in front)


def test_without_objectives_it_trades_the_scorer_for_flops() -> None:
    assert [str(aim) for aim in Nsga2Searcher(scorer="synflow").aims] == [
        "maximise synflow",
        "minimise flops",
    ]


def test_a_single_objective_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValidationError) as error:
        Nsga2Searcher(objectives=("loss",))
    (found,) = error.value.errors()
    assert found["loc"] == ("objectives",)
    assert found["msg"] == (
        "nsga2 needs two or more, and has only maximise loss: add flops or another, or take a "
        "searcher of one, such as evolution"
    )
