"""Several processes of one host that train a unit together, each on its share of every batch.

Rank 0 leads: it alone knows of the world outside, reports, and may stop. The others follow its
orders. All of them hold the same weights, bit by bit: they start from the same bytes, and each
step adds the same mean gradient. That is one all-reduce per step, of the gradients that the
sampled architectures have, one after the other in one buffer, with the loss behind them.

Orders go out where the leader reports. Between two reports there is nothing to agree on, for every
process reads the same schedule. A leader that stops simply gives its next order, or ends.
"""

import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.distributed_c10d import Store

from nas.errors import TrainingDiverged
from nas.experiment import Experiment
from nas.training.loop import prepare_device, train
from nas.training.state import TrainState
from nas.training.team import Team

LEADER = 0
FAILURE_SECONDS = 5.0
"""How long the leader waits for the word of a process whose connection broke."""

_FAILURE_KEY = "efsnas/failure"
_MEMORY_KEY = "efsnas/out-of-memory"


class Group(Protocol):
    """What a process group of torch is asked for here."""

    def allreduce(self, tensors: list[Tensor]) -> dist.Work:
        """Add up tensors over all processes, in place."""

    def broadcast(self, tensors: list[Tensor], options: dist.BroadcastOptions) -> dist.Work:
        """Send the leader's tensors to all."""


@dataclass(frozen=True, slots=True)
class Links:
    """How the processes of a team reach each other.

    Attributes:
        rank: of this process.
        size: of the team.
        orders: for bytes, on the CPU.
        gradients: for tensors on the device.
        store: where a process leaves word of its failure.
    """

    rank: int
    size: int
    orders: Group
    gradients: Group
    store: Store


class MemberFailed(Exception):
    """Another process of the team has failed; its own words."""


class _Member(Team):
    """What leader and followers have in common."""

    def __init__(self, links: Links) -> None:
        super().__init__()
        self._links = links
        self._updates_until_report = 1

    def share(self, batch_size: int) -> slice:
        size, rest = divmod(batch_size, self._links.size)
        assert rest == 0
        return slice(self._links.rank * size, (self._links.rank + 1) * size)

    def combine(self, weights: Sequence[Tensor], losses_R: Tensor) -> Tensor:
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        buffer = torch.cat([*(gradient.flatten() for gradient in gradients), losses_R])
        self._add_up(buffer)
        buffer /= self._links.size
        sizes = [*(gradient.numel() for gradient in gradients), len(losses_R)]
        parts: tuple[Tensor, ...] = buffer.split(sizes)
        for gradient, mean in zip(gradients, parts[:-1], strict=True):
            gradient.copy_(mean.view_as(gradient))
        return parts[-1]

    def average(self, value: Tensor) -> Tensor:
        mean = value.clone()
        self._add_up(mean)
        mean /= self._links.size
        return mean

    def report_is_due(self, *, updates: int, overdue: bool) -> bool:
        del overdue  # Each process's own clock; all must agree.
        return updates >= self._updates_until_report

    def _add_up(self, buffer: Tensor) -> None:
        try:
            work = self._links.gradients.allreduce([buffer])
            if buffer.device.type == "cuda":
                # NCCL waits for ever for a process that has failed.
                self._watch(work)
            work.wait()
        except RuntimeError as error:
            self._raise_failure(FAILURE_SECONDS)
            raise MemberFailed(f"a process of the team was lost: {error}") from error

    def _watch(self, work: dist.Work) -> None:
        looked_at = time.monotonic()
        while not work.is_completed():
            if time.monotonic() - looked_at > 1:
                self._raise_failure(0)
                looked_at = time.monotonic()

    def _raise_failure(self, seconds: float) -> None:
        """Raise what another process has left word of, waiting for it a little."""
        deadline = time.monotonic() + seconds
        while True:
            if self._links.store.check([_MEMORY_KEY]):
                raise MemoryError(self._links.store.get(_MEMORY_KEY).decode())
            if self._links.store.check([_FAILURE_KEY]):
                raise MemberFailed(self._links.store.get(_FAILURE_KEY).decode())
            if time.monotonic() >= deadline:
                return
            time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class _Begin:
    """Take up a unit: its state as bytes; the experiment goes along with the first one."""

    experiment: Experiment | None
    state: bytes
    micro_batches: int


