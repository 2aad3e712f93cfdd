"""The training loop of one supernet."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from nas.errors import TrainingDiverged
from nas.events import TrainingProgressed
from nas.experiment import Experiment
from nas.training.samplers.base import Route
from nas.training.schedule import Schedule
from nas.training.state import TrainState
from nas.training.stopwatch import Stopwatch
from nas.training.team import Team

REPORT_SECONDS = 0.25
"""A unit reports, and can be stopped, at least this often."""


def train(
    experiment: Experiment, state: TrainState, until: int, team: Team | None = None
) -> Iterator[TrainingProgressed]:
    """Execute the unit's global steps below `until`, updating `state` in place.

    The state is whole at every event: stored then and restored, training continues bit by bit as
    if it had not stopped.

    Args:
        experiment: the run.
        state: of a unit of it.
        until: the global step before which to stop.
        team: who trains, by default this process alone.

    Raises:
        TrainingDiverged: if the loss is not finite, naming the step and its architecture; the
            state is spoiled then.
    """
    team = team or Team()
    team.train_until(until)
    schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
    watch = Stopwatch.of(experiment.device)
    started, updates, loss_sum, learning_rate = time.perf_counter(), 0, 0.0, 0.0
    while state.next_step < until:
        step = state.next_step
        routes = state.own(schedule.routes(step))
        if routes:
            learning_rate = schedule.learning_rate(step)
            loss_sum += update(experiment, state, schedule, routes, team, watch)
            updates += 1
        state.next_step = step + 1
        seconds = time.perf_counter() - started
        due = team.report_is_due(updates=updates, overdue=seconds >= REPORT_SECONDS)
        if updates and (due or state.next_step == until):
            yield TrainingProgressed(
                step=state.next_step,
                updates=state.updates,
                loss=loss_sum / updates,
                learning_rate=learning_rate,
                steps_per_second=updates / seconds,
                part_seconds=watch.take(),
                balance=tuple(count.event() for count in state.balance),
            )
            watch.begin()
            if state.next_step < until:
                team.carry_on(max(round(updates / seconds * REPORT_SECONDS), 1))
            started, updates, loss_sum = time.perf_counter(), 0, 0.0


def update(
    experiment: Experiment,
    state: TrainState,
    schedule: Schedule,
    routes: Sequence[Route],
    team: Team,
    watch: Stopwatch | None = None,
) -> float:
    """Make the optimizer step of `state.next_step` and return its mean loss (nats).

    All architectures see the same images. Their gradients are summed, as in the code of EFS-NAS
    and in FairNAS, then clipped once. Each goes backward right after it went forward, so that
    memory holds the activations of one. Of a batch in several parts it holds those of one part;
    the gradient is still that of the batch's mean loss, but BatchNorm sees each part alone. The
    same goes for a batch that several processes share.

    Operations that no architecture uses keep their weights and momentum bit by bit: they have no
    gradient, so the optimizer leaves them out.

    Args:
        experiment: the run.
        state: a supernet that owns all of the architectures.
        schedule: of the run.
        routes: the architectures, at least one.
        team: who makes the step together, and in which parts.
        watch: measures the parts of the step, if anybody wants to know.

    Raises:
        TrainingDiverged: if a loss is not finite; the weights are spoiled then.
    """
    watch = watch or Stopwatch()
    training, step = experiment.spec.training, state.next_step
    images_BCHW, labels_B = experiment.train_images.augmented(
        schedule.image_indices(step),
        training.augmentation,
        schedule.augmentation(step),
        team.share(schedule.batch_size),
    )
    watch.lap("data")
    state.optimizer.forget_gradients()
    losses = []
    for route in routes:
        parts = []
        for share, images, labels in _parts(images_BCHW, labels_B, team.micro_batches):
            with _arithmetic(experiment):
                loss = cross_entropy(state.supernet(images, route.architecture), labels)
            loss = share * loss
            watch.lap("forward")
            loss.backward()
            watch.lap("backward")
            parts.append(loss.detach())
        losses.append(sum(parts[1:], parts[0]))
    losses_R = team.combine(state.optimizer.weights, torch.stack(losses))
    if training.gradient_clip is not None:
        used = [weight for weight in state.optimizer.weights if weight.grad is not None]
        clip_grad_norm_(used, training.gradient_clip, foreach=True)
    state.optimizer.step(schedule.learning_rate(step))
    state.count_update(routes, schedule.batch_size)
    found: list[float] = losses_R.tolist()
    mean = sum(found) / len(found)
    watch.lap("optimizer")
    if not math.isfinite(mean):
        raise _diverged(experiment, step, routes, found)
    return mean


def prepare_device(experiment: Experiment) -> None:
    """Set the process up for the arithmetic that the spec promises to repeat bit by bit."""
    torch.set_num_threads(experiment.spec.training.threads)
    if experiment.device.startswith("cuda"):
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


def _parts(
    images_BCHW: Tensor, labels_B: Tensor, number: int
) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Yield parts of a batch, each behind its share of the images; the shares add up to 1."""
    parts = zip(images_BCHW.tensor_split(number), labels_B.tensor_split(number), strict=True)
    for images, labels in parts:
        yield len(labels) / len(labels_B), images, labels


def _arithmetic(experiment: Experiment) -> AbstractContextManager[object]:
    """Return the context of a forward pass; weights, loss and gradients stay float32 in any."""
    if experiment.spec.training.precision == "float32":
        return nullcontext()
    return torch.autocast(torch.device(experiment.device).type, dtype=torch.bfloat16)


def _diverged(
    experiment: Experiment, step: int, routes: Sequence[Route], losses: Sequence[float]
) -> TrainingDiverged:
    loss, route = next(
        pair for pair in zip(losses, routes, strict=True) if not math.isfinite(pair[0])
    )
    return TrainingDiverged(
        f"the training loss is {loss} at global step {step}, architecture "
        f"{experiment.space.encode(route.architecture)}; "
        "lower training.learning_rate or set training.gradient_clip"
    )
