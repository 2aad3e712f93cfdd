"""The training loop of one supernet."""

import math
import time
from collections.abc import Iterator, Sequence

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from nas.errors import TrainingDiverged
from nas.events import TrainingProgressed
from nas.experiment import Experiment
from nas.training.passes import arithmetic, parts
from nas.training.regularisation import Batch, Regularisation
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
    started, updates = time.perf_counter(), 0
    loss_sum = penalty_sum = learning_rate = 0.0
    while state.next_step < until:
        step = state.next_step
        routes = state.own(schedule.routes(step))
        if routes:
            learning_rate = schedule.learning_rate(step)
            loss_sum += update(experiment, state, schedule, routes, team, watch)
            penalty_sum += state.penalty
            updates += 1
        state.next_step = step + 1
        seconds = time.perf_counter() - started
        due = team.report_is_due(updates=updates, overdue=seconds >= REPORT_SECONDS)
        if updates and (due or state.next_step == until):
            yield TrainingProgressed(
                step=state.next_step,
                updates=state.updates,
                loss=loss_sum / updates,
                penalty=penalty_sum / updates,
                learning_rate=learning_rate,
                steps_per_second=updates / seconds,
                part_seconds=watch.take(),
                balance=tuple(count.event() for count in state.balance),
            )
            watch.begin()
            if state.next_step < until:
                team.carry_on(max(round(updates / seconds * REPORT_SECONDS), 1))
            started, updates = time.perf_counter(), 0
            loss_sum = penalty_sum = 0.0


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
    same goes for a batch that several processes share. The gradients of the regularisers join them
    before they are clipped; `state.penalty` holds the sum of their terms.

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
        shares = []
        for share, images, labels in parts(images_BCHW, labels_B, team.micro_batches):
            with arithmetic(experiment):
                loss = cross_entropy(state.supernet(images, route.architecture), labels)
            loss = share * loss
            watch.lap("forward")
            loss.backward()
            watch.lap("backward")
            shares.append(loss.detach())
        losses.append(sum(shares[1:], shares[0]))
    regularisation = Regularisation(experiment, schedule, team, watch)
    state.penalty = regularisation.apply(state, Batch(images_BCHW, labels_B))
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
    prepare_arithmetic(experiment.device, experiment.spec.training.threads)


def prepare_arithmetic(device: str, threads: int) -> None:
    """Set the process up to repeat bit by bit what it computes on a device, with so many threads."""
    torch.set_num_threads(threads)
    if device.startswith("cuda"):
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


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
