"""What architectures cost, and the exact least and greatest cost of whole sub-spaces."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nas.spaces.base import Architecture
from nas.spaces.counting import Automaton, Level, Step, levels


class Cost(NamedTuple):
    """What one image costs.

    Attributes:
        flops: multiply-adds.
        parameters: trainable ones.
    """

    flops: int
    parameters: int

    def plus(self, other: "Cost") -> "Cost":
        """Return the sum."""
        return Cost(self.flops + other.flops, self.parameters + other.parameters)


@dataclass(frozen=True, slots=True)
class Costs:
    """A network in parts.

    Attributes:
        fixed: of everything that no decision changes.
        choices: per decision, what each operation costs if it is live.
    """

    fixed: Cost
    choices: tuple[dict[str, Cost], ...]

    def total(self, architecture: Architecture, live: Sequence[bool]) -> Cost:
        """Return the cost of one architecture."""
        flops, parameters = self.fixed
        for costs, name, alive in zip(self.choices, architecture, live, strict=True):
            if alive:
                flops += costs[name].flops
                parameters += costs[name].parameters
        return Cost(flops, parameters)

    @property
    def parameters_of_all(self) -> int:
        """Trainable parameters of a network that holds every operation of every decision."""
        return self.fixed.parameters + sum(
            cost.parameters for candidates in self.choices for cost in candidates.values()
        )


class Range(NamedTuple):
    """The least and the greatest of something, both reached."""

    least: int
    greatest: int


class CostRange(NamedTuple):
    """Exact ranges over the valid architectures of a sub-space."""

    flops: Range
    parameters: Range


def cost_ranges(
    automaton: Automaton, costs: Costs, reduced: Callable[[int], int]
) -> dict[int, CostRange]:
    """Return the exact ranges of FLOPs and parameters per label, over valid architectures.

    Args:
        automaton: one that tells which decisions are live.
        costs: of the same space.
        reduced: turns a sum of weights into the label.
    """
    found: dict[int, CostRange] = {}
    for total, spread in _spreads(automaton, costs).items():
        label = reduced(total)
        found[label] = _merged(found[label], spread) if label in found else spread
    return {
        label: CostRange(
            Range(*(value + costs.fixed.flops for value in spread.flops)),
            Range(*(value + costs.fixed.parameters for value in spread.parameters)),
        )
        for label, spread in sorted(found.items())
    }


def cost_fronts(
    automaton: Automaton, costs: Costs, reduced: Callable[[int], int] | None = None
) -> dict[int, tuple[Architecture, ...]]:
    """Return valid architectures, of which for any valid one some costs no more in both ways.

    Args:
        automaton: one that tells which decisions are live.
        costs: of the same space.
        reduced: turns a sum of weights into the label; each label then has such architectures of
            its own. None to take all together, under 0.
    """
    walked = levels(automaton)
    below: dict[Hashable, dict[int, list[_Partial]]] = {}
    for state in _last_states(walked):
        outcome = automaton.outcome(state)
        is_valid = outcome is not None and outcome.valid
        label = outcome.label if outcome is not None and reduced is not None else 0
        below[state] = {label: [(Cost(0, 0), ())]} if is_valid else {}
    for position in reversed(range(len(walked))):
        decision = automaton.order[position]
        above: dict[Hashable, dict[int, list[_Partial]]] = {}
        for state, steps in walked[position].items():
            partials: dict[int, list[_Partial]] = {}
            for step in steps:
                cost = _cost(costs, decision, step)
                for total, front in below[step.state].items():
                    label = 0 if reduced is None else total + step.weight
                    partials.setdefault(label, []).extend(
                        (cost.plus(rest), (step.operation, *names)) for rest, names in front
                    )
            above[state] = {label: _front(found) for label, found in partials.items()}
        below = above
    found: dict[int, tuple[Architecture, ...]] = {}
    for total, front in sorted(below[automaton.start].items()):
        label = 0 if reduced is None else reduced(total)
        members = tuple(_in_order(automaton, chosen) for _, chosen in front)
        found[label] = (*found.get(label, ()), *members)
    return found


_Partial = tuple[Cost, tuple[str, ...]]
"""The cost of the decisions walked last, and their operations in the order of the walk."""


def _front(partials: Iterable[_Partial]) -> list[_Partial]:
    kept: list[_Partial] = []
    for partial in sorted(partials):
        if not kept or partial[0].parameters < kept[-1][0].parameters:
            kept.append(partial)
    return kept


def _in_order(automaton: Automaton, chosen: Sequence[str]) -> Architecture:
    by_decision = dict(zip(automaton.order, chosen, strict=True))
    return tuple(by_decision[decision] for decision in range(len(chosen)))


def _spreads(automaton: Automaton, costs: Costs) -> dict[int, CostRange]:
    """Return the ranges, fixed costs left out, per sum of weights."""
    walked = levels(automaton)
    zero = CostRange(Range(0, 0), Range(0, 0))
    below: dict[Hashable, dict[int, CostRange]] = {}
    for state in _last_states(walked):
        outcome = automaton.outcome(state)
        below[state] = {outcome.label: zero} if outcome is not None and outcome.valid else {}
    for position in reversed(range(len(walked))):
        decision = automaton.order[position]
        above: dict[Hashable, dict[int, CostRange]] = {}
        for state, steps in walked[position].items():
            spreads: dict[int, CostRange] = {}
            for step in steps:
                cost = _cost(costs, decision, step)
                for total, spread in below[step.state].items():
                    moved = CostRange(
                        Range(*(value + cost.flops for value in spread.flops)),
                        Range(*(value + cost.parameters for value in spread.parameters)),
                    )
                    label = total + step.weight
                    spreads[label] = _merged(spreads[label], moved) if label in spreads else moved
            above[state] = spreads
        below = above
    return below[automaton.start]


def _cost(costs: Costs, decision: int, step: Step) -> Cost:
    return costs.choices[decision][step.operation] if step.live else Cost(0, 0)


def _last_states(walked: Sequence[Level]) -> set[Hashable]:
    return {step.state for steps in walked[-1].values() for step in steps}


def _merged(one: CostRange, other: CostRange) -> CostRange:
    return CostRange(
        *(
            Range(min(a.least, b.least), max(a.greatest, b.greatest))
            for a, b in zip(one, other, strict=True)
        )
    )
