"""The training of an architecture that has been chosen: resumable, validated after every epoch."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch
from pydantic import JsonValue
from torch import Tensor

from nas.errors import TrainingDiverged
from nas.events import Retrained, RetrainingEpoch, StandAloneProgressed
from nas.spaces.base import Architecture
from nas.training.checkpoint import copied, digested, reading
from nas.training.recipes.base import RetrainRecipe
from nas.training.retrained import RetrainedModel
from nas.training.standalone import Reports, StandAloneTrainer, StandAloneTraining

FORMAT = 1
"""Number of the checkpoint format; a change of what is stored needs a new one."""


@dataclass(slots=True, eq=False)
class RetrainState:
    """A retraining under way; `retrain` updates it in place.

    Attributes:
        training: weights, momentum, random numbers and position.
        seed: of the training.
        loss_sum: of the steps of the epoch under way (nats), on the device.
        epochs: finished and validated.
        accuracy: on the validation images after the last of them, in percent.
        best_epoch: the first of those with the highest accuracy; 0 before the first epoch.
        best_accuracy: its accuracy.
        best_weights: of that epoch; None where the recipe never stops early.
        seconds: of training so far, evaluation excluded.
        reason: why the training came to nothing, for people; empty where it did not.
    """

    training: StandAloneTraining
    seed: int
    loss_sum: Tensor
    epochs: int = 0
    accuracy: float = 0.0
    best_epoch: int = 0
    best_accuracy: float = -math.inf
    best_weights: dict[str, Tensor] | None = None
    seconds: float = 0.0
    reason: str = ""

    @classmethod
    def fresh(cls, trainer: StandAloneTrainer, architecture: Architecture, seed: int) -> Self:
        """Return a training at its beginning, a function of architecture and seed."""
        training = trainer.begin(architecture, seed)
        return cls(training, seed, torch.zeros((), device=trainer.device))

    def frozen(self) -> Callable[[], bytes]:
        """Copy the whole state as it is now, and return what makes the copy's bytes.

        Copying is quick and belongs between two steps; any thread may make the bytes meanwhile.
        """
        training = self.training
        content = {
            "format": FORMAT,
            "seed": self.seed,
            "step": training.step,
            "network": training.network.state_dict(),
            "momentum": training.optimizer.stored_momentum(training.network),
            "generator": training.generator.get_state(),
            "order": training.order,
            "loss_sum": self.loss_sum,
            "epochs": self.epochs,
            "accuracy": self.accuracy,
            "best_epoch": self.best_epoch,
            "best_accuracy": self.best_accuracy,
            "best_weights": self.best_weights,
            "seconds": self.seconds,
            "reason": self.reason,
        }
        return partial(digested, copied(content))

    @classmethod
    def from_bytes(
        cls, trainer: StandAloneTrainer, architecture: Architecture, seed: int, data: bytes
    ) -> Self:
        """Rebuild a state that `frozen` wrote of the same training; continuing is exact.

        Raises:
            InvalidCheckpoint: if the bytes are damaged or belong to another training.
        """
        state = cls.fresh(trainer, architecture, seed)
        training = state.training
        with reading(data, trainer.device, FORMAT) as stored:
            if stored["seed"] != seed:
                raise ValueError(f"it has the seed {stored['seed']}, not {seed}")
            training.network.load_state_dict(stored["network"])
            training.optimizer.restore_momentum(training.network, stored["momentum"])
            training.generator.set_state(stored["generator"].cpu())
            training.order = stored["order"].cpu()
            training.step = stored["step"]
            state.loss_sum = stored["loss_sum"]
            state.epochs = stored["epochs"]
            state.accuracy = stored["accuracy"]
            state.best_epoch = stored["best_epoch"]
            state.best_accuracy = stored["best_accuracy"]
            state.best_weights = stored["best_weights"]
            state.seconds = stored["seconds"]
            state.reason = stored["reason"]
        return state

    def has_ended(self, recipe: RetrainRecipe) -> bool:
        """Tell whether there is nothing left to train."""
        if self.reason or self.epochs == recipe.epochs:
            return True
        return recipe.patience is not None and self.epochs - self.best_epoch >= recipe.patience


def retrain(
    trainer: StandAloneTrainer, state: RetrainState
) -> Iterator[StandAloneProgressed | RetrainingEpoch | Retrained]:
    """Train to the end of the recipe, or until it stops early, and classify the test images once.

    Early stopping reads validation images alone. With it the weights of the best epoch are kept,
    otherwise those of the last. A training that diverges ends at that epoch, without weights.

    `state` is whole at every event: stored then, restored and passed in again, the training goes on
    exactly.

    Args:
        trainer: with a `RetrainRecipe`.
        state: of one training.
    """
    recipe, training = trainer.recipe, state.training
    assert isinstance(recipe, RetrainRecipe)
    code = trainer.space.encode(training.architecture)
    reports = Reports(trainer, training.architecture, state.seed, training.step)
    while not state.has_ended(recipe):
        end = (state.epochs + 1) * trainer.steps_per_epoch
        if training.step < end:
            state.loss_sum = state.loss_sum + trainer.advance(training, reports.watch)
            if reports.are_due() or training.step == end:
                report = reports.take(training)
                parts = report.part_seconds
                state.seconds += parts.data + parts.forward + parts.backward + parts.optimizer
                yield report
                reports.begin(training)
            continue
        epoch = _validated(trainer, state, code)
        if epoch is not None:
            yield epoch
        reports.begin(training)
    yield _result(trainer, state, code)


def _validated(
    trainer: StandAloneTrainer, state: RetrainState, code: str
) -> RetrainingEpoch | None:
    """End an epoch; return None if the training has diverged in it."""
    recipe = trainer.recipe
    assert isinstance(recipe, RetrainRecipe)
    loss = float(state.loss_sum) / trainer.steps_per_epoch
    if not math.isfinite(loss):
        state.reason = (
            f"The training diverged: the mean training loss of epoch {state.epochs + 1} is {loss}. "
            "Lower the recipe's learning_rate or set its gradient_clip."
        )
        return None
    try:
        state.accuracy = trainer.accuracy(state.training, "validation")
    except TrainingDiverged as error:
        state.reason = f"The training diverged in epoch {state.epochs + 1}: {error}."
        return None
    state.loss_sum = torch.zeros_like(state.loss_sum)
    state.epochs += 1
    if state.accuracy > state.best_accuracy:
        state.best_epoch, state.best_accuracy = state.epochs, state.accuracy
        if recipe.patience is not None:
            weights = state.training.network.state_dict()
            state.best_weights = {name: value.clone() for name, value in weights.items()}
    return RetrainingEpoch(
        architecture=code,
        seed=state.seed,
        epoch=state.epochs,
        loss=loss,
        learning_rate=trainer.learning_rate(state.training.step - 1),
        accuracy=state.accuracy,
        best_epoch=state.best_epoch,
    )


def _result(trainer: StandAloneTrainer, state: RetrainState, code: str) -> Retrained:
    kept_epoch, validation_accuracy = state.epochs, state.accuracy
    if state.best_weights is not None and not state.reason:
        state.training.network.load_state_dict(state.best_weights)
        kept_epoch, validation_accuracy = state.best_epoch, state.best_accuracy
    test_accuracy = None
    if not state.reason:
        try:
            test_accuracy = trainer.accuracy(state.training, "test")
        except TrainingDiverged as error:
            state.reason = f"The training diverged: {error}."
    ended = Retrained(
        architecture=code,
        seed=state.seed,
        epochs=state.epochs,
        best_epoch=state.best_epoch,
        kept_epoch=None,
        validation_accuracy=None,
        test_accuracy=None,
        seconds=state.seconds,
        reason=state.reason,
        model=None,
    )
    if test_accuracy is None:
        return ended
    return replace(
        ended,
        kept_epoch=kept_epoch,
        validation_accuracy=validation_accuracy,
        test_accuracy=test_accuracy,
        model=_model(trainer, state, (kept_epoch, validation_accuracy, test_accuracy)),
    )


def _model(
    trainer: StandAloneTrainer, state: RetrainState, result: tuple[int, float, float]
) -> RetrainedModel:
    dataset, (kept_epoch, validation_accuracy, test_accuracy) = trainer.dataset, result
    told: dict[str, JsonValue] = {
        "recipe": trainer.recipe.model_dump(mode="json"),
        "optimizer": "SGD, Nesterov, cosine to 0",
        "seed": state.seed,
        "epochs": state.epochs,
        "kept_epoch": kept_epoch,
        "validation_accuracy": validation_accuracy,
        "test_accuracy": test_accuracy,
        "train_images": len(dataset.train),
        "validation_images": len(dataset.validation),
        "test_images": len(dataset.test),
        "split_seed": dataset.split_seed,
        "seconds": state.seconds,
        "device": trainer.device,
        "torch": str(torch.__version__),
    }
    return RetrainedModel(
        space=trainer.space,
        architecture=state.training.architecture,
        shape=trainer.shape,
        state_dict=copied(dict(state.training.network.state_dict())),
        pixels=trainer.pixels,
        classes=dataset.classes,
        image_shape=dataset.image_shape,
        told=told,
    )
