"""Exact counting and sampling by dynamic programming, without enumeration or rejection.

A space describes itself as an automaton: it walks over the decisions in some order, and what the
past means for the future is a small state. Going over the states backwards gives, per state, the
number of completions for every label as Python integers. A walk forwards that spends one random
integer below the number of completions then draws one architecture uniformly.

The numbers of all labels travel together, as one integer in base 2^bits: digit t is the number of
completions that add t to the label. Adding two such integers adds all digits, and multiplying by
2^(bits * w) adds w to every label, both at the speed of Python's big integers.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from math import prod
from random import Random
from typing import NamedTuple

from nas.spaces.base import Architecture, Count


class Step(NamedTuple):
    """What one choice does to a state.

    Attributes:
        operation: the operation chosen.
        weight: what it adds to the label.
        state: the state after it.
        live: whether the decision lies on a live path, where the automaton tells.
    """

    operation: str
    weight: int
    state: Hashable
    live: bool = False


class Outcome(NamedTuple):
    """What a state means after the last decision.

    Attributes:
        label: what is added to the sum of the weights.
        valid: False for a dead architecture.
    """

    label: int
    valid: bool


class Automaton(ABC):
    """A search space as a walk over its decisions.

    The walk may guess what only later decisions settle. Then a decision has several steps for the
    same operation, and a guess that turns out wrong ends in a state without an outcome: every
    architecture has exactly one walk that ends in an outcome.

    Attributes:
        choices: the candidate operations of each decision of the space.
        order: the decisions in the order in which they are walked.
        start: the state before the first of them.
    """

    choices: tuple[tuple[str, ...], ...]
    order: tuple[int, ...]
    start: Hashable

    @abstractmethod
    def steps(self, position: int, state: Hashable) -> Iterable[Step]:
        """Yield what can be chosen at a position of the order."""

    @abstractmethod
    def outcome(self, state: Hashable) -> Outcome | None:
        """Return what a state means after the last decision, None for a wrong guess."""

    def tables(self, bits: int) -> "Tables":
        """Return the completions of every state, packed in digits of so many bits."""
        return WalkedTables(self, bits)


class Tables(ABC):
    """How many completions the states of a walk have, packed as the module says.

    Attributes:
        valid_at_start: valid architectures of the whole space.
        dead_at_start: its dead ones.
    """

    valid_at_start: int
    dead_at_start: int

    @abstractmethod
    def steps(self, position: int, state: Hashable) -> Sequence[Step]:
        """Return what can be chosen at a position of the order."""

    @abstractmethod
    def valid(self, position: int, state: Hashable) -> int:
        """Return the valid completions of a state before a position, or at the end."""


Level = Mapping[Hashable, tuple[Step, ...]]
"""The states before one position of the walk, with their steps."""


class WalkTooLong(Exception):
    """A walk has more steps than its caller wanted to look at."""


def levels(automaton: Automaton, most_steps: int | None = None) -> list[Level]:
    """Return all states that can be reached, per position of the walk.

    Raises:
        WalkTooLong: if they have more than `most_steps` steps together.
    """
    found: list[Level] = []
    frontier: set[Hashable] = {automaton.start}
    num_steps = 0
    for position in range(len(automaton.order)):
        level = {}
        for state in frontier:
            level[state] = tuple(automaton.steps(position, state))
            num_steps += len(level[state])
            if most_steps is not None and num_steps > most_steps:
                raise WalkTooLong(f"more than {most_steps} steps")
        found.append(level)
        frontier = {step.state for steps in level.values() for step in steps}
    return found


class WalkedTables(Tables):
    """Completions of every state that a walk can reach.

    Args:
        automaton: the walk.
        bits: of a digit.
    """

    def __init__(self, automaton: Automaton, bits: int) -> None:
        self._bits = bits
        self._levels = levels(automaton)
        last = {step.state for steps in self._levels[-1].values() for step in steps}
        valid: dict[Hashable, int] = {}
        dead: dict[Hashable, int] = {}
        for state in last:
            outcome = automaton.outcome(state)
            digit = 0 if outcome is None else 1 << (bits * outcome.label)
            valid[state] = digit if outcome is not None and outcome.valid else 0
            dead[state] = digit if outcome is not None and not outcome.valid else 0
        all_valid = [valid]
        for level in reversed(self._levels):
            valid = {state: self._added(valid, steps) for state, steps in level.items()}
            dead = {state: self._added(dead, steps) for state, steps in level.items()}
            all_valid.append(valid)
        self._valid = all_valid[::-1]
        self.valid_at_start = self._valid[0][automaton.start]
        self.dead_at_start = dead[automaton.start]

    def steps(self, position: int, state: Hashable) -> Sequence[Step]:
        return self._levels[position][state]

    def valid(self, position: int, state: Hashable) -> int:
        return self._valid[position][state]

    def _added(self, below: Mapping[Hashable, int], steps: Sequence[Step]) -> int:
        return sum(below[step.state] << (self._bits * step.weight) for step in steps)


def digit_bits(automaton: Automaton) -> int:
    """Return the bits of a digit: one more than the largest number that it can hold needs."""
    return prod(len(names) for names in automaton.choices).bit_length() + 1


def digits(packed: int, bits: int) -> Iterator[tuple[int, int]]:
    """Yield the sums of weights with their numbers of completions, zeros left out."""
    mask = (1 << bits) - 1
    total = 0
    while packed:
        if number := packed & mask:
            yield total, number
        packed >>= bits
        total += 1


class Branch:
    """One decision of a sampling walk.

    Attributes:
        operations: those that leave at least one completion, once per step.
        cumulative: for each, the completions of the steps before it.
        following: for each, the branch of the next decision, or how to make it.
    """

    __slots__ = ("cumulative", "following", "operations")

    def __init__(self) -> None:
        self.operations: list[str] = []
        self.cumulative: list[int] = []
        self.following: list[Branch | Callable[[], Branch]] = []


class Counting:
    """The tables of one space for one labelling.

    Attributes:
        tallies: exact number of architectures per label, ascending; labels that no architecture
            has are absent.
        tables: the completions of its walk.
    """

    def __init__(
        self, automaton: Automaton, reduced: Callable[[int], int] = lambda total: total
    ) -> None:
        """Build the tables.

        Args:
            automaton: the space with the weights of the labelling.
            reduced: turns a sum of weights into the label.
        """
        self._automaton = automaton
        self._reduced = reduced
        self._bits = digit_bits(automaton)
        self.tables = automaton.tables(self._bits)
        self._trees: dict[frozenset[int] | None, tuple[int, Branch | None]] = {}
        self.tallies: Mapping[int, Count] = self._tallies(
            self.tables.valid_at_start, self.tables.dead_at_start
        )

    def num_valid(self, labels: frozenset[int] | None = None) -> int:
        """Return the number of valid architectures with a label in `labels` (None: any)."""
        return sum(
            count.valid
            for label, count in self.tallies.items()
            if labels is None or label in labels
        )

    def sample(self, rng: Random, labels: frozenset[int] | None = None) -> Architecture | None:
        """Draw uniformly from the valid architectures with a label in `labels` (None: any).

        Returns:
            None if there is no such architecture.
        """
        total, root = self._tree(labels)
        return None if root is None else self._walk(root, rng.randrange(total))

    def unrank(self, rank: int, labels: frozenset[int] | None = None) -> Architecture:
        """Return the valid architecture at position `rank` of those with a label in `labels`.

        Raises:
            IndexError: if there are no more than `rank` of them.
        """
        total, root = self._tree(labels)
        if root is None or not 0 <= rank < total:
            raise IndexError(f"rank {rank} of {total} architectures")
        return self._walk(root, rank)

    def rank(self, architecture: Architecture, labels: frozenset[int] | None = None) -> int:
        """Return the position of an architecture among those that `unrank` gives.

        Raises:
            ValueError: if it is dead or its label is not in `labels`.
        """
        _, root = self._tree(labels)
        found = None if root is None else self._find(root, 0, architecture)
        if found is None:
            raise ValueError(f"{architecture} is not among these architectures")
        return found

    def _walk(self, branch: Branch, rank: int) -> Architecture:
        order = self._automaton.order
        chosen = [""] * len(order)
        last = len(order) - 1
        for position, decision in enumerate(order):
            index = bisect_right(branch.cumulative, rank) - 1
            rank -= branch.cumulative[index]
            chosen[decision] = branch.operations[index]
            if position < last:
                branch = _entered(branch, index)
        return tuple(chosen)

    def _find(self, branch: Branch, position: int, architecture: Architecture) -> int | None:
        order = self._automaton.order
        wanted = architecture[order[position]]
        for index, operation in enumerate(branch.operations):
            if operation != wanted:
                continue
            if position == len(order) - 1:
                return branch.cumulative[index]
            below = self._find(_entered(branch, index), position + 1, architecture)
            if below is not None:
                return branch.cumulative[index] + below
        return None

    def _tallies(self, valid: int, dead: int) -> dict[int, Count]:
        tallies: dict[int, Count] = {}
        both = dict(digits(valid, self._bits)), dict(digits(dead, self._bits))
        for total in sorted(both[0].keys() | both[1].keys()):
            label = self._reduced(total)
            before = tallies.get(label, Count(all=0, valid=0))
            alive, killed = both[0].get(total, 0), both[1].get(total, 0)
            tallies[label] = Count(all=before.all + alive + killed, valid=before.valid + alive)
        return dict(sorted(tallies.items()))

    def _tree(self, labels: frozenset[int] | None) -> tuple[int, Branch | None]:
        """Return the number of the wanted architectures and the sampling walk through them."""
        tree = self._trees.get(labels)
        if tree is None:
            walk = _Walk(self, labels)
            number = self.num_valid(labels)
            tree = number, walk.branch(0, self._automaton.start, 0) if number else None
            self._trees[labels] = tree
        return tree

    def wanted(self, packed: int, before: int, labels: frozenset[int] | None) -> int:
        """Return the completions that lead from a sum of weights to a label in `labels`."""
        return sum(
            number
            for total, number in digits(packed, self._bits)
            if labels is None or self._reduced(before + total) in labels
        )


class _Walk:
    """Makes the branches of a sampling walk when they are first entered."""

    def __init__(self, counting: Counting, labels: frozenset[int] | None) -> None:
        self._counting = counting
        self._labels = labels
        self._made: dict[tuple[int, Hashable, int], Branch] = {}

    def branch(self, position: int, state: Hashable, before: int) -> Branch:
        """Return the branch of a position at a state that weights of sum `before` led to."""
        key = (position, state, before)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._new(position, state, before)
        return made

    def _new(self, position: int, state: Hashable, before: int) -> Branch:
        counting, labels = self._counting, self._labels
        made = Branch()
        total = 0
        known: dict[tuple[Hashable, int], int] = {}
        for step in counting.tables.steps(position, state):
            # Without a choice of labels the sum so far makes no difference: share the branches.
            after = 0 if labels is None else before + step.weight
            target = (step.state, after)
            if target not in known:
                packed = counting.tables.valid(position + 1, step.state)
                known[target] = counting.wanted(packed, after, labels)
            if not known[target]:
                continue
            made.operations.append(step.operation)
            made.cumulative.append(total)
            made.following.append(self._later(position + 1, *target))
            total += known[target]
        return made

    def _later(self, position: int, state: Hashable, before: int) -> Callable[[], Branch]:
        return lambda: self.branch(position, state, before)


def _entered(branch: Branch, index: int) -> Branch:
    following = branch.following[index]
    if not isinstance(following, Branch):
        following = branch.following[index] = following()
    return following
