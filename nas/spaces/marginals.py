"""How many architectures choose each operation, exactly and without enumeration.

A walk (see `nas.spaces.counting`) takes a step in as many architectures as there are ways to get to
it times ways to go on from it. Both are packed per label as there; the product of two packed
numbers adds up the labels of both.
"""

from collections.abc import Callable, Hashable

from nas.spaces.counting import Automaton, WalkTooLong, digit_bits, digits, levels

MOST_STEPS = 300_000
"""A walk of so many steps takes some seconds. Those of large cells have millions."""

OperationCounts = tuple[dict[str, dict[int, int]], ...]
"""Per decision and operation, the valid architectures of each label that choose it."""


def operation_counts(
    automaton: Automaton, reduced: Callable[[int], int]
) -> OperationCounts | None:
    """Return the exact counts, operations and labels that no valid architecture has included out.

    Args:
        automaton: the space with the weights of the labelling.
        reduced: turns a sum of weights into the label.

    Returns:
        None where the walk is too long: more than `MOST_STEPS`.
    """
    try:
        walked = levels(automaton, MOST_STEPS)
    except WalkTooLong:
        return None
    bits = digit_bits(automaton)
    below: dict[Hashable, int] = {}
    for state in {step.state for steps in walked[-1].values() for step in steps}:
        outcome = automaton.outcome(state)
        if outcome is not None and outcome.valid:
            below[state] = 1 << (bits * outcome.label)
        else:
            below[state] = 0
    completions = [below]
    for level in reversed(walked):
        below = {
            state: sum(below[step.state] << (bits * step.weight) for step in steps)
            for state, steps in level.items()
        }
        completions.append(below)
    completions.reverse()
    ways: dict[Hashable, int] = {automaton.start: 1}
    counts: list[dict[str, int]] = [{} for _ in automaton.order]
    for position, level in enumerate(walked):
        chosen = counts[automaton.order[position]]
        after: dict[Hashable, int] = {}
        for state, steps in level.items():
            for step in steps:
                led = ways[state] << (bits * step.weight)
                after[step.state] = after.get(step.state, 0) + led
                through = led * completions[position + 1][step.state]
                chosen[step.operation] = chosen.get(step.operation, 0) + through
        ways = after
    return tuple(
        {
            operation: _by_label(packed, bits, reduced)
            for operation, packed in chosen.items()
            if packed
        }
        for chosen in counts
    )


def _by_label(packed: int, bits: int, reduced: Callable[[int], int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for total, number in digits(packed, bits):
        label = reduced(total)
        found[label] = found.get(label, 0) + number
    return dict(sorted(found.items()))
