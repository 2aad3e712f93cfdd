"""What a partition reads off an architecture: one integer, its label.

A labelling is data, so that a space can count and sample by it exactly. Every labelling is either
the effective nonlinearity count, a maximum over paths, or a sum over decisions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Reading = Literal["effective", "total"]
"""effective: most nonlinear functions on any live path; total: on all live paths together."""


@dataclass(frozen=True, slots=True)
class NonlinearityCount:
    """The number of nonlinear functions; a dead architecture's is 0."""

    reading: Reading = "effective"

    def reduced(self, total: int) -> int:
        """Return the label that belongs to a sum of weights: the sum itself."""
        return total


@dataclass(frozen=True, slots=True)
class ChoiceSum:
    """The sum of one weight per decision, whether live or not.

    Attributes:
        weights: per decision, one non-negative weight for each candidate operation.
        modulus: the label is the remainder of the sum; None for the sum itself.
    """

    weights: tuple[tuple[int, ...], ...]
    modulus: int | None = None

    def of(self, choices: Sequence[Sequence[str]], architecture: Sequence[str]) -> int:
        """Return the label of one architecture.

        Args:
            choices: the candidate operations of each decision.
            architecture: one of them per decision.
        """
        return self.reduced(
            sum(
                weights[names.index(name)]
                for weights, names, name in zip(self.weights, choices, architecture, strict=True)
            )
        )

    def reduced(self, total: int) -> int:
        """Return the label that belongs to a sum of weights."""
        return total if self.modulus is None else total % self.modulus


def unlabelled(choices: Sequence[Sequence[str]]) -> ChoiceSum:
    """Return the labelling by which everything has label 0: what is counted in fewest states."""
    return ChoiceSum(tuple((0,) * len(names) for names in choices))


Labelling = NonlinearityCount | ChoiceSum

EFFECTIVE = NonlinearityCount("effective")
TOTAL = NonlinearityCount("total")
