import math
import random
from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from nas.errors import InfeasibleSearch, ScoreUndefined
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.search.base import Searcher
from nas.search.candidates import CandidateList
from nas.search.constraints import Constraints
from nas.search.evolution import EvolutionSearcher
from nas.search.loop import search
from nas.search.random import RandomSearcher
from nas.search.state import Evaluation, History, Memory, SearchState
from nas.spaces.base import Architecture
from nas.spaces.cell import CellSpace
from tests.nas.search.searching import (
    DIGITS,
    KINDS,
    NB201,
    PARTITION,
    VALID,
    arbitrary,
    crc,
    every,
    run,
    searcher_of,
)


def history_of(cells: Sequence[Architecture], scores: Sequence[float]) -> History:
    return History(
        Evaluation(architecture=cell, score=score)
        for cell, score in zip(cells, scores, strict=True)
    )


@every(budget=37)
def test_the_budget_is_spent_exactly_and_nothing_is_evaluated_twice(searcher: Searcher) -> None:
    events = run(searcher)
    assert [event.evaluation for event in events] == list(range(1, searcher.budget + 1))
    assert len({event.architecture for event in events}) == searcher.budget


@every(budget=1000)
def test_a_tiny_space_is_searched_to_its_last_valid_architecture(searcher: Searcher) -> None:
    events = run(searcher)
    assert len(events) == 116
    assert {DIGITS.decode(event.architecture) for event in events} == VALID


@every(budget=1000, flops=80_000, parameters=800)
def test_exactly_the_architectures_within_both_limits_are_searched(searcher: Searcher) -> None:
    feasible = {
        cell for cell in VALID if DIGITS.flops(cell) <= 80_000 and DIGITS.parameters(cell) <= 800
    }
    assert 0 < len(feasible) < len(VALID)
    assert {DIGITS.decode(event.architecture) for event in run(searcher)} == feasible


@every(budget=60)
def test_an_event_tells_the_facts_of_its_candidate(searcher: Searcher) -> None:
    best = -math.inf
    for event in run(searcher):
        cell = DIGITS.decode(event.architecture)
        best = max(best, event.score)
        assert event.score == crc(cell)
        assert event.best_score == best
        assert event.subspace == PARTITION.route(cell)
        assert event.flops == DIGITS.flops(cell)
        assert event.parameters == DIGITS.parameters(cell)
        assert event.nonlinearity_count == DIGITS.nonlinearity_count(cell)


@every(budget=30)
def test_the_seed_decides_the_trajectory(searcher: Searcher) -> None:
    assert run(searcher, seed=1) == run(searcher, seed=1)
    assert (run(searcher, seed=1) == run(searcher, seed=2)) == (searcher.kind == "exhaustive")


@every(budget=60)
def test_a_search_stopped_after_any_event_continues_with_the_same_candidates(
    searcher: Searcher,
) -> None:
    whole = run(searcher)
    for stop in range(len(whole) + 1):
        state = SearchState()
        events = search(searcher, PARTITION, arbitrary, state, 0)
        before = [next(events) for _ in range(stop)]
        stored = state.model_dump_json()
        events.close()
        after = run(searcher, state=SearchState.model_validate_json(stored))
        assert before + after == whole


@every(budget=10)
def test_a_finished_search_continues_with_nothing(searcher: Searcher) -> None:
    state = SearchState()
    assert len(run(searcher, state=state)) == searcher.budget
    assert run(searcher, state=state) == []


@every(budget=20)
def test_a_score_that_is_not_finite_stops_the_search_and_keeps_the_rest(
    searcher: Searcher,
) -> None:
    state = SearchState()

    def fails_at_the_third(architectures: Sequence[Architecture]) -> list[list[float]]:
        places = range(len(state.evaluations), len(state.evaluations) + len(architectures))
        return [[math.nan if place == 2 else 0.5] for place in places]

    with pytest.raises(ScoreUndefined, match="score by loss is nan"):
        run(searcher, evaluate=fails_at_the_third, state=state)
    assert len(state.evaluations) == 2
    SearchState.model_validate_json(state.model_dump_json())


def test_infeasible_flops_name_the_lowest_feasible_ones() -> None:
    lowest = min(NB201.flops(cell) for cell in NB201.enumerate() if NB201.is_valid(cell))
    Constraints(flops=lowest).check(NB201)
    # Without any convolution in the cells: stem, two reductions and classifier.
    assert lowest == 442_368 + 2 * 3_670_016 + 640
    partition = NonlinearitySplitter().split(NB201)
    with pytest.raises(InfeasibleSearch, match=r"within 7783039 FLOPs; .* 7783040 FLOPs"):
        run(RandomSearcher(constraints=Constraints(flops=lowest - 1)), partition=partition)


@pytest.mark.parametrize("kind", KINDS)
def test_no_candidate_has_more_nonlinear_functions_than_allowed(kind: str) -> None:
    searcher = searcher_of(kind, 125, DIGITS, constraints=Constraints(nonlinearity_count=1))
    counts = [event.nonlinearity_count for event in run(searcher)]
    assert max(counts) == 1
    assert len(counts) > 10


def test_a_count_that_nothing_has_and_one_that_costs_too_much_are_infeasible() -> None:
    convolutions = DIGITS.model_copy(update={"operations": ("nor_conv_1x1", "nor_conv_3x3")})
    convolutions = type(DIGITS).model_validate(convolutions.model_dump(exclude={"edges"}))
    with pytest.raises(InfeasibleSearch, match=r"at most 0 .*; the fewest are 2"):
        Constraints(nonlinearity_count=0).check(convolutions)
    Constraints(nonlinearity_count=0).check(DIGITS)
    # Without convolutions a cell has fewer parameters than any other, but not fewer than it needs.
    with pytest.raises(
        InfeasibleSearch, match="within 1 parameters and 0 nonlinear functions; the cheapest need"
    ):
        Constraints(parameters=1, nonlinearity_count=0).check(DIGITS)


