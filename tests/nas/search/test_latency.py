"""Latency as an objective and as a limit of a search, by made-up values."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from nas.errors import InfeasibleSearch
from nas.events import CandidateEvaluated, LatencyMeasured, SearchRemarked
from nas.latency.latency import Latency
from nas.latency.sources.measured import MeasuredLatency
from nas.latency.sources.table import TableLatency
from nas.partition.none import NoneSplitter
from nas.search.base import Searcher
from nas.search.constraints import Constraints
from nas.search.local_search import LocalSearcher
from nas.search.loop import search
from nas.search.nsga2 import Nsga2Searcher
from nas.search.random import RandomSearcher
from nas.search.state import SearchState
from nas.spaces.base import Architecture, Space
from nas.spaces.cell import CellSpace
from tests.nas.search.searching import (
    DIGITS,
    KINDS,
    NB201,
    PARTITION,
    VALID,
    arbitrary,
    crc,
    run,
    searcher_of,
)

OBJECTIVES = {"nsga2": ("loss", "latency"), "pareto-novelty": ("loss", "latency")}
"""Of the searchers that take several."""


def ms_of(architecture: Architecture) -> float:
    """A fixed latency per architecture between 1 and 2 ms, without any structure."""
    return 1 + crc(architecture[::-1])


class Meter:
    """Measures by `ms_of`, and remembers whom."""

    def __init__(self) -> None:
        self.asked: list[Architecture] = []

    def __call__(self, architecture: Architecture) -> Latency:
        self.asked.append(architecture)
        return Latency(ms=ms_of(architecture), spread_ms=0.1, device="cpu Some Chip")


def limited(kind: str, budget: int, limit: float | None, space: Space = DIGITS) -> Searcher:
    constraints = Constraints(latency=limit)
    changes: dict[str, Any] = {"constraints": constraints, "latency": MeasuredLatency()}
    if kind in OBJECTIVES:
        changes["objectives"] = OBJECTIVES[kind]
    return searcher_of(kind, budget, space, **changes)


def candidates(events: Sequence[object]) -> list[CandidateEvaluated]:
    return [event for event in events if isinstance(event, CandidateEvaluated)]


def random_spaces(number: int) -> Iterator[Space]:
    rng = random.Random(0)
    for place in range(number):
        yield CellSpace(
            name=f"random-{place}",
            num_nodes=rng.choice((3, 4)),
            operations=tuple(rng.sample(NB201.choices[0], rng.choice((2, 3)))),
            skeleton=DIGITS.skeleton,  # type: ignore[attr-defined]
        )


@pytest.mark.parametrize("kind", KINDS)
def test_no_candidate_is_ever_above_the_limit_nor_scored_if_it_would_be(kind: str) -> None:
    for seed, space in enumerate(random_spaces(7)):
        valid = [member for member in space.enumerate() if space.is_valid(member)]
        if not valid:
            continue
        rng = random.Random(seed)
        limit = sorted(map(ms_of, valid))[rng.randrange(len(valid))]
        feasible = {member for member in valid if ms_of(member) <= limit}
        scored: list[Architecture] = []

        def score(chunk: Sequence[Architecture], scored=scored) -> list[list[float]]:
            scored += chunk
            return arbitrary(chunk)

        meter, budget = Meter(), rng.randint(5, 60)
        partition = NoneSplitter().split(space)
        searcher = limited(kind, budget, limit, space)
        events = run(searcher, seed=seed, partition=partition, evaluate=score, latency=meter)
        found = [space.decode(event.architecture) for event in candidates(events)]
        assert found == scored
        assert set(found) <= feasible
        assert len(found) == len(set(found)) == min(searcher.budget, len(feasible))
        assert len(meter.asked) == len(set(meter.asked))
        assert set(meter.asked) >= set(found)


@pytest.mark.parametrize("improvement", ["first", "steepest"])
def test_local_search_goes_on_where_all_neighbours_were_too_slow(improvement: str) -> None:
    # So few are fast that hardly any has a neighbour among them.
    limit = sorted(map(ms_of, VALID))[11]
    for seed in range(10):
        searcher = LocalSearcher(
            budget=12, improvement=improvement, constraints=Constraints(latency=limit)
        )
        found = candidates(run(searcher, seed=seed, latency=Meter()))
        assert {DIGITS.decode(event.architecture) for event in found} == {
            member for member in VALID if ms_of(member) <= limit
        }


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_confines_candidates_to_what_it_knows_within_the_limit(kind: str) -> None:
    for seed, space in enumerate(random_spaces(7)):
        valid = [member for member in space.enumerate() if space.is_valid(member)]
        if not valid:
            continue
        rng = random.Random(seed)
        table = {member: ms_of(member) for member in valid if rng.random() < 0.4}
        table[valid[0]] = ms_of(valid[0])
        limit = sorted(table.values())[rng.randrange(len(table))]
        feasible = {member for member, ms in table.items() if ms <= limit}
        budget = max(len(feasible), 10)
        searcher = limited(kind, budget, limit, space).model_copy(
            update={"latency": TableLatency()}
        )
        partition = NoneSplitter().split(space)
        events = run(searcher, seed=seed, partition=partition, latency=table)
        assert candidates(events) == events
        found = [space.decode(event.architecture) for event in events]
        # To the last one that it knows, and nothing else.
        assert len(found) == len(set(found))
        assert set(found) == feasible
        assert [event.latency for event in events] == [Latency(ms=table[one]) for one in found]


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_stopped_after_any_event_measures_nothing_again_and_finds_the_same(
    kind: str,
) -> None:
    limit = 1.5
    searcher = limited(kind, 30, limit)
    whole = run(searcher, latency=Meter())
    assert any(isinstance(event, LatencyMeasured) for event in whole)
    for stop in range(0, len(whole) + 1, 7):
        state, first, second = SearchState(), Meter(), Meter()
        events = search(searcher, PARTITION, arbitrary, state, 0, latency=first)
        before = [next(events) for _ in range(stop)]
        stored = state.model_dump_json()
        events.close()
        state = SearchState.model_validate_json(stored)
        after = run(searcher, state=state, latency=second)
        assert set(first.asked).isdisjoint(second.asked)
        assert candidates(before + after) == candidates(whole)
        measured = [event for event in before + after if isinstance(event, LatencyMeasured)]
        assert measured == [event for event in whole if isinstance(event, LatencyMeasured)]
        assert [event.number for event in measured] == list(range(1, len(measured) + 1))


def test_what_was_too_slow_costs_no_budget_and_is_told_at_the_end() -> None:
    meter = Meter()
    *others, last = run(limited("random", 20, 1.3), latency=meter)
    assert len(candidates(others)) == 20
    slow = sum(ms_of(member) > 1.3 for member in meter.asked)
    assert len(meter.asked) == 20 + slow > 40
    assert isinstance(last, SearchRemarked)
    lowest = min(map(ms_of, meter.asked))
    assert last.text == (
        f"of {len(meter.asked)} architectures measured {slow} take more than 1.3 ms and are no "
        f"candidates; the lowest latency is {lowest:.4g} ms on cpu Some Chip"
    )


def test_a_limit_that_nothing_keeps_fails_with_the_lowest_latency_there_is() -> None:
    lowest = min(map(ms_of, VALID))
    meter = Meter()
    with pytest.raises(InfeasibleSearch) as error:
        run(limited("evolution", 200, 0.9), latency=meter)
    assert error.value.parameter == "constraints"
    assert set(meter.asked) == VALID
    assert error.value.reason == (
        f"of 116 architectures measured none takes at most 0.9 ms; the lowest latency is "
        f"{lowest:.4g} ms on cpu Some Chip. Raise search.constraints.latency"
    )


LARGE = CellSpace(
    name="large",
    num_nodes=7,
    operations=NB201.choices[0],
    skeleton=DIGITS.skeleton,  # type: ignore[attr-defined]
)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "exhaustive"])
def test_a_search_gives_up_after_ten_times_its_budget_were_too_slow(kind: str) -> None:
    partition = NoneSplitter().split(LARGE)
    meter = Meter()
    with pytest.raises(InfeasibleSearch, match="measured none takes at most"):
        run(limited(kind, 4, 0.5, LARGE), partition=partition, latency=meter)
    # And then measures the cheapest of all.
    assert len(meter.asked) >= 40
    assert set(LARGE.cheapest()) <= set(meter.asked)
    assert len(meter.asked) <= 40 + len(LARGE.cheapest())


def test_before_a_search_fails_the_cheapest_are_tried() -> None:
    cheapest = set(LARGE.cheapest())

    def by_cost(architecture: Architecture) -> Latency:
        return Latency(ms=0.5 if architecture in cheapest else 2.0)

    partition = NoneSplitter().split(LARGE)
    *events, last = run(limited("random", 4, 1.0, LARGE), partition=partition, latency=by_cost)
    found = candidates(events)
    assert {LARGE.decode(event.architecture) for event in found} <= cheapest
    assert len(found) == min(4, len(cheapest))
    assert isinstance(last, SearchRemarked)
    assert len(found) == 4 or "the search ends before its budget" in last.text


def test_measuring_is_time_of_searching() -> None:
    now = 1000.0

    def slow(architecture: Architecture) -> Latency:
        nonlocal now
        now += 1.0
        return Latency(ms=2.0)

    state = SearchState()
    searcher = RandomSearcher(budget=100, budget_seconds=9.5, constraints=Constraints(latency=1))
    with pytest.raises(InfeasibleSearch, match="of 10 architectures measured none"):
        list(search(searcher, PARTITION, arbitrary, state, 0, lambda: now, slow))
    assert state.seconds == 10
    assert len(state.latencies) == 10


@pytest.mark.parametrize("kind", ["random", "exhaustive", "nsga2", "pareto-novelty"])
def test_latency_is_the_value_of_its_objective(kind: str) -> None:
    searcher = searcher_of(kind, 40, DIGITS, objectives=("latency", "loss"))
    state = SearchState()
    found = candidates(run(searcher, state=state, latency=Meter()))
    assert len(found) == searcher.budget
    for event, evaluation in zip(found, state.evaluations, strict=True):
        cell = DIGITS.decode(event.architecture)
        expected = Latency(ms=ms_of(cell), spread_ms=0.1, device="cpu Some Chip")
        assert event.latency == expected
        assert event.objectives == {"latency": ms_of(cell), "loss": crc(cell)}
        assert evaluation.objectives == (ms_of(cell), crc(cell))


def test_a_trade_off_with_latency_leads_to_faster_architectures() -> None:
    def by_convolutions(architecture: Architecture) -> Latency:
        return Latency(ms=1.0 + architecture.count("nor_conv_3x3"))

    def of(searcher: Searcher) -> float:
        partition = NoneSplitter().split(NB201)
        events = candidates(run(searcher, partition=partition, latency=by_convolutions))
        return sum(event.objectives["latency"] for event in events) / len(events)

    aims = ("latency", "flops")
    bred = Nsga2Searcher(budget=300, population_size=20, objectives=aims)
    assert of(bred) < of(RandomSearcher(budget=300, objectives=aims)) - 0.3


def test_latency_is_measured_where_it_is_asked_for_and_nobody_says_how() -> None:
    assert RandomSearcher().latency_source is None
    assert RandomSearcher(objectives=("loss", "flops")).latency_source is None
    usual = MeasuredLatency()
    assert RandomSearcher(objectives=("loss", "latency")).latency_source == usual
    assert RandomSearcher(constraints=Constraints(latency=1.5)).latency_source == usual
    assert (usual.batch_size, usual.warm_up, usual.repeats) == (1, 3, 20)
    # Where it is neither, it may still be told how: candidates then carry it.
    told = MeasuredLatency(batch_size=8)
    assert RandomSearcher(latency=told).latency_source == told
    events = run(RandomSearcher(budget=5, latency=told), latency=Meter())
    assert all(event.latency is not None for event in candidates(events))


def test_a_measured_latency_does_not_change_what_a_search_of_scores_finds() -> None:
    searcher = limited("evolution", 30, None)
    alone = searcher_of("evolution", 30)
    measured = [event.architecture for event in candidates(run(searcher, latency=Meter()))]
    assert measured == [event.architecture for event in run(alone)]


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_limit_of_no_time_is_refused(limit: float) -> None:
    with pytest.raises(ValidationError, match="latency"):
        Constraints(latency=limit)


TABLE = {member: ms_of(member) for member in sorted(VALID)[:40]}
CONFINED = RandomSearcher(latency=TableLatency())


def confined(**constraints: Any) -> Searcher:
    return CONFINED.model_copy(update={"constraints": Constraints(**constraints)})


def test_of_a_table_the_lowest_latency_is_the_tightest_limit() -> None:
    lowest = min(TABLE.values())
    confined(latency=lowest).check(DIGITS, TABLE)
    with pytest.raises(InfeasibleSearch) as error:
        confined(latency=lowest * 0.999).check(DIGITS, TABLE)
    assert error.value.parameter == "constraints"
    assert error.value.reason == (
        f"of the 40 architectures whose latency is known none takes at most {lowest * 0.999:g} ms; "
        f"the lowest is {lowest} ms"
    )


def test_of_a_table_the_lowest_latency_is_told_with_the_other_limits_held() -> None:
    flops = sorted(DIGITS.flops(member) for member in TABLE)[10]
    within = {member: ms for member, ms in TABLE.items() if DIGITS.flops(member) <= flops}
    lowest = min(within.values())
    assert lowest > min(TABLE.values())
    confined(latency=lowest, flops=flops).check(DIGITS, TABLE)
    with pytest.raises(InfeasibleSearch, match=f"within {flops} FLOPs; the lowest is {lowest} ms"):
        confined(latency=lowest * 0.999, flops=flops).check(DIGITS, TABLE)


def test_costs_that_nothing_in_a_table_keeps_name_the_least_in_it() -> None:
    dear = max(VALID, key=DIGITS.flops)
    table = {dear: 1.0}
    with pytest.raises(InfeasibleSearch) as error:
        confined(flops=DIGITS.flops(dear) - 1).check(DIGITS, table)
    assert error.value.parameter == "constraints"
    assert f"none is within {DIGITS.flops(dear) - 1} FLOPs; the least of them are " in str(error)
    assert f"{DIGITS.flops(dear)} FLOPs, {DIGITS.parameters(dear)} parameters" in str(error.value)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(InfeasibleSearch, match="no valid architecture of digits-mini") as error:
        CONFINED.check(DIGITS, {})
    assert error.value.parameter == "latency"


def test_an_exhaustive_search_goes_through_a_table_of_a_space_too_large_for_it() -> None:
    rng = random.Random(1)
    table = {member: ms_of(member) for member in sorted({LARGE.sample(rng) for _ in range(30)})}
    searcher = searcher_of("exhaustive", 30, latency=TableLatency())
    partition = NoneSplitter().split(LARGE)
    events = run(searcher, partition=partition, latency=table)
    assert [LARGE.decode(event.architecture) for event in events] == list(table)
    with pytest.raises(InfeasibleSearch, match="of the 30 architectures of large whose latency"):
        searcher.model_copy(update={"budget": 29}).check(LARGE, table)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "exhaustive"])
def test_a_table_of_few_architectures_of_a_large_space_is_searched(kind: str) -> None:
    rng = random.Random(2)
    table = {member: ms_of(member) for member in sorted({LARGE.sample(rng) for _ in range(30)})}
    searcher = searcher_of(kind, 30, LARGE, latency=TableLatency())
    events = run(searcher, partition=NoneSplitter().split(LARGE), latency=table)
    assert {LARGE.decode(event.architecture) for event in events} == set(table)
