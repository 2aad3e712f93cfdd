"""The winner's cell, drawn as the graph that it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from backend.runs.schemas import CandidateRead, RunRead
from frontend.figures.search import incumbents
from frontend.figures.style import (
    GRID,
    INK,
    MUTED,
    Theme,
    empty_figure,
    figure,
    subspace_colour,
)
from frontend.figures.waiting import awaited
from nas.operations import OPERATIONS
from nas.spaces.base import Architecture, Space
from nas.spaces.cell import CellSpace

TITLE = "Best cell"
CURVE_POINTS = 25
ARC_HEIGHT = 0.42


@dataclass(frozen=True, slots=True)
class CellEdge:
    """One decision of a cell.

    Attributes:
        live: whether it lies on a path from input to output along connecting operations.
        nonlinear: whether its operation holds a nonlinear function.
    """

    source: int
    target: int
    operation: str
    live: bool
    nonlinear: bool

    def curve(self) -> tuple[list[float], list[float]]:
        """Return points of the arc from source to target, node i lying at (i, 0).

        Longer edges rise higher; edges from odd nodes bend down, so that no two arcs coincide.
        """
        side = 1 if self.source % 2 == 0 else -1
        height = side * ARC_HEIGHT * 2 * (self.target - self.source - 1)
        places = [step / (CURVE_POINTS - 1) for step in range(CURVE_POINTS)]
        xs = [self.source + place * (self.target - self.source) for place in places]
        return xs, [2 * height * place * (1 - place) for place in places]


def cell_edges(space: CellSpace, architecture: Architecture) -> tuple[CellEdge, ...]:
    """Return the decisions of an architecture as edges."""
    return tuple(
        CellEdge(source, target, name, live, OPERATIONS[name].nonlinearities > 0)
        for (source, target), name, live in zip(
            space.graph.edges, architecture, space.live(architecture), strict=True
        )
    )


def best_cell(
    run: RunRead,
    *,
    candidates: Sequence[CandidateRead],
    space: Space,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the architecture with the best score: live edges solid, nonlinear ones coloured."""
    revision = f"best-cell-{run.id}"
    if not candidates or not isinstance(space, CellSpace):
        message = (
            awaited(
                run,
                "No candidate has been found yet.",
                "The cell appears with the first evaluation.",
            )
            if not candidates
            else f"Architectures of {run.space} are no cells."
        )
        return empty_figure(TITLE, message, theme=theme, uirevision=revision)
    best = incumbents(candidates)[-1]
    drawn = figure(
        f"{TITLE}: {_merit(best)}",
        f"{best.flops:,} FLOPs · {best.parameters:,} parameters · nonlinearity count"
        f" {best.nonlinearity_count} · evaluation {best.evaluation:,}",
        theme=theme,
        uirevision=revision,
    )
    for edge in cell_edges(space, space.decode(best.architecture)):
        _add_edge(drawn, edge, subspace_colour(best.subspace), theme)
    last = space.num_nodes - 1
    drawn.add_scatter(
        mode="markers+text",
        x=list(range(space.num_nodes)),
        y=[0] * space.num_nodes,
        text=["in", *(str(node) for node in range(1, last)), "out"],
        textfont={"color": "#ffffff", "size": 12},
        marker={"size": 34, "color": "#495057", "line": {"width": 2, "color": GRID[theme]}},
        hovertemplate="node %{text}<extra></extra>",
    )
    reach = max(0.5, ARC_HEIGHT * (last - 1)) + 0.25
    hidden = {"visible": False, "fixedrange": True}
    drawn.update_layout(
        showlegend=False,
        xaxis={**hidden, "range": [-0.25, last + 0.25]},
        yaxis={**hidden, "range": [-reach, reach]},
        margin={"l": 16, "b": 40},
    )
    drawn.add_annotation(
        text=f"<span style='font-family:monospace'>{best.architecture}</span>",
        showarrow=False,
        xref="paper",
        yref="paper",
        x=0,
        y=-0.02,
        yanchor="top",
        font={"size": 11, "color": MUTED[theme]},
    )
    return drawn


def _merit(best: CandidateRead) -> str:
    text = f"score {best.score:.4g}"
    if best.true_accuracy is not None:
        text += f", stand-alone {best.true_accuracy:.2f} %"
    if best.true_rank is not None:
        text += f", true rank {best.true_rank:,}"
    return text


def _add_edge(drawn: go.Figure, edge: CellEdge, colour: str, theme: Theme) -> None:
    xs, ys = edge.curve()
    ink = colour if edge.nonlinear else INK[theme]
    drawn.add_scatter(
        mode="lines",
        x=xs,
        y=ys,
        line={
            "color": ink if edge.live else GRID[theme],
            "width": (4 if edge.nonlinear else 2) if edge.live else 1.5,
            "dash": "solid" if edge.live else "dot",
        },
        text=[edge.operation] * len(xs),
        hovertemplate=f"{edge.source} → {edge.target}: {edge.operation}"
        f"{'' if edge.live else ', carries no signal'}<extra></extra>",
    )
    # Labels at a third of the way keep clear of each other where arcs cross in the middle.
    place = len(xs) // 2 if edge.target - edge.source == 1 else len(xs) * 2 // 5
    drawn.add_annotation(
        x=xs[place],
        y=ys[place],
        text=edge.operation,
        showarrow=False,
        yshift=11,
        font={"size": 11, "color": INK[theme] if edge.live else MUTED[theme]},
    )