@dataclass(frozen=True, slots=True)
class _TrainUntil:
    step: int


@dataclass(frozen=True, slots=True)
class _CarryOn:
    updates: int


@dataclass(frozen=True, slots=True)
class _End:
    pass


_Order = _Begin | _TrainUntil | _CarryOn | _End


class Leader(_Member):
    """The process that decides."""

    _told_experiment: Experiment | None = None

    def begin(self, experiment: Experiment, state: TrainState) -> None:
        news = None if experiment is self._told_experiment else replace(experiment)
        self._told_experiment = experiment
        self._send(_Begin(news, state.to_bytes(), self.micro_batches))

    def train_until(self, step: int) -> None:
        self._updates_until_report = 1
        self._send(_TrainUntil(step))

    def carry_on(self, updates: int) -> None:
        self._updates_until_report = updates
        self._send(_CarryOn(updates))

    def end(self) -> None:
        """Let the others go; to be called where they wait for an order."""
        self._send(_End())

    def _send(self, order: _Order) -> None:
        data = torch.frombuffer(bytearray(pickle.dumps(order)), dtype=torch.uint8)
        for tensor in (torch.tensor([len(data)]), data):
            self._links.orders.broadcast([tensor], dist.BroadcastOptions()).wait()


class _Interrupted(Exception):
    """The leader stopped in the middle of a unit."""

    def __init__(self, order: _Order) -> None:
        super().__init__(order)
        self.order = order


class Follower(_Member):
    """A process that does what the leader says.

    Args:
        links: to the others.
        device: of this process.
    """

    def __init__(self, links: Links, device: str) -> None:
        super().__init__(links)
        self._device = device

    def follow(self) -> TrainState | None:
        """Obey until the leader ends the team; return the last unit's state, for tests."""
        experiment: Experiment | None = None
        state: TrainState | None = None
        order = self._receive()
        while not isinstance(order, _End):
            match order:
                case _Begin():
                    if order.experiment is not None:
                        experiment = replace(order.experiment, device=self._device)
                        prepare_device(experiment)
                    assert experiment is not None
                    state = TrainState.from_bytes(experiment, order.state)
                    self.micro_batches = order.micro_batches
                    order = self._receive()
                case _TrainUntil():
                    assert experiment is not None
                    assert state is not None
                    order = self._train(experiment, state, order.step)
                case _CarryOn():
                    raise AssertionError("the leader goes on with what was not begun")
        return state

    def leave_word(self, text: str, *, out_of_memory: bool) -> None:
        """Tell the leader why this process fails; it may be waiting for it."""
        self._links.store.set(_MEMORY_KEY if out_of_memory else _FAILURE_KEY, text)

    def carry_on(self, updates: int) -> None:
        del updates  # The leader's number counts.
        order = self._receive()
        if not isinstance(order, _CarryOn):
            raise _Interrupted(order)
        self._updates_until_report = order.updates

    def _train(self, experiment: Experiment, state: TrainState, until: int) -> _Order:
        """Train, and return the order that comes next."""
        self._updates_until_report = 1
        try:
            for _ in train(experiment, state, until, self):
                pass
        except _Interrupted as interruption:
            return interruption.order
        except TrainingDiverged:
            pass  # The mean loss is the leader's too, which deals with it.
        return self._receive()

    def _receive(self) -> _Order:
        size = torch.zeros(1, dtype=torch.int64)
        self._links.orders.broadcast([size], dist.BroadcastOptions()).wait()
        data = torch.empty(int(size), dtype=torch.uint8)
        self._links.orders.broadcast([data], dist.BroadcastOptions()).wait()
        # From the leader, a process of ours that was started with this one.
        order: _Order = pickle.loads(data.numpy().tobytes())
        return order
