"""Telemetry: how fast every unit advances, and where its time goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.runs.schemas import RunRead, SubspaceRead, TelemetryRead
from frontend.figures.style import (
    MUTED,
    SHARED_COLOUR,
    Theme,
    empty_figure,
    figure,
    subspace_colour,
    subspace_dash,
)
from frontend.figures.training import SHARED
from frontend.figures.waiting import awaited

SPEED_TITLE = "Throughput"
SHARES_TITLE = "Where the time went"
WAITING = ("No unit has trained or scored yet.", "Telemetry appears within a second of it.")
CHUNKED = ("landmarks", "rank")
"""Kinds whose units are many and alike, so that they are shown as one."""
NO_TRAINING = "No unit has trained yet."

PARTS = ("data", "forward", "backward", "optimizer", "ranking", "checkpoint", "other")
# Paul Tol's "light" scheme: apart under the common colour-vision deficiencies, readable under dark
# text on both themes, and none of the colours of sub-spaces.
PART_COLOURS = dict(
    zip(
        PARTS,
        ("#77AADD", "#44BB99", "#BBCC33", "#EEDD88", "#FFAABB", "#EE8866", "#DDDDDD"),
        strict=True,
    )
)
PART_INK = "#212529"
GAP_SECONDS = 3.0
"""Without a row for longer than this, a unit was not worked on: its line is interrupted."""

TIME_UNITS = (
    (180.0, 1.0, "s"),
    (5400.0, 60.0, "min"),
    (3 * 86400.0, 3600.0, "h"),
    (float("inf"), 86400.0, "d"),
)
"""Of the time axis: up to how many seconds, and how many one of it has."""


@dataclass(frozen=True, slots=True)
class Total:
    """All that one unit did, or all units of one kind where these are many and alike.

    Attributes:
        name: of the unit, or of the kind with the number of its units.
        seconds: for which it was worked on.
        parts: seconds by part; they add up to `seconds`.
    """

    name: str
    seconds: float
    parts: Mapping[str, float]
    updates: int
    images: int
    trains: bool
    cpu_percent: float | None
    memory_bytes: int | None
    gpu_percent: float | None
    gpu_memory_bytes: int | None

    @property
    def steps_per_second(self) -> float | None:
        """Optimizer steps per second; None for what does not train."""
        return self.updates / self.seconds if self.trains and self.seconds else None

    @property
    def samples_per_second(self) -> float | None:
        """Training images times architectures per second; None for what does not train."""
        return self.images / self.seconds if self.trains and self.seconds else None

    @property
    def useful_share(self) -> float:
        """The share of training and ranking."""
        lost = self.parts["checkpoint"] + self.parts["other"]
        return 1 - lost / self.seconds if self.seconds else 0.0


def totals(telemetry: Sequence[TelemetryRead]) -> tuple[Total, ...]:
    """Add up the rows of every unit, the chunks of the landmarks and of the final ranking together, in their order."""
    groups: dict[str, list[TelemetryRead]] = {}
    for row in telemetry:
        groups.setdefault(row.kind if row.kind in CHUNKED else row.unit, []).append(row)
    return tuple(_total(name, rows) for name, rows in groups.items())


def throughput(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    telemetry: Sequence[TelemetryRead],
    theme: Theme = "light",
) -> go.Figure:
    """Draw steps and samples per second of every training unit over the time since the start."""
    revision = f"throughput-{run.id}"
    trained = [row for row in telemetry if row.steps_per_second is not None]
    if not trained:
        missing = awaited(run, *WAITING) if not telemetry else awaited(run, NO_TRAINING)
        return empty_figure(SPEED_TITLE, missing, theme=theme, uirevision=revision)
    begun = run.started_at or min(row.at for row in trained)
    last = max((row.at - begun).total_seconds() for row in trained)
    divisor, unit_name = _time_unit(last)
    seconds, updates = sum(row.seconds for row in trained), sum(row.updates for row in trained)
    images = sum(row.images for row in trained)
    drawn = make_subplots(
        rows=2,
        shared_xaxes=True,
        vertical_spacing=0.06,
        figure=figure(
            SPEED_TITLE,
            f"mean {updates / seconds:,.1f} steps/s, {images / seconds:,.0f} samples/s"
            f" · n = {updates:,} steps in {seconds:,.0f} s<br>"
            "sample: one image through one architecture",
            theme=theme,
            uirevision=revision,
        ),
    )
    labels = {part.index: part.label for part in subspaces}
    for unit in dict.fromkeys(row.unit for row in trained):
        rows = _with_gaps([row for row in trained if row.unit == unit])
        place = next(row.subspace for row in trained if row.unit == unit)
        shared, index = place is None, place or 0
        name = SHARED.get(unit, labels.get(index, f"sub-space {index}"))
        for panel, (what, value) in enumerate(
            (("steps", "steps_per_second"), ("samples", "samples_per_second")), start=1
        ):
            drawn.add_scatter(
                row=panel,
                col=1,
                name=name,
                legendgroup=unit,
                showlegend=panel == 1,
                mode="lines+markers",
                x=[_elapsed(row, begun, divisor) for row in rows],
                y=[None if row is None else getattr(row, value) for row in rows],
                marker={"size": 4},
                line={
                    "color": SHARED_COLOUR if shared else subspace_colour(index),
                    "dash": "solid" if shared else subspace_dash(index),
                    "width": 1.5,
                },
                hovertemplate=f"%{{x:.2f}} {unit_name}<br>%{{y:,.1f}} {what}/s"
                f"<extra>{name}</extra>",
            )
    drawn.update_yaxes(rangemode="tozero")
    drawn.update_yaxes(title_text="steps/s", row=1, col=1)
    drawn.update_yaxes(title_text="samples/s", row=2, col=1)
    drawn.update_xaxes(rangemode="tozero")
    drawn.update_xaxes(title_text=f"time since the run began ({unit_name})", row=2, col=1)
    drawn.update_layout(showlegend=True, margin={"t": 92, "b": 84})
    return drawn


def time_shares(
    run: RunRead, *, telemetry: Sequence[TelemetryRead], theme: Theme = "light"
) -> go.Figure:
    """Draw one bar per unit: the shares of the parts in the time for which it was worked on."""
    revision = f"time-shares-{run.id}"
    bars = [total for total in totals(telemetry) if total.seconds > 0]
    if not bars:
        return empty_figure(SHARES_TITLE, awaited(run, *WAITING), theme=theme, uirevision=revision)
    seconds = sum(bar.seconds for bar in bars)
    useful = sum(bar.seconds * bar.useful_share for bar in bars)
    drawn = figure(
        SHARES_TITLE,
        f"n = {seconds:,.0f} s of work on {len(bars)} unit{'s' if len(bars) > 1 else ''}"
        f" · {useful / seconds:.1%} training and ranking<br>checkpoint: only what holds work up",
        theme=theme,
        uirevision=revision,
    )
    for part in PARTS:
        shares = [100 * bar.parts[part] / bar.seconds for bar in bars]
        drawn.add_bar(
            name=part,
            orientation="h",
            y=[bar.name for bar in bars],
            x=shares,
            # A few bars shall not fill the whole height.
            width=min(0.75, 0.2 * len(bars)),
            marker={"color": PART_COLOURS[part], "line": {"width": 0}},
            text=[f"{share:.0f}" if share >= 4 else "" for share in shares],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"color": PART_INK, "size": 11},
            customdata=[[bar.parts[part], bar.seconds] for bar in bars],
            hovertemplate="%{y}<br>"
            + part
            + ": %{customdata[0]:,.2f} s of %{customdata[1]:,.1f} s"
            " (%{x:.1f} %)<extra></extra>",
        )
    drawn.update_layout(
        barmode="stack",
        margin={"t": 92, "b": 96},
        xaxis={"title": {"text": "share of the time (%)"}, "range": [0, 100]},
        yaxis={"autorange": "reversed", "type": "category"},
        legend={"traceorder": "normal", "font": {"color": MUTED[theme]}},
        uniformtext={"mode": "hide", "minsize": 9},
    )
    return drawn


def _total(name: str, rows: Sequence[TelemetryRead]) -> Total:
    units = len({row.unit for row in rows})
    seconds = sum(row.seconds for row in rows)
    return Total(
        name=f"{name} ({units} units)" if units > 1 else rows[0].unit,
        seconds=seconds,
        parts={part: sum(getattr(row, f"{part}_seconds") for row in rows) for part in PARTS},
        updates=sum(row.updates for row in rows),
        images=sum(row.images for row in rows),
        trains=any(row.steps_per_second is not None for row in rows),
        cpu_percent=_mean([(row.cpu_percent, row.seconds) for row in rows]),
        memory_bytes=max(row.memory_bytes or 0 for row in rows) or None,
        gpu_percent=_mean([(row.gpu_percent, row.seconds) for row in rows]),
        gpu_memory_bytes=max(row.gpu_memory_bytes or 0 for row in rows) or None,
    )


def _mean(values: Sequence[tuple[float | None, float]]) -> float | None:
    """Average values over the seconds for which they hold, those that are known."""
    known = [(value, seconds) for value, seconds in values if value is not None]
    whole = sum(seconds for _, seconds in known)
    return sum(value * seconds for value, seconds in known) / whole if whole else None


def _time_unit(seconds: float) -> tuple[float, str]:
    return next((divisor, name) for most, divisor, name in TIME_UNITS if seconds <= most)


def _elapsed(row: TelemetryRead | None, begun: datetime, divisor: float) -> float | None:
    return None if row is None else round((row.at - begun).total_seconds() / divisor, 4)


def _with_gaps(rows: Sequence[TelemetryRead]) -> list[TelemetryRead | None]:
    """Return the rows with None between two that do not follow one another in time."""
    found: list[TelemetryRead | None] = []
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None:
            unaccounted = (row.at - before.at).total_seconds() - row.seconds
            if unaccounted > max(GAP_SECONDS, row.seconds):
                found.append(None)
        found.append(row)
    return found
