import pytest

from nas.errors import InfeasibleSearch
from nas.search.constraints import Constraints
from nas.search.exhaustive import ExhaustiveSearcher
from nas.spaces import catalogue
from tests.nas.search.searching import DIGITS, NB201, VALID, run


def test_every_valid_architecture_is_evaluated_in_the_order_of_the_space() -> None:
    events = run(ExhaustiveSearcher(budget=116))
    in_order = [DIGITS.encode(cell) for cell in DIGITS.enumerate() if cell in VALID]
    assert [event.architecture for event in events] == in_order


def test_a_budget_that_does_not_reach_to_the_end_is_refused_with_the_one_that_does() -> None:
    with pytest.raises(
        InfeasibleSearch, match=r"115 .* of the 116 valid .* raise it to 116"
    ) as no:
        ExhaustiveSearcher(budget=115).check(DIGITS)
    assert no.value.parameter == "budget"
    ExhaustiveSearcher(budget=116).check(DIGITS)
    with pytest.raises(InfeasibleSearch, match="15,284 valid architectures of nas-bench-201"):
        ExhaustiveSearcher(budget=1000).check(NB201)


def test_only_what_is_within_the_constraints_counts_towards_the_budget() -> None:
    limits = Constraints(flops=80_000)
    feasible = sum(DIGITS.flops(cell) <= 80_000 for cell in VALID)
    assert 0 < feasible < 116
    searcher = ExhaustiveSearcher(budget=feasible, constraints=limits)
    searcher.check(DIGITS)
    assert len(run(searcher)) == feasible
    with pytest.raises(InfeasibleSearch, match=f"digits-mini within .*; raise it to {feasible}"):
        ExhaustiveSearcher(budget=feasible - 1, constraints=limits).check(DIGITS)


def test_a_space_too_large_to_be_enumerated_is_refused_with_its_size() -> None:
    with pytest.raises(
        InfeasibleSearch, match=r"darts-cell has 4,398,046,511,104 architectures"
    ) as no:
        ExhaustiveSearcher(budget=1_000_000).check(catalogue()["darts-cell"])
    assert no.value.parameter == "kind"


def test_constraints_that_nothing_keeps_are_refused_as_such() -> None:
    with pytest.raises(InfeasibleSearch) as no:
        ExhaustiveSearcher(constraints=Constraints(flops=1)).check(DIGITS)
    assert no.value.parameter == "constraints"
