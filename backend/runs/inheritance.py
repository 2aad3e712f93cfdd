"""Runs whose supernets start from those of another run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.errors import Conflict, NotFound, Unprocessable
from backend.models import Artifact, Run, Unit
from backend.runs.lifecycle import allowed_actions
from backend.runs.states import ACTIVE_RUN_STATES, lock_run
from nas.errors import InfeasibleInheritance
from nas.spec import RunSpec
from nas.supernets.donors import Donor, Trained, donors
from nas.supernets.sizes import Supernets

FIELD = "training.inherit_from"


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a run takes from another one.

    Attributes:
        supernets: of the source.
        donors: by `Trained.beginners` of the heir.
    """

    supernets: Supernets
    donors: Mapping[int | None, Donor]


def inheritance(source: Run, spec: RunSpec, heir: Supernets) -> Inheritance:
    """Return what a run takes from `source`.

    Args:
        source: the run that `spec` names.
        spec: of the heir.
        heir: its supernets.

    Raises:
        InfeasibleInheritance: saying why it can take nothing.
    """
    space, dataset = source.space.definition, source.dataset
    supernet = source.spec.supernet
    shape = supernet.shape(image_channels=dataset.channels, num_classes=len(dataset.classes))
    theirs = supernet.supernets(source.spec.partition(space), shape)
    found = donors(_trained(source.spec, theirs), _trained(spec, heir))
    return Inheritance(supernets=theirs, donors=found)


def check(
    session: Session, spec: RunSpec, heir: Supernets, artifact_folder: Path | None
) -> Run | None:
    """Return the run that a new one inherits from, locked until it is stored; None for none.

    Args:
        session: a writing transaction.
        spec: of the new run.
        heir: its supernets.
        artifact_folder: where checkpoints are; None: only the database is asked for them.

    Raises:
        Unprocessable: if there is nothing that it could inherit, saying why.
    """
    number = spec.training.inherit_from
    if number is None:
        return None
    try:
        # Locked, so that it cannot be deleted before the new run counts among its heirs.
        source = lock_run(session, number)
    except NotFound:
        raise Unprocessable(FIELD, f"there is no run {number}") from None
    if source.state != "succeeded":
        raise _refused(source, f"it is {source.state}, and only a succeeded run has heirs")
    try:
        found = inheritance(source, spec, heir)
    except InfeasibleInheritance as error:
        raise _refused(source, str(error)) from error
    for donor in found.donors.values():
        artifact = checkpoint(session, source.id, donor)
        if artifact is None or not _exists(artifact, artifact_folder):
            raise _refused(source, f"the checkpoint of {donor} is gone; name another run")
    return source


def checkpoint(session: Session, run_id: int, donor: Donor) -> Artifact | None:
    """Return the checkpoint that holds a donor, None if the database names none."""
    return session.scalars(
        select(Artifact)
        .join(Unit, Unit.id == Artifact.unit_id)
        .where(
            Unit.run_id == run_id,
            Unit.kind == donor.kind,
            Unit.subspace == donor.subspace,
            Artifact.kind == "checkpoint",
        )
        .order_by(Artifact.id.desc())
        .limit(1)
    ).one_or_none()


def require_no_heirs(session: Session, run: Run) -> None:
    """Refuse to delete a run from which unfinished ones inherit.

    Raises:
        Conflict: naming them.
    """
    heirs = session.scalars(
        select(Run.id)
        .where(Run.inherits_from == run.id, Run.state.in_(ACTIVE_RUN_STATES))
        .order_by(Run.id)
    ).all()
    if heirs:
        named = f"run{'s' if len(heirs) > 1 else ''} {', '.join(map(str, heirs))}"
        raise Conflict(
            f"Run {run.id} cannot be deleted now: the weights of {named} start from it. "
            f"Wait for {named} to end, or cancel.",
            state=run.state,
            allowed_actions=[
                action for action in allowed_actions(run.state) if action != "delete"
            ],
        )


def _trained(spec: RunSpec, supernets: Supernets) -> Trained:
    return Trained(supernets, warms_up=spec.training.warm_up_steps > 0)


def _exists(artifact: Artifact, artifact_folder: Path | None) -> bool:
    return artifact_folder is None or (artifact_folder / artifact.path).is_file()


def _refused(source: Run, reason: str) -> Unprocessable:
    return Unprocessable(FIELD, f"run {source.id} cannot be inherited from: {reason}")
