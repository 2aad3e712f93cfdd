"""What scorers share that look at stand-alone networks before any training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from nas.ranking.scorers.base import Scorer

if TYPE_CHECKING:
    from nas.ranking.untrained import BatchPass, UntrainedNetwork


class UntrainedScorer(Scorer, ABC):
    """A rule that scores an architecture by its stand-alone network before any training.

    Random weights come from the run's seed and the operations of the live decisions, so
    architectures that differ in dead ones score the same. The sizes are smaller than those of the
    sources, which read the full stand-alone network: a score is to cost less than a tenth of a
    second of one core. The scores never change, so the final ranking alone has them.

    Scorers of equal parameters share the network and what it computes: see
    `nas.ranking.untrained`.
    """

    width: int = Field(
        16,
        ge=1,
        le=256,
        description="Channels of the first stage, or after a chain's stem; others in proportion.",
    )
    cells_per_stage: int = Field(
        2, ge=1, le=20, description="Cells in a row at each resolution; a chain is always whole."
    )
    num_initialisations: int = Field(
        1, ge=1, le=100, description="Random networks over which the score is averaged."
    )

    @property
    def conditions(self) -> Mapping[str, str | int]:
        return {
            "split": "none",
            "images": 0,
            "batch_size": 0,
            "batch_norm": "none",
            "network": f"untrained, width {self.width}, cells per stage {self.cells_per_stage}, "
            f"initialisations {self.num_initialisations}",
        }

    @abstractmethod
    def of_untrained(self, network: UntrainedNetwork) -> float:
        """Return the score of one initialisation, higher is better.

        Args:
            network: left as it was found.

        Raises:
            ScoreUndefined: if there is no such number.
        """


class BatchScorer(UntrainedScorer, ABC):
    """A rule that scores an untrained network by what it makes of one batch.

    All architectures see the same images, in the size and channels of the run's dataset. BatchNorm
    normalises by the batch, as in training.
    """

    batch_size: int = Field(
        32, ge=2, le=1024, description="Images; all training images where there are fewer."
    )
    inputs: Literal["noise", "images"] = Field(
        "noise",
        description="noise: standard normal pixels; images: normalised training images.",
    )

    @property
    def conditions(self) -> Mapping[str, str | int]:
        return {
            **super().conditions,
            "split": "train" if self.inputs == "images" else "none: noise",
            "images": self.batch_size,
            "batch_size": self.batch_size,
            "batch_norm": self.batch_norm,
        }

    @property
    def batch_norm(self) -> str:
        """By which statistics BatchNorm normalises."""
        return "batch-stats"

    @final
    def of_untrained(self, network: UntrainedNetwork) -> float:
        return self.of_pass(network.read(self.inputs, self.batch_size))

    @abstractmethod
    def of_pass(self, batch: BatchPass) -> float:
        """Return the score of one initialisation, higher is better.

        Raises:
            ScoreUndefined: if there is no such number.
        """
