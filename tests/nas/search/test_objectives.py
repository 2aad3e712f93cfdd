from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from nas.errors import ScoreUndefined
from nas.search.evolution import EvolutionSearcher
from nas.search.objectives import COSTS, Objective, costs_of
from nas.search.random import RandomSearcher
from nas.search.state import SearchState
from nas.spaces.base import Architecture
from nas.spec import RunSpec
from tests.nas.search.searching import DIGITS, crc, run

RUN = {
    "name": "several objectives",
    "space": "digits-mini",
    "dataset": "digits",
    "training": {"steps": 10},
    "ranking": {"scorers": [{"kind": "loss"}, {"kind": "synflow"}]},
}


def spec_with(**search: Any) -> RunSpec:
    return TypeAdapter(RunSpec).validate_python(RUN | {"search": search})


def test_costs_are_minimised_and_scores_maximised_unless_it_is_said() -> None:
    assert Objective.parse("loss") == Objective("loss", maximised=True)
    for name in (*COSTS, "latency"):
        assert Objective.parse(name) == Objective(name, maximised=False)
    assert Objective.parse("maximise flops") == Objective("flops", maximised=True)
    assert Objective.parse("minimise loss") == Objective("loss", maximised=False)
    assert str(Objective.parse("minimise loss")) == "minimise loss"


def test_all_costs_at_once_are_those_one_by_one() -> None:
    for cell in DIGITS.enumerate():
        assert costs_of(DIGITS, cell) == {name: cost(DIGITS, cell) for name, cost in COSTS.items()}


def test_losses_are_lower_for_what_is_wanted() -> None:
    searcher = RandomSearcher(objectives=("loss", "flops", "maximise parameters"))
    assert searcher.losses((1.0, 2.0, 3.0)) == (-1.0, 2.0, -3.0)


def test_a_search_without_objectives_maximises_its_scorer() -> None:
    assert RandomSearcher(scorer="synflow").aims == (Objective("synflow", maximised=True),)
    assert RandomSearcher(scorer="synflow").scorers == ("synflow",)


def test_an_evaluation_holds_the_value_of_every_objective() -> None:
    searcher = RandomSearcher(
        budget=20, objectives=("flops", "synflow", "parameters", "nonlinearity-count")
    )
    assert searcher.scorers == ("loss", "synflow")

    def both(architectures: Sequence[Architecture]) -> list[list[float]]:
        return [[crc(cell), -crc(cell)] for cell in architectures]

    state = SearchState()
    events = run(searcher, evaluate=both, state=state)
    for event, evaluation in zip(events, state.evaluations, strict=True):
        cell = evaluation.architecture
        expected = {
            "flops": DIGITS.flops(cell),
            "synflow": -crc(cell),
            "parameters": DIGITS.parameters(cell),
            "nonlinearity-count": DIGITS.nonlinearity_count(cell),
        }
        assert event.objectives == expected
        assert list(event.objectives) == list(expected)
        assert evaluation.objectives == tuple(expected.values())
        assert event.score == evaluation.score == crc(cell)


def test_a_further_scorer_that_is_not_finite_is_named() -> None:
    searcher = RandomSearcher(budget=5, objectives=("loss", "synflow"))
    with pytest.raises(ScoreUndefined, match="score by synflow is inf"):
        run(searcher, evaluate=lambda cells: [[0.5, float("inf")] for _ in cells])


def test_the_objectives_of_a_random_search_do_not_change_its_candidates() -> None:
    alone = run(RandomSearcher(budget=20))
    several = run(RandomSearcher(budget=20, objectives=("loss", "flops")))
    assert [event.architecture for event in alone] == [event.architecture for event in several]


@pytest.mark.parametrize(
    "objectives", [("loss", "flops"), ("flops",), ("minimise loss",), ("synflow",)]
)
def test_a_searcher_of_one_objective_refuses_others_and_names_the_remedy(
    objectives: tuple[str, ...],
) -> None:
    with pytest.raises(ValidationError) as error:
        EvolutionSearcher(objectives=objectives)
    (found,) = error.value.errors()
    assert found["loc"] == ("objectives",)
    assert "evolution maximises the scorer loss alone" in found["msg"]
    assert "leave objectives out, or take a searcher of several, such as nsga2" in found["msg"]


def test_a_searcher_of_one_objective_accepts_it_in_words() -> None:
    assert EvolutionSearcher(objectives=("loss",)).aims == EvolutionSearcher().aims


def test_an_objective_may_be_named_once() -> None:
    with pytest.raises(ValidationError, match="each may be named once"):
        RandomSearcher(objectives=("flops", "maximise flops"))


def test_an_unknown_objective_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValidationError) as error:
        spec_with(kind="random", objectives=["loss", "speed"])
    (found,) = error.value.errors()
    assert found["loc"] == ("search", "objectives")
    assert found["msg"] == (
        "'speed' is neither one of flops, parameters, nonlinearity-count, latency nor among "
        "ranking.scorers ['loss', 'synflow']: add it there, or name another"
    )


def test_objectives_are_scorers_of_the_run_and_costs() -> None:
    spec = spec_with(kind="random", objectives=["loss", "synflow", "minimise flops"])
    assert spec.search is not None
    assert [str(aim) for aim in spec.search.aims] == [
        "maximise loss",
        "maximise synflow",
        "minimise flops",
    ]


@pytest.mark.parametrize("text", ["", "smallest flops", "Flops", "minimise", "maximise  flops"])
def test_what_is_no_objective_is_refused(text: str) -> None:
    if text == "minimise":
        # A name like any other, which no scorer has.
        with pytest.raises(ValidationError, match="'minimise' is neither"):
            spec_with(kind="random", objectives=[text])
        return
    with pytest.raises(ValidationError, match="should match pattern"):
        RandomSearcher(objectives=(text,))


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        RandomSearcher(budget=0)


def test_a_stored_evaluation_reads_back_as_the_same() -> None:
    state = SearchState()
    run(RandomSearcher(budget=9, objectives=("loss", "flops")), state=state)
    assert SearchState.model_validate_json(state.model_dump_json()) == state
