"""Training progress of one unit, gathered between two transactions into one point per series."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from backend.models import Balance, Metric, RoundPart, Unit
from nas.events import SupernetBalance, TrainingProgressed
from worker.upsert import upsert


@dataclass(slots=True)
class TrainingProgress:
    """What the events since the last transaction add up to.

    Attributes:
        updates: optimizer steps gathered, for the means.
        loss_sum: mean loss of each event times its updates.
        penalty_sum: likewise of the regularisers' terms; None where the run has no regulariser.
        seconds: time that the gathered updates took.
        newest: the last event.
        updates_before: of the unit when the first gathered event began.
    """

    updates_before: int = 0
    updates: int = 0
    loss_sum: float = 0.0
    penalty_sum: float | None = None
    seconds: float = 0.0
    newest: TrainingProgressed | None = field(default=None)

    def add(self, event: TrainingProgressed) -> None:
        """Gather one event."""
        made = event.updates - self.updates_before - self.updates
        if made > 0:
            self.loss_sum += event.loss * made
            if self.penalty_sum is not None:
                self.penalty_sum += event.penalty * made
            self.updates += made
            if event.steps_per_second > 0:
                self.seconds += made / event.steps_per_second
        self.newest = event

    def write(self, session: Session, unit: Unit) -> None:
        """Store the gathered point and begin the next."""
        event = self.newest
        if event is None:
            return
        series = {"learning_rate": event.learning_rate}
        if self.updates:
            series["loss"] = self.loss_sum / self.updates
            if self.penalty_sum is not None:
                series["penalty"] = self.penalty_sum / self.updates
        if self.seconds:
            series["steps_per_second"] = self.updates / self.seconds
        rows = [
            {
                "unit_id": unit.id,
                "series": name,
                "step": event.step,
                "value": value,
                "run_id": unit.run_id,
            }
            for name, value in series.items()
        ]
        upsert(session, Metric, ("unit_id", "series", "step"), rows)
        _write_balance(session, unit, event.step, event.balance)
        self.updates_before = event.updates
        self.updates, self.loss_sum, self.seconds, self.newest = 0, 0.0, 0.0, None
        self.penalty_sum = None if self.penalty_sum is None else 0.0


def forget_after(session: Session, unit: Unit, step: int) -> None:
    """Delete the points beyond the step from which a unit resumes, so that nothing mixes."""
    for table in (Metric, Balance, RoundPart):
        session.execute(
            delete(table)
            .where(table.unit_id == unit.id, table.step > step)
            .execution_options(synchronize_session=False)
        )


def _write_balance(
    session: Session, unit: Unit, step: int, balance: Sequence[SupernetBalance]
) -> None:
    # The counts per operation and bank are large and cumulative: only the newest row keeps them.
    session.execute(
        update(Balance)
        .where(Balance.unit_id == unit.id, Balance.step < step)
        .values(operation_updates=[], operation_samples=[], operation_images=[], bank_updates=[])
        .execution_options(synchronize_session=False)
    )
    rows = [
        {
            "unit_id": unit.id,
            "subspace": entry.subspace,
            "step": step,
            "phase": "warm-up" if unit.kind == "warm-up" else "train",
            "updates": entry.updates,
            "samples": entry.samples,
            "images": entry.images,
            "operation_updates": list(entry.operation_updates),
            "operation_samples": list(entry.operation_samples),
            "operation_images": list(entry.operation_images),
            "bank_updates": [
                {str(bank): updates for bank, updates in counts.items()}
                for counts in entry.bank_updates
            ],
            "run_id": unit.run_id,
        }
        for entry in balance
    ]
    if rows:
        upsert(session, Balance, ("unit_id", "subspace", "step"), rows)
