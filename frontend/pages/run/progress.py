"""How far each kind of unit has come."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import html

from backend.runs.schemas import RunRead, SubspaceRead, UnitRead
from frontend.figures.style import SHARED_COLOUR, subspace_colour

KINDS = ("partition", "landmarks", "warm-up", "train", "rank", "combine", "search", "retrain")
NAMES = {
    "partition": "Partition",
    "landmarks": "Landmarks",
    "warm-up": "Warm-up",
    "train": "Training",
    "rank": "Ranking",
    "combine": "Combined scores",
    "search": "Search",
    "retrain": "Retraining",
}
COUNTED = {
    "landmarks": "trainings",
    "warm-up": "steps",
    "train": "steps",
    "rank": "architectures",
    "combine": "scores",
    "search": "evaluations",
    "retrain": "steps",
}
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Stage:
    """The units of one kind.

    Attributes:
        parts: (sub-space or None, progress, total) of each unit; a planned unit's total may
            still be 0.
        state: the most telling state among them.
    """

    kind: str
    parts: tuple[tuple[int | None, int, int], ...]
    state: str

    @property
    def progress(self) -> int:
        """What is done, in the kind's own unit."""
        return self._over_units(part[1] for part in self.parts)

    @property
    def total(self) -> int:
        """What is to be done, in the kind's own unit."""
        return self._over_units(part[2] for part in self.parts)

    def _over_units(self, numbers: Iterable[int]) -> int:
        # Every train unit runs over the same global steps, each making its own of them.
        shared = len(self.parts) if self.kind == "train" else 1
        return round(sum(numbers) / max(shared, 1))


def stages(run: RunRead, units: Sequence[UnitRead]) -> tuple[Stage, ...]:
    """Group units by kind, in the order of execution; kinds still unplanned have no parts."""
    expected = ["partition", "train", "rank"]
    if run.spec.landmarks is not None and run.spec.landmarks.trainings:
        expected.append("landmarks")
    if run.spec.training.warm_up_steps:
        expected.append("warm-up")
    if run.spec.ranking.combined_scorers:
        expected.append("combine")
    if run.spec.search is not None:
        expected.append("search")
    if run.spec.retrain is not None:
        expected.append("retrain")
    return tuple(
        _stage(kind, [unit for unit in units if unit.kind == kind])
        for kind in KINDS
        if kind in expected or any(unit.kind == kind for unit in units)
    )


def _stage(kind: str, units: Sequence[UnitRead]) -> Stage:
    states = {unit.state for unit in units}
    order = ("failed", "lost", "leased", "ready", "cancelled", "waiting", "done")
    state = next((state for state in order if state in states), "waiting")
    if state == "ready" and "done" in states:
        state = "leased"
    parts = tuple((unit.subspace, min(unit.progress, unit.total), unit.total) for unit in units)
    return Stage(kind, parts, state)


def progress_panel(
    run: RunRead, *, units: Sequence[UnitRead], subspaces: Sequence[SubspaceRead]
) -> Any:  # Any: a Dash component
    """Return one card per kind of unit, its bar divided by sub-space."""
    labels = {part.index: part.label for part in subspaces}
    cards = [_card(stage, labels) for stage in stages(run, units)]
    return dmc.SimpleGrid(cards, cols={"base": 2, "md": len(cards)}, spacing="sm")


def _card(stage: Stage, labels: dict[int, str]) -> Any:
    name = NAMES.get(stage.kind, stage.kind)
    whole = sum(total for _, _, total in stage.parts)
    sections = [
        html.Div(
            className="stage-part" + (" stage-working" if stage.state == "leased" else ""),
            title=f"{name if subspace is None else labels.get(subspace, name)}: "
            f"{done:,} of {total:,}",
            style={
                "width": f"{100 * done / max(whole, 1):.2f}%",
                "background": SHARED_COLOUR if subspace is None else subspace_colour(subspace),
            },
        )
        for subspace, done, total in stage.parts
        if done
    ]
    return dmc.Paper(
        [
            dmc.Group(
                [
                    dmc.Text(name, size="sm", fw=600),
                    dmc.Text(_count(stage), size="xs", c="dimmed", className="tabular"),
                ],
                justify="space-between",
                mb=6,
            ),
            html.Div(sections, className="stage-track"),
        ],
        withBorder=True,
        p="sm",
        **{"data-stage": stage.kind, "data-state": stage.state},
    )


def _count(stage: Stage) -> str:
    if not stage.parts:
        return "planned"
    if stage.kind not in COUNTED:
        return stage.state if stage.state != "leased" else "working"
    if stage.state in ("failed", "lost", "cancelled"):
        return f"{stage.state} at {stage.progress:,} of {stage.total:,}"
    if stage.state == "done":
        return f"{stage.total:,} {COUNTED[stage.kind]}"
    return f"{stage.progress:,} / {stage.total:,} {COUNTED[stage.kind]}"
