"""Executing units inside the test's own process, and looking at what they left."""

from collections.abc import Callable, Iterator
from itertools import count

import torch
from sqlalchemy import select

from backend.models import Artifact, Unit
from backend.runs import leases
from nas.training.state import TrainState
from tests.worker.support import SLOT, Deployment
from worker import checkpoints
from worker.control import DRAIN, Control
from worker.loading import load_run
from worker.plan import train_key
from worker.reaper import reap
from worker.runner import Runner


class DrainWhen(Control):
    """Orders to drain as soon as `wanted()`, which is asked at every event."""

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted

    @property
    def order(self) -> str | None:
        return DRAIN if self._wanted() else None


def after_looks(looks: int) -> DrainWhen:
    """Return a control that orders to drain once the runner has looked `looks` times."""
    number = count()
    return DrainWhen(lambda: next(number) >= looks)


def run_here(
    deployment: Deployment, run_id: int, control: Control | None = None, owner: str = SLOT
) -> bool:
    """Execute units of a run in this process, as one runner would; False if none was ready."""
    lease = deployment.claim(run_id, owner)
    if lease is None:
        return False
    Runner(deployment.db, deployment.settings, control or Control(), lease).work()
    return True


def run_to_end(deployment: Deployment, run_id: int) -> None:
    """Execute a run in this process, runner after runner."""
    while run_here(deployment, run_id):
        pass


def lose(deployment: Deployment, owner: str) -> None:
    """Let the leases of a slot that died expire, and have them returned."""
    with deployment.db.unit_of_work() as session:
        leases.renew(session, owner, -1.0)
    reap(deployment.db, deployment.settings)


def artifacts(deployment: Deployment, run_id: int, key: str) -> list[Artifact]:
    """Return the checkpoints of a unit, newest first."""
    with deployment.db.reading() as session:
        unit_id = session.scalars(
            select(Unit.id).where(Unit.run_id == run_id, Unit.key == key)
        ).one()
        found = checkpoints.newest_first(session, unit_id)
        session.expunge_all()
    return found


def final_tensors(deployment: Deployment, run_id: int) -> dict[str, torch.Tensor]:
    """Return every weight and momentum of the run's finished supernets."""
    with deployment.db.reading() as session:
        experiment = load_run(session, deployment.settings, run_id).experiment
    tensors: dict[str, torch.Tensor] = {}
    spec, subspaces = experiment.spec, experiment.partition.subspaces
    for key in dict.fromkeys(train_key(spec, subspace.index) for subspace in subspaces):
        newest = artifacts(deployment, run_id, key)[0]
        data = checkpoints.read_checked(deployment.settings.artifact_folder, newest)
        state = TrainState.from_bytes(experiment, data)
        assert state.next_step == spec.training.steps
        tensors |= tensors_of(state)
    return tensors


def tensors_of(state: TrainState) -> dict[str, torch.Tensor]:
    """Return every weight and momentum of a trained supernet, under the key of its unit."""
    key = "train" if state.subspace is None else f"train-{state.subspace}"
    return {f"{key}/{name}": value for name, value in _tensors(state)}


def same_bits(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Tell whether two sets of tensors have the same names and, bit for bit, the same values."""
    return left.keys() == right.keys() and all(
        value.numpy().tobytes() == right[name].numpy().tobytes() for name, value in left.items()
    )


def _tensors(state: TrainState) -> Iterator[tuple[str, torch.Tensor]]:
    yield from state.supernet.state_dict().items()
    for name, value in state.optimizer.stored_momentum(state.supernet).items():
        yield f"momentum/{name}", value
