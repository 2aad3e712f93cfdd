"""The regularisers of a run in one optimizer step: their streams, their images, their gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nas.errors import TrainingDiverged
from nas.experiment import Experiment
from nas.seeds import stream
from nas.spaces.base import Architecture
from nas.training.passes import arithmetic, parts
from nas.training.regularisers.base import Images, RegularisedStep, StepLosses
from nas.training.schedule import Schedule
from nas.training.stopwatch import Stopwatch
from nas.training.team import Team

if TYPE_CHECKING:
    from nas.training.state import TrainState


class Batch(NamedTuple):
    """This process's share of some images, and their labels."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Regularisation:
    """Adds the regularisers' gradients to those of a step.

    Losses are computed without gradients first, and the gradients of those that matter after that:
    memory holds the activations of one architecture at a time, as in the step itself, and all
    processes of a team agree on what matters.
    """

    experiment: Experiment
    schedule: Schedule
    team: Team
    watch: Stopwatch

    def apply(self, state: TrainState, batch: Batch) -> float:
        """Add the gradients for `state.next_step`, and return the sum of the terms (nats).

        Args:
            state: the supernet in training.
            batch: the images of the step.

        Raises:
            TrainingDiverged: if a loss is not finite.
        """
        spec = self.experiment.spec
        owner = "all" if state.subspace is None else state.subspace
        total = 0.0
        for regulariser in spec.training.regularisers:
            label = ("regulariser", regulariser.kind, owner, state.next_step)
            total += regulariser.apply(
                RegularisedStep(
                    step=state.next_step,
                    num_steps=spec.training.steps,
                    landmarks=self.experiment.landmarks.ranked(state.subspace),
                    rng=stream(spec.seed, *label),
                    losses=partial(self._losses, state, batch),
                )
            )
        return total

    def _losses(self, state: TrainState, batch: Batch, images: Images) -> StepLosses:
        if images == "validation":
            validation = self.experiment.validation_images
            indices_B = self.schedule.validation_indices(state.next_step, len(validation))
            batch = Batch(*validation.plain(indices_B[self.team.share(len(indices_B))]))
            self.watch.lap("data")
        return _BatchLosses(self, state, batch)


class _BatchLosses(StepLosses):
    def __init__(self, by: Regularisation, state: TrainState, batch: Batch) -> None:
        self._by = by
        self._state = state
        self._batch = batch

    def loss(self, architecture: Architecture) -> float:
        by = self._by
        with torch.no_grad():
            shares = [
                share * self._part_loss(architecture, images, labels)
                for share, images, labels in parts(*self._batch, by.team.micro_batches)
            ]
            found = by.team.average(sum(shares[1:], shares[0])).item()
        by.watch.lap("forward")
        if not math.isfinite(found):
            raise TrainingDiverged(
                f"the loss of landmark {by.experiment.space.encode(architecture)} is {found} at "
                f"global step {self._state.next_step}; lower training.learning_rate or the "
                "regulariser's weight, or set training.gradient_clip"
            )
        return found

    def add_gradient(self, architecture: Architecture, factor: float) -> None:
        by = self._by
        for share, images, labels in parts(*self._batch, by.team.micro_batches):
            loss = factor * share * self._part_loss(architecture, images, labels)
            by.watch.lap("forward")
            loss.backward()
            by.watch.lap("backward")

    def _part_loss(self, architecture: Architecture, images: Tensor, labels: Tensor) -> Tensor:
        with arithmetic(self._by.experiment):
            return cross_entropy(self._state.supernet(images, architecture), labels)
