"""The state of one training unit: what a checkpoint holds, and where the unit continues."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Self

import torch

from nas.errors import TrainingDiverged
from nas.experiment import Experiment
from nas.seeds import derive_seed
from nas.supernets.build import build_supernet
from nas.supernets.network import Network, on_device
from nas.supernets.sizes import Supernets
from nas.supernets.slicing import shares
from nas.supernets.statistics import hand_over_statistics, keep_statistics, without_statistics
from nas.training.balance import BalanceCount
from nas.training.checkpoint import copied, digested, reading, tensors
from nas.training.nesterov import Nesterov
from nas.training.samplers.base import Route

FORMAT = 4
"""Number of the checkpoint format; a change of what is stored needs a new one."""


@dataclass(slots=True, eq=False)
class TrainState:
    """A supernet in training; `nas.pipeline.train_unit` updates it in place.

    Attributes:
        subspace: index of the sub-space it is private to; None for the warm-up and for a supernet
            with weight banks, which train the architectures of all of them.
        next_step: all global steps below it are behind this unit.
        finished_round: the last boundary of a round that the unit reached, live scores included;
            0 for none.
        supernet: the weights.
        optimizer: their momentum.
        balance: what was trained, one count per sub-space that this unit trains.
        updates: optimizer steps this unit has made; those of an inherited warm-up are not its own.
        penalty: sum of the regularisers' terms (nats) in the last of them; it is not stored.
    """

    subspace: int | None
    next_step: int
    finished_round: int
    supernet: Network
    optimizer: Nesterov
    balance: tuple[BalanceCount, ...]
    updates: int = 0
    penalty: float = 0.0

    def own(self, routes: Sequence[Route]) -> tuple[Route, ...]:
        """Return those architectures of a step that this unit trains, perhaps none."""
        if self.subspace is None:
            return tuple(routes)
        return tuple(route for route in routes if route.subspace == self.subspace)

    def count_update(self, routes: Sequence[Route], num_images: int) -> None:
        """Record one optimizer step on these architectures, at least one of this unit's."""
        self.updates += 1
        for count in self.balance:
            trained = [route.architecture for route in routes if route.subspace == count.subspace]
            if trained:
                read = [self.supernet.banks_read(architecture) for architecture in trained]
                count.add(trained, num_images, read)

    def frozen(self) -> Callable[[], bytes]:
        """Copy the whole state as it is now, and return what makes the copy's bytes.

        Copying is quick and belongs between two steps. Making the bytes is slow; any thread may do
        it while training goes on, and it raises `TrainingDiverged` if a number is not finite.
        """
        return partial(
            _serialised,
            copied(
                {
                    "format": FORMAT,
                    "subspace": self.subspace,
                    "next_step": self.next_step,
                    "finished_round": self.finished_round,
                    "supernet": self.supernet.state_dict(),
                    "momentum": self.optimizer.stored_momentum(self.supernet),
                    "balance": [asdict(count) for count in self.balance],
                    "updates": self.updates,
                }
            ),
        )

    def to_bytes(self) -> bytes:
        """Return the whole state, behind its SHA-256; equal states need not have equal bytes.

        Raises:
            TrainingDiverged: if a weight or a momentum is not finite.
        """
        return self.frozen()()

    @classmethod
    def from_bytes(cls, experiment: Experiment, data: bytes) -> Self:
        """Rebuild a state that `to_bytes` wrote for the same experiment; continuing is exact.

        Raises:
            InvalidCheckpoint: if the bytes are damaged or belong to another supernet.
        """
        with reading(data, experiment.device, FORMAT) as stored:
            subspace = stored["subspace"]
            supernet = _trained_supernet(experiment, subspace)
            supernet.load_state_dict(stored["supernet"])
            optimizer = _optimizer(experiment, supernet)
            optimizer.restore_momentum(supernet, stored["momentum"])
            return cls(
                subspace=subspace,
                next_step=stored["next_step"],
                finished_round=stored["finished_round"],
                supernet=supernet,
                optimizer=optimizer,
                balance=tuple(BalanceCount(**count) for count in stored["balance"]),
                updates=stored["updates"],
            )


