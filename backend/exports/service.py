"""Downloads of retrained networks: which file they begin with, and the process that makes them."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.errors import ApiError, NotFound, Unprocessable
from backend.exports.facts import card_facts
from backend.models import Artifact, RetrainingRow, Run, Unit
from backend.runs.service import require_run
from nas.export.formats import FORMATS
from nas.export.order import BUNDLE, OUTCOME, Order, Outcome

ARTIFACT = "retrained"
"""Kind of the artifacts that hold networks."""

LONGEST_SECONDS = 600.0
"""Of one export; the largest networks take some seconds."""

PATIENCE_SECONDS = 60.0
"""How long a request waits for the exports before it."""

_one_at_a_time = Semaphore()


@dataclass(frozen=True, slots=True)
class Planned:
    """A download that can be made.

    Attributes:
        order: to the process that makes it.
        etag: the same for the same bytes.
        filename: for whoever saves it.
    """

    order: Order
    etag: str
    filename: str


@dataclass(frozen=True, slots=True)
class Made:
    """A download.

    Attributes:
        data: a ZIP archive.
        left_out: formats that are not in it, and why.
    """

    data: bytes
    left_out: Mapping[str, str]


def plan(
    session: Session, run_id: int, number: int, formats: Sequence[str], artifact_folder: Path
) -> Planned:
    """Return the download of one retraining.

    Args:
        session: to read.
        run_id: of the run.
        number: of the retraining in the run.
        formats: kinds; none: every one that the network can be written in.
        artifact_folder: that holds the files of runs.

    Raises:
        NotFound: if there is no such run, or retraining.
        ApiError: 409 if the retraining has left no weights.
        Unprocessable: if a format is not known.
    """
    for kind in formats:
        if kind not in FORMATS:
            raise Unprocessable("format", f"{kind!r} is unknown; there are {', '.join(FORMATS)}")
    run = require_run(session, run_id)
    row = _row(session, run, number)
    artifact = _artifact(session, run, row)
    path = artifact_folder / artifact.path
    if not path.is_file():
        raise ApiError(
            f"The weights of {_name(run, row)} are gone from the artifact folder; train it again.",
            409,
            state="lost",
        )
    order = Order(
        model=path,
        facts=card_facts(session, run, row),
        formats=tuple(kind for kind in FORMATS if kind in formats),
    )
    described = order.model_dump_json(exclude={"model"})
    digest = hashlib.sha256(f"{artifact.sha256} {described}".encode()).hexdigest()
    return Planned(order, f'"{digest[:32]}"', f"run-{run.id}-network-{number}.zip")


def make(planned: Planned) -> Made:
    """Make a download in a process of its own, which loads torch and is gone afterwards.

    Raises:
        Unprocessable: if the network cannot be written so.
        ApiError: 409 if its file is damaged, 503 if others have been waiting too long, 500 if the process fails.
    """
    with _turn(), tempfile.TemporaryDirectory(prefix="efsnas-export-") as name:
        folder = Path(name)
        _run(folder, planned.order)
        outcome = Outcome.model_validate_json((folder / OUTCOME).read_bytes())
        if outcome.damaged is not None:
            raise ApiError(
                f"The stored weights cannot be read: {outcome.damaged}", 409, state="damaged"
            )
        if outcome.refused is not None:
            raise Unprocessable("format", outcome.refused)
        return Made((folder / BUNDLE).read_bytes(), outcome.left_out)


@contextmanager
def _turn() -> Iterator[None]:
    """Keep requests from taking all of the machine: one export at a time."""
    if not _one_at_a_time.acquire(timeout=PATIENCE_SECONDS):
        raise ApiError("Other networks are being exported; try again in a minute.", 503)
    try:
        yield
    finally:
        _one_at_a_time.release()


def _run(folder: Path, order: Order) -> None:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "nas.export", folder],
            input=order.model_dump_json().encode(),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ApiError(f"The export took longer than {LONGEST_SECONDS:g} s.", 500) from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ApiError(f"The export failed: {last or f'exit status {done.returncode}'}", 500)


def _row(session: Session, run: Run, number: int) -> RetrainingRow:
    rows = {
        row.number: row
        for row in session.scalars(select(RetrainingRow).where(RetrainingRow.run_id == run.id))
    }
    if not rows:
        raise ApiError(
            f"{run.title} has trained no network alone, so there are no weights to export: "
            "retrain its winners, or architectures that you pick.",
            404,
        )
    if number not in rows:
        raise NotFound(f"retraining of {run.title} with the number", number)
    return rows[number]


def _artifact(session: Session, run: Run, row: RetrainingRow) -> Artifact:
    """Return the newest file of a retraining.

    Raises:
        ApiError: 409 if it has none.
    """
    found = session.scalars(
        select(Artifact)
        .where(Artifact.unit_id == row.unit_id, Artifact.kind == ARTIFACT)
        .order_by(Artifact.id.desc())
        .limit(1)
    ).first()
    if found is not None:
        return found
    state = session.get_one(Unit, row.unit_id).state
    if row.failure is not None:
        reason = f"has no weights: {row.failure}"
    elif state in ("failed", "cancelled"):
        reason = f"is {state} and left no weights; retry the run"
    else:
        reason = f"is {state}: its weights can be exported once the training has ended"
    raise ApiError(f"{_name(run, row)} {reason.rstrip('.')}.", 409, state=state)


def _name(run: Run, row: RetrainingRow) -> str:
    return f"Retraining {row.number} of {run.title}"
