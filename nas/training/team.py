"""Who trains a unit: one process, or several that share every batch (`nas.training.distributed`).

Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from nas.experiment import Experiment
    from nas.training.state import TrainState


class Team:
    """One process that trains alone.

    Attributes:
        micro_batches: parts that this process cuts its images of a batch into; they differ by at
            most one image. More parts take less memory, and BatchNorm has the statistics of a part.
    """

    def __init__(self, micro_batches: int = 1) -> None:
        self.micro_batches = micro_batches

    def begin(self, experiment: Experiment, state: TrainState) -> None:
        """Make sure that every process has the state of the unit that comes next."""

    def train_until(self, step: int) -> None:
        """Let every process execute the unit's global steps below `step`."""

    def share(self, batch_size: int) -> slice:
        """Return which images of a batch this process computes with."""
        return slice(0, batch_size)

    def combine(self, weights: Sequence[Tensor], losses_R: Tensor) -> Tensor:
        """Replace the weights' gradients by their means over the processes.

        Args:
            weights: those of the supernet, of which some have a gradient.
            losses_R: of each architecture on this process's share of the batch.

        Returns:
            The losses' means, shape (architectures,).
        """
        del weights
        return losses_R

    def average(self, value: Tensor) -> Tensor:
        """Return the mean over the processes of what each has computed on its share of a batch."""
        return value

    def report_is_due(self, *, updates: int, overdue: bool) -> bool:
        """Tell whether to report after this step, the same in every process.

        Args:
            updates: since the last report.
            overdue: whether this process finds that the last report is long ago.
        """
        del updates
        return overdue

    def carry_on(self, updates: int) -> None:
        """Let every process go on after a report; the next is due after about so many updates."""
