"""A scorer turns what it may know of an architecture into one number, higher is better.

What it may know is told by its base: the predictions of a trained supernet or its gradients, a
network before any training, the architecture alone, or the scores of other scorers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from nas.errors import InfeasibleCombination
from nas.plugin import Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from nas.ranking.calibration import Calibration
    from nas.ranking.places import Values
    from nas.ranking.reference import Measured
    from nas.spaces.base import Architecture, Space


class Scorer(Strategy, ABC):
    """A rule that scores an architecture; the bases below say from what."""

    kind: str

    @property
    def conditions(self) -> Mapping[str, str | int]:
        """What its scores rest on, where that is not a pass over the run's validation images.

        The keys are those of a rank correlation's conditions: `split`, `images`, `batch_size`,
        `batch_norm`; and whatever else people should know.
        """
        return {}


class SupernetScorer(Scorer, ABC):
    """A rule that scores an architecture from one forward pass over the validation images.

    Its scores change while the supernet is trained, so every live round has them. Such scorers
    share the pass: `nas.ranking.scoring` computes the outputs once and gives them to every one of
    the run.
    """

    @abstractmethod
    def from_logits(self, logits_NC: Tensor, labels_N: Tensor) -> float:
        """Return the score, higher is better.

        Args:
            logits_NC: outputs before the softmax, one row per image.
            labels_N: class indices.

        Raises:
            ScoreUndefined: if the score is not finite.
        """


class ArchitectureScorer(Scorer, ABC):
    """A rule that scores an architecture by what it is: no weights, no images, no torch.

    Its scores never change, so the final ranking alone has them.
    """

    @property
    def conditions(self) -> Mapping[str, str | int]:
        return {"split": "none", "images": 0, "batch_size": 0, "batch_norm": "none"}

    @abstractmethod
    def of_architecture(self, space: Space, architecture: Architecture) -> float:
        """Return the score, higher is better.

        Args:
            space: with the skeleton of the stand-alone network.
            architecture: a valid one of `space`.
        """


Kinds = Annotated[
    tuple[str, ...],
    Field(
        max_length=32,
        description="Kinds of the run's other scorers to combine; empty: all that do not combine "
        "others themselves.",
    ),
]
"""The field `of` of a scorer that combines whichever others a run names."""


class CombinedScorer(Scorer, ABC):
    """A rule that scores an architecture by its places in the order of several other scorers.

    The order is that of the space's reference sample, whose scores are stored with the run, so an
    architecture has one score whatever else is ranked beside it. It is computed once all rank units
    are done: the final ranking alone has it.
    """

    needs_landmarks: ClassVar[bool] = False

    @abstractmethod
    def components(self, measured: Sequence[str]) -> tuple[str, ...]:
        """Return the kinds of the scorers that it combines, at least one.

        Args:
            measured: kinds of the run's scorers that do not combine others.

        Raises:
            InfeasibleCombination: if they are not among those; the parameter is one of its fields.
        """

    def calibrated(
        self, reference: Measured, landmarks: Measured, accuracies: Values, num_subspaces: int
    ) -> Calibration | None:
        """Return what is learned from landmarks; None, as here, if nothing is.

        Args:
            reference: the reference sample.
            landmarks: architectures whose stand-alone accuracy is known.
            accuracies: theirs, in percent.
            num_subspaces: of the run.

        Raises:
            InfeasibleCalibration: if there are too few landmarks.
        """
        return None

    @abstractmethod
    def combined(
        self, reference: Measured, calibration: Calibration | None, measured: Measured
    ) -> Values:
        """Return scores, higher is better, each a function of its architecture alone.

        Args:
            reference: the reference sample.
            calibration: what `calibrated` returned for this run.
            measured: what to score.

        Returns:
            Shape (architectures,).
        """


def named_components(of: Sequence[str], measured: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds that a field `of` names, all of `measured` if it is empty.

    Raises:
        InfeasibleCombination: if they are not `measured`, are named twice, or are none.
    """
    if not measured:
        raise InfeasibleCombination(
            "of", "there is nothing to combine: name a scorer that does not combine others"
        )
    for place, kind in enumerate(of):
        if kind not in measured:
            raise InfeasibleCombination(
                "of",
                f"{kind!r} cannot be combined: it is not among the run's scorers that do not "
                f"combine others, {list(measured)}",
            )
        if kind in of[:place]:
            raise InfeasibleCombination("of", f"each scorer may be named once, got {list(of)}")
    return tuple(of) or tuple(measured)