def fresh_state(experiment: Experiment, subspace: int | None) -> TrainState:
    """Return an untrained supernet at global step 0.

    Initial weights depend on the spec's seed and on `subspace` alone.

    Args:
        experiment: the run.
        subspace: the sub-space to train, or None for all of them.
    """
    label = "warm-up" if subspace is None else subspace
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(experiment.spec.seed, "weights", label))
        supernet = _trained_supernet(experiment, subspace)
    return TrainState(
        subspace=subspace,
        next_step=0,
        finished_round=0,
        supernet=supernet,
        optimizer=_optimizer(experiment, supernet),
        balance=_zero_balance(experiment, supernet, subspace),
    )


def inherited_state(experiment: Experiment, warm: TrainState, subspace: int) -> TrainState:
    """Return a private supernet of `subspace` that starts as its share of the trained warm-up.

    A supernet as wide as the warm-up's copies it. A narrower one takes the first channels of
    weights and momentum alike (see `nas.supernets.slicing`). The warm-up itself is not changed.
    """
    assert warm.subspace is None
    assert warm.next_step == experiment.spec.training.warm_up_steps
    supernet = _trained_supernet(experiment, subspace)
    optimizer = _optimizer(experiment, supernet)
    for share in shares(warm.supernet, supernet):
        share.hand_over()
        momentum = warm.optimizer.momentum.get(share.parent)
        if momentum is not None:
            # In the memory format of the weight, and apart from the warm-up's own.
            taken = torch.empty_like(share.heir).copy_(share.of(momentum))
            optimizer.momentum[share.heir] = taken
    hand_over_statistics(warm.supernet, supernet)
    return TrainState(
        subspace=subspace,
        next_step=warm.next_step,
        finished_round=warm.next_step,
        supernet=supernet,
        optimizer=optimizer,
        balance=_zero_balance(experiment, supernet, subspace),
    )


def inherit(
    state: TrainState, source: Supernets, subspace: int | None, data: bytes, device: str
) -> None:
    """Give an untrained supernet its share of the weights of another run's.

    Momentum is not inherited: it belongs to the learning rates of the other run's schedule.

    Args:
        state: of the heir, at global step 0.
        source: the supernets of the other run.
        subspace: whose of them, as `Supernets.size` takes it.
        data: the checkpoint that holds it.
        device: of the heir.

    Raises:
        InvalidCheckpoint: if the bytes are damaged or belong to another supernet.
    """
    assert state.next_step == 0
    with reading(data, device, FORMAT) as stored:
        parent = _supernet(source, subspace, device)
        parent.load_state_dict(without_statistics(stored["supernet"]))
    for share in shares(parent, state.supernet):
        share.hand_over()


def _trained_supernet(experiment: Experiment, subspace: int | None) -> Network:
    supernet = _supernet(experiment.supernets, subspace, experiment.device)
    if experiment.spec.ranking.batch_norm.keeps_running_statistics:
        keep_statistics(supernet)
    return supernet


def _supernet(supernets: Supernets, subspace: int | None, device: str) -> Network:
    # Built on the CPU, so that initial weights are the same on every device.
    partition = supernets.partition
    shape = supernets.shaped(supernets.size(subspace))
    return on_device(build_supernet(partition.space, shape, partition), device)


def _optimizer(experiment: Experiment, supernet: Network) -> Nesterov:
    training = experiment.spec.training
    return Nesterov(
        supernet.parameters(), decay=training.momentum, weight_decay=training.weight_decay
    )


def _serialised(content: dict[str, Any]) -> bytes:  # Any: as in `copied`
    for name, tensor in tensors(content):
        if not bool(torch.isfinite(tensor).all()):
            raise TrainingDiverged(
                f"{name} holds a number that is not finite before global step "
                f"{content['next_step']}, so this state was not stored; "
                "lower training.learning_rate or set training.gradient_clip"
            )
    return digested(content)


def _zero_balance(
    experiment: Experiment, supernet: Network, subspace: int | None
) -> tuple[BalanceCount, ...]:
    indices = range(len(experiment.partition.subspaces)) if subspace is None else (subspace,)
    return tuple(
        BalanceCount.zero(index, experiment.space.choices, supernet.banks_by_cell)
        for index in indices
    )
