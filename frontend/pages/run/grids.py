"""The long tables of the run page: candidates of the search, and the log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.runs.fronts import front_of
from backend.runs.schemas import CandidateRead, EventRead, RunRead, SubspaceRead
from frontend.figures.front import objectives_text
from frontend.figures.style import subspace_colour

Row = dict[str, Any]  # Any: JSON values of a grid's row


@dataclass(frozen=True, slots=True)
class Grid:
    """One table.

    Attributes:
        rows: gives each row a unique text under `key`, so that new data keeps sorting and scroll.
        needs: names of the rows that `rows` takes as keyword arguments, beside `run`.
    """

    columns: list[dict[str, Any]]  # Any: AG Grid's column definitions
    needs: tuple[str, ...]
    rows: Callable[..., list[Row]]  # the keyword arguments are those of `needs`
    empty: str

    def of(self, rows: Mapping[str, Any]) -> list[Row]:
        """Return the grid's rows from `rows`, which may hold more than this grid needs."""
        return self.rows(rows["run"], **{name: rows[name] for name in self.needs})


def candidate_rows(
    run: RunRead, *, candidates: Sequence[CandidateRead], subspaces: Sequence[SubspaceRead]
) -> list[Row]:
    """Return one row per evaluation."""
    labels = {part.index: part.label for part in subspaces}
    search = run.spec.search
    names = [] if search is None else [aim.name for aim in search.aims]
    front = set() if search is None else {row.evaluation for row in front_of(search, candidates)}
    return [
        {
            "key": str(candidate.evaluation),
            **candidate.model_dump(mode="json", exclude={"best_score"}),
            "objectives": objectives_text(candidate, names) if len(names) > 1 else "–",
            "front": "★" if candidate.evaluation in front else "–",
            "label": labels.get(candidate.subspace, str(candidate.subspace)),
            "colour": subspace_colour(candidate.subspace),
        }
        for candidate in candidates
    ]


def log_rows(run: RunRead, *, log: Sequence[EventRead]) -> list[Row]:
    """Return one row per line, the newest first."""
    return [
        {
            "key": str(event.id),
            "time": event.created_at.strftime("%Y-%m-%d %H:%M:%S"),
            "level": event.level,
            "unit": event.unit or "",
            "message": event.message,
        }
        for event in reversed(log)
    ]


def _numeric(field: str, header: str, digits: int | None = None) -> dict[str, Any]:
    shown = f"params.value.toFixed({digits})" if digits else "params.value.toLocaleString('en')"
    return {
        "field": field,
        "headerName": header,
        "type": "rightAligned",
        "width": 130,
        "valueFormatter": {"function": f"params.value == null ? '–' : {shown}"},
    }


GRIDS: Mapping[str, Grid] = {
    "candidates": Grid(
        columns=[
            {**_numeric("evaluation", "Evaluation"), "width": 110},
            {**_numeric("score", "Score", 4), "sort": "desc"},
            _numeric("true_accuracy", "Stand-alone %", 2),
            {**_numeric("true_rank", "True rank"), "width": 110},
            {
                "field": "label",
                "headerName": "Sub-space",
                "width": 140,
                "cellRenderer": "SubspaceDot",
            },
            {**_numeric("nonlinearity_count", "Count"), "width": 90},
            _numeric("flops", "FLOPs"),
            _numeric("parameters", "Parameters"),
            _numeric("latency_ms", "Latency ms", 3),
            _numeric("latency_spread_ms", "Spread ms", 3),
            {"field": "front", "headerName": "Front", "width": 80},
            {"field": "objectives", "headerName": "Objectives", "width": 260},
            {
                "field": "architecture",
                "headerName": "Architecture",
                "flex": 1,
                "minWidth": 340,
                "cellClass": "monospace",
                "tooltipField": "architecture",
            },
        ],
        needs=("candidates", "subspaces"),
        rows=candidate_rows,
        empty="The search has not evaluated a candidate yet.",
    ),
    "log": Grid(
        columns=[
            {"field": "time", "headerName": "Time (UTC)", "width": 190},
            {"field": "level", "headerName": "Level", "width": 90},
            {"field": "unit", "headerName": "Unit", "width": 130},
            {
                "field": "message",
                "headerName": "Message",
                "flex": 1,
                "minWidth": 400,
                "wrapText": True,
                "autoHeight": True,
            },
        ],
        needs=("log",),
        rows=log_rows,
        empty="Nothing has happened yet.",
    ),
}