def test_limits_that_exclude_each_other_are_infeasible() -> None:
    cheapest = min(DIGITS.parameters(cell) for cell in VALID)
    assert cheapest == 194
    with pytest.raises(
        InfeasibleSearch,
        match="digits-mini is within 9999999 FLOPs and 193 parameters; "
        "the cheapest need 4688 FLOPs with 194 parameters",
    ):
        Constraints(flops=9_999_999, parameters=cheapest - 1).check(DIGITS)


@every(budget=20, flops=4_688)
def test_the_tightest_feasible_limit_is_searched(searcher: Searcher) -> None:
    events = run(searcher)
    cheapest = {cell for cell in VALID if DIGITS.flops(cell) == 4_688}
    assert len(events) == min(searcher.budget, len(cheapest)) >= 20
    assert {event.flops for event in events} == {4_688}


def large_space() -> CellSpace:
    return CellSpace(
        name="large",
        num_nodes=7,
        operations=NB201.choices[0],
        skeleton=DIGITS.skeleton,  # type: ignore[attr-defined]
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "exhaustive"])
def test_a_limit_too_tight_for_random_tries_still_finds_the_cheapest(kind: str) -> None:
    # Cells of 21 edges without any live convolution are one in many thousands.
    space = large_space()
    lowest = min(space.flops(cell) for cell in space.cheapest())
    searcher = searcher_of(kind, 5, space, constraints=Constraints(flops=lowest))
    partition = NonlinearitySplitter().split(space)
    events = run(searcher, partition=partition)
    assert 1 <= len(events) <= 5
    assert {event.flops for event in events} == {lowest}


def test_a_full_request_is_drawn_uniformly_from_what_is_left() -> None:
    # All but three valid cells are taken; each of the three comes first a third of the time.
    left = sorted(VALID)[:3]
    taken = sorted(VALID)[3:]
    history = history_of(taken, [0.0] * len(taken))
    first = []
    for seed in range(600):
        candidates = CandidateList(DIGITS, Constraints(), history)
        candidates.collect_random(1, random.Random(seed))
        first += candidates.found
    for cell in left:
        assert first.count(cell) / 600 == pytest.approx(1 / 3, abs=0.06)


def test_evolution_finds_a_better_cell_than_random_search_on_nas_bench_201() -> None:
    def convolutions(architectures: Sequence[Architecture]) -> list[list[float]]:
        return [[float(cell.count("nor_conv_3x3"))] for cell in architectures]

    partition = NonlinearitySplitter().split(NB201)
    best = {
        searcher.kind: [
            run(searcher, partition=partition, evaluate=convolutions, seed=seed)[-1].best_score
            for seed in range(3)
        ]
        for searcher in (EvolutionSearcher(budget=400), RandomSearcher(budget=400))
    }
    # One cell in 15,625 has six; random search meets one of five (24 cells) at best by chance.
    assert best["evolution"] == [6.0, 6.0, 6.0]
    assert max(best["random"]) < 6


PLANTED = NB201.sample(random.Random(7))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("random", "exhaustive")])
@pytest.mark.parametrize("seed", range(2))
def test_a_planted_optimum_is_found_with_a_tenth_of_the_space(kind: str, seed: int) -> None:
    def agreement(architectures: Sequence[Architecture]) -> list[list[float]]:
        pairs = [zip(cell, PLANTED, strict=True) for cell in architectures]
        return [[float(sum(a == b for a, b in pair))] for pair in pairs]

    partition = NonlinearitySplitter().split(NB201)
    searcher = searcher_of(kind, 1500, NB201)
    best = 0.0
    for event in search(searcher, partition, agreement, SearchState(), seed):
        best = event.best_score
        if best == 6:
            assert NB201.decode(event.architecture) == PLANTED
            break
    assert best == 6


def test_mutants_stay_close_to_the_best_of_all_evaluations() -> None:
    searcher = EvolutionSearcher(
        population_size=20, num_parents=1, num_mutations=20, num_crossovers=0
    )
    rng = random.Random(0)
    cells = list(dict.fromkeys(NB201.sample(rng) for _ in range(60)))
    history = history_of(cells, [float(place == 7) for place in range(len(cells))])
    proposed = searcher.propose(NB201, history, Memory(), rng)
    assert len(proposed) == 20
    assert set(proposed).isdisjoint(cells)
    # A mutant redraws each of six decisions with probability 0.1; two random cells differ in 4.8.
    distances = [sum(a != b for a, b in zip(cells[7], cell, strict=True)) for cell in proposed]
    assert max(distances) <= 3
    assert sum(distances) / 20 < 2


def test_crossovers_take_every_decision_from_one_of_two_parents() -> None:
    parents = [("nor_conv_3x3",) * 6, ("skip_connect",) * 6]
    searcher = EvolutionSearcher(
        population_size=10, num_parents=2, num_mutations=0, num_crossovers=10
    )
    history = history_of(parents, [1.0, 1.0])
    proposed = searcher.propose(NB201, history, Memory(), random.Random(0))
    assert len(proposed) == 10
    assert all(set(cell) <= {"nor_conv_3x3", "skip_connect"} for cell in proposed)


def test_more_offspring_than_the_population_is_refused() -> None:
    with pytest.raises(ValidationError, match="make 30 candidates, more than population_size 20"):
        EvolutionSearcher(population_size=20, num_mutations=15, num_crossovers=15)


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Constraints(flops=0)
