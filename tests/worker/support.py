"""What the worker's tests share: a small run, and units put into a state without a worker."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.benchmarks.service import add_benchmark
from backend.db import Database
from backend.models import SearchSpace, Unit
from backend.references import get
from backend.runs import leases, results, service
from backend.runs.leases import Lease
from backend.runs.schemas import EventRead
from backend.runs.states import lock_run, move_run
from backend.settings import Settings
from nas.benchmarks.table import Entry, GroundTruth
from nas.spec import RunSpec
from worker.plan import settle, units_after_partition

SLOT = "slot-under-test"
NUM_CELLS, SHARED_CELLS, THRESHOLD = 3, 1, 3  # of `banked_spec`


@dataclass(frozen=True)
class Deployment:
    """A database with the catalogue, and the settings that lead to it."""

    db: Database
    settings: Settings

    def create(self, spec: RunSpec) -> int:
        """Queue a run and return its id."""
        with self.db.unit_of_work() as session:
            return service.create_run(session, spec).id

    def act(self, run_id: int, action: str) -> str:
        """Cancel, pause, resume or retry a run; return its state then."""
        with self.db.unit_of_work() as session:
            return getattr(service, action)(session, run_id).state

    def claim(self, run_id: int | None = None, owner: str = SLOT) -> Lease | None:
        """Claim a unit for `owner`."""
        with self.db.unit_of_work() as session:
            return leases.claim(session, owner, self.settings.lease_seconds, run_id=run_id)

    def state(self, run_id: int) -> str:
        """Return the state of a run."""
        with self.db.reading() as session:
            return service.get_run(session, run_id).state

    def unit_states(self, run_id: int) -> dict[str, str]:
        """Return the state of every unit by its key."""
        with self.db.reading() as session:
            return {unit.key: unit.state for unit in results.units(session, run_id)}

    def events(self, run_id: int) -> list[EventRead]:
        """Return the run's history."""
        with self.db.reading() as session:
            return results.events(session, run_id)

    def messages(self, run_id: int, kind: str = "log") -> list[str]:
        """Return the texts of the events of one kind."""
        return [event.message for event in self.events(run_id) if event.kind == kind]


def tiny_spec(**changes: Any) -> RunSpec:
    """Return a run of a second or two on digits-mini; `changes` are merged one level deep."""
    spec: dict[str, Any] = {
        "name": "tiny",
        "space": "digits-mini",
        "dataset": "digits",
        "benchmark": None,
        "splitter": {"kind": "nonlinearity", "num_subspaces": 2},
        "supernet": {"width": 2},
        "training": {"steps": 60, "warm_up_steps": 20, "batch_size": 8},
        "ranking": {
            "num_architectures": 24,
            "every_steps": 20,
            "live_architectures": 10,
            "live_images": 20,
            "num_images": 40,
        },
        "search": {"kind": "random", "budget": 12, "evaluators": 0},
    }
    for name, value in changes.items():
        merge = isinstance(value, dict) and isinstance(spec.get(name), dict)
        spec[name] = {**spec[name], **value} if merge else value
    return RunSpec.model_validate(spec)


def banked_spec(**changes: Any) -> RunSpec:
    """Return `tiny_spec` with weight banks in the last two of three cells in a row."""
    banks: dict[str, Any] = {
        "splitter": {"thresholds": [THRESHOLD]},
        "supernet": {
            "routing": "accumulated",
            "cells_per_stage": NUM_CELLS,
            "shared_cells": SHARED_CELLS,
        },
        "training": {"warm_up_steps": 0},
    }
    return tiny_spec(**{**banks, **changes})


def add_truth(db: Database, name: str = "ordered", noise_ceiling: float | None = 0.9) -> None:
    """Store a benchmark of digits-mini in which every architecture has another accuracy."""
    with db.unit_of_work() as session:
        row = get(session, SearchSpace, "digits-mini")
        entries = {
            row.definition.encode(member): Entry(accuracy=10 + place / 2)
            for place, member in enumerate(row.definition.enumerate())
        }
        truth = GroundTruth(entries=entries, noise_ceiling=noise_ceiling)
        add_benchmark(session, name, row, truth)


def skip_to_training(deployment: Deployment, spec: RunSpec, sample_sizes: list[int]) -> int:
    """Queue a run whose partition and warm-up are done, without any worker."""
    run_id = deployment.create(spec)
    with deployment.db.unit_of_work() as session:
        run = lock_run(session, run_id)
        move_run(session, run, "running")
        for unit in units_after_partition(spec, sample_sizes):
            unit.run_id = run_id
            session.add(unit)
        session.flush()
        for unit in units_of(session, run_id):
            if unit.kind in ("partition", "warm-up"):
                unit.state = "done"
        settle(session, run_id)
    return run_id


def units_of(session: Session, run_id: int) -> Iterator[Unit]:
    """Yield the units of a run in the order of their planning."""
    yield from session.scalars(select(Unit).where(Unit.run_id == run_id).order_by(Unit.id))


def unit_of(session: Session, run_id: int, key: str) -> Unit:
    """Return one unit of a run."""
    return session.scalars(select(Unit).where(Unit.run_id == run_id, Unit.key == key)).one()
