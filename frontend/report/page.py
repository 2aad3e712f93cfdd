"""A run as one HTML file: what was found, the figures, the best candidates, spec and log."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import jinja2
import plotly.graph_objects as go
import yaml
from plotly.offline import get_plotlyjs
from rich.table import Table

from backend.cli.summary import measure_tables, summary
from backend.db import Database
from backend.runs.latency_text import latency_conditions
from backend.runs.outcome import read_outcome
from backend.runs.schemas import CandidateRead, EventRead, RunRead
from frontend.figures.registry import FIGURES
from frontend.rows import read_rows

BEST_CANDIDATES = 20
PLOTLY_CONFIG = {"responsive": True, "displaylogo": False}


@dataclass(frozen=True, slots=True)
class HtmlTable:
    """A table of text.

    Attributes:
        title: above it; empty for none.
        caption: below it.
        header: one text per column; empty for none.
        rows: one text per column each.
    """

    title: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    @classmethod
    def of(cls, table: Table) -> "HtmlTable":
        """Return what the command line prints."""
        return cls(
            title=str(table.title or ""),
            caption=str(table.caption or ""),
            header=[str(column.header) for column in table.columns] if table.show_header else [],
            rows=list(
                zip(
                    *([str(cell) for cell in column.cells] for column in table.columns),
                    strict=True,
                )
            ),
        )


def report(db: Database, run_id: int) -> str:
    """Return the page, with everything that it shows inside.

    Raises:
        NotFound: if there is no such run.
    """
    needs = {need for definition in FIGURES.values() for need in definition.needs}
    rows = read_rows(db, run_id, needs | {"log"})
    with db.reading() as session:
        found = read_outcome(session, run_id)
    figures = [(name, definition.of(rows, "light")) for name, definition in FIGURES.items()]
    found_out = dataclasses.replace(HtmlTable.of(summary(found)), title="")
    return _template().render(
        run=rows["run"],
        found_out=found_out,
        measures=list(map(HtmlTable.of, measure_tables(found))),
        figures=[_drawn(name, figure) for name, figure in figures if figure.data],
        candidates=_best(found.run, found.candidates),
        log=_log(rows["log"]),
        spec=yaml.safe_dump(rows["run"].spec.model_dump(mode="json"), sort_keys=False),
        plotly=get_plotlyjs(),
    )


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _best(run: RunRead, candidates: Sequence[CandidateRead]) -> HtmlTable:
    best = sorted(candidates, key=lambda one: (-one.score, one.evaluation))[:BEST_CANDIDATES]
    latency = latency_conditions(run, candidates)
    return HtmlTable(
        title=f"Best {len(best)} of {len(candidates):,} candidates",
        caption="" if latency is None else f"Latency {latency}",
        header=[
            *("architecture", "sub-space", "score", "FLOPs", "parameters", "count"),
            *(() if latency is None else ("latency, ms", "its spread, ms")),
            *("true accuracy, %", "true rank"),
        ],
        rows=[
            [
                *(one.architecture, str(one.subspace), f"{one.score:.4f}"),
                *(f"{one.flops:,}", f"{one.parameters:,}", str(one.nonlinearity_count)),
                *(
                    ()
                    if latency is None
                    else (_milliseconds(one.latency_ms), _milliseconds(one.latency_spread_ms))
                ),
                "–" if one.true_accuracy is None else f"{one.true_accuracy:.2f}",
                "–" if one.true_rank is None else str(one.true_rank),
            ]
            for one in best
        ],
    )


def _log(lines: Sequence[EventRead]) -> HtmlTable:
    return HtmlTable(
        title="",
        caption="",
        header=["time (UTC)", "unit", "what happened"],
        rows=[
            [f"{line.created_at:%Y-%m-%d %H:%M:%S}", line.unit or "", line.message]
            for line in lines
        ],
    )


def _drawn(name: str, figure: go.Figure) -> str:
    """Return what draws a figure, once Plotly is there."""
    drawn: str = figure.to_html(
        config=PLOTLY_CONFIG, include_plotlyjs=False, full_html=False, div_id=name
    )
    return drawn


@cache
def _template() -> jinja2.Template:
    text = (files(__package__) / "page.html").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(text)
