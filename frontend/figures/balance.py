"""Training balance: how evenly supernets, and their operations, have been trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.runs.schemas import BalanceRead, RunRead, SubspaceRead
from frontend.figures.style import (
    INK,
    SHARED_COLOUR,
    Theme,
    empty_figure,
    figure,
    subspace_colour,
    subspace_dash,
    thinned,
    translucent,
)
from frontend.figures.waiting import awaited

BALANCE_TITLE = "Training balance"
OVER_STEPS_TITLE = "Updates over steps"
OPERATIONS_TITLE = "Operation balance"
MOST_POINTS = 1000
WAITING = ("No update has been made yet.", "Counts appear with the first training steps.")


@dataclass(frozen=True, slots=True)
class BalanceBar:
    """One supernet.

    Attributes:
        updates: optimizer steps of its own, warm-up left out.
        warm_up_updates: steps of the shared warm-up supernet spent on this sub-space.
        share: of all own updates so far, 0..1; 0 before the first.
        target_share: what the run's sampler aims at, 0..1.
    """

    index: int
    label: str
    updates: int
    warm_up_updates: int
    share: float
    target_share: float


@dataclass(frozen=True, slots=True)
class TrainingBalance:
    """All supernets, and one number for how even they are.

    Attributes:
        entropy: of the shares of own updates over log K; 1 is perfectly even. None before the
            first own update and for a single supernet.
        target_entropy: the same of the sampler's target shares; None for a single supernet.
    """

    bars: tuple[BalanceBar, ...]
    entropy: float | None
    target_entropy: float | None


def newest(balance: Sequence[BalanceRead]) -> list[BalanceRead]:
    """Return the row of the highest step of every (unit, sub-space): counts are cumulative."""
    found: dict[tuple[str, int], BalanceRead] = {}
    for row in balance:
        key = (row.unit, row.subspace)
        if key not in found or row.step >= found[key].step:
            found[key] = row
    return list(found.values())


def normalised_entropy(shares: Sequence[float]) -> float | None:
    """Return -sum(p log p) / log K: 1 for equal shares, 0 if one holds all; None for K = 1."""
    if len(shares) < 2:
        return None
    return -sum(share * math.log(share) for share in shares if share > 0) / math.log(len(shares))


def prepare_balance(
    subspaces: Sequence[SubspaceRead], balance: Sequence[BalanceRead]
) -> TrainingBalance:
    """Sum the newest counts per sub-space, warm-up apart."""
    own = dict.fromkeys((part.index for part in subspaces), 0)
    warm = dict(own)
    for row in newest(balance):
        phase = warm if row.phase == "warm-up" else own
        phase[row.subspace] += row.updates
    total = sum(own.values())
    bars = tuple(
        BalanceBar(
            index=part.index,
            label=part.label,
            updates=own[part.index],
            warm_up_updates=warm[part.index],
            share=own[part.index] / total if total else 0.0,
            target_share=part.target_share,
        )
        for part in subspaces
    )
    return TrainingBalance(
        bars=bars,
        entropy=normalised_entropy([bar.share for bar in bars]) if total else None,
        target_entropy=normalised_entropy([bar.target_share for bar in bars]),
    )


def training_balance(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    balance: Sequence[BalanceRead],
    theme: Theme = "light",
) -> go.Figure:
    """Draw updates per sub-space against the sampler's target, the warm-up apart."""
    revision = f"training-balance-{run.id}"
    if not subspaces or not balance:
        return empty_figure(
            BALANCE_TITLE, awaited(run, *WAITING), theme=theme, uirevision=revision
        )
    found = prepare_balance(subspaces, balance)
    total = sum(bar.updates for bar in found.bars)
    warm = sum(bar.warm_up_updates for bar in found.bars)
    drawn = figure(
        BALANCE_TITLE, _balance_caption(run, found, total, warm), theme=theme, uirevision=revision
    )
    labels = [bar.label for bar in found.bars]
    colours = [subspace_colour(bar.index) for bar in found.bars]
    drawn.add_bar(
        name="updates" if run.spec.supernet.has_banks else "own updates",
        orientation="h",
        y=labels,
        x=[bar.updates for bar in found.bars],
        marker={"color": colours},
        text=[
            f"{bar.updates:,} · {bar.share:.1%} (target {bar.target_share:.1%})"
            for bar in found.bars
        ],
        hovertemplate="%{y}<br>%{x:,} updates of "
        + ("its architectures" if run.spec.supernet.has_banks else "its own supernet")
        + "<extra></extra>",
    )
    if warm:
        drawn.add_bar(
            name="warm-up (shared supernet)",
            orientation="h",
            y=labels,
            x=[bar.warm_up_updates for bar in found.bars],
            marker={
                "color": translucent(SHARED_COLOUR, 0.25),
                "line": {"color": SHARED_COLOUR, "width": 1},
            },
            text=[f"{bar.warm_up_updates:,} in the warm-up" for bar in found.bars],
            insidetextfont={"color": INK[theme]},
            hovertemplate="%{y}<br>%{x:,} warm-up updates on its architectures<extra></extra>",
        )
    drawn.add_scatter(
        name="target",
        mode="markers",
        y=labels,
        x=[bar.target_share * total for bar in found.bars],
        marker={
            "symbol": "line-ns",
            "size": 26,
            "line": {"width": 2.5, "color": INK[theme]},
        },
        hovertemplate="%{y}<br>target of the sampler: %{x:,.0f} updates<extra></extra>",
    )
    drawn.update_traces(
        selector={"type": "bar"},
        textposition="auto",
        # At the start of a bar, clear of the target's mark near its end.
        insidetextanchor="start",
        cliponaxis=False,
        textfont={"size": 11},
    )
    drawn.update_layout(
        bargap=0.25,
        bargroupgap=0.08,
        yaxis={"autorange": "reversed", "type": "category"},
        xaxis={"title": {"text": "updates (optimizer steps)"}, "rangemode": "tozero"},
    )
    return drawn


def _balance_caption(run: RunRead, found: TrainingBalance, total: int, warm: int) -> str:
    parts = [f"n = {total:,} {'updates' if run.spec.supernet.has_banks else 'own updates'}"]
    if warm:
        parts.append(f"{warm:,} in the warm-up")
    if found.entropy is not None:
        parts.append(f"normalised entropy {found.entropy:.3f} (even = 1)")
        if found.target_entropy is not None and found.target_entropy < 0.9995:
            parts.append(f"target {found.target_entropy:.3f}")
    return " · ".join(parts)


def updates_over_steps(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    balance_history: Sequence[BalanceRead],
    theme: Theme = "light",
) -> go.Figure:
    """Draw each supernet's own updates over global steps, its target dotted."""
    revision = f"updates-over-steps-{run.id}"
    rows = [row for row in balance_history if row.phase != "warm-up"]
    if not subspaces or not rows:
        return empty_figure(
            OVER_STEPS_TITLE,
            awaited(run, *WAITING)
            if run.spec.supernet.has_banks
            else awaited(run, "No supernet has been trained on its own yet."),
            theme=theme,
            uirevision=revision,
        )
    training = run.spec.training
    drawn = figure(
        OVER_STEPS_TITLE,
        f"{'updates per sub-space' if run.spec.supernet.has_banks else 'own updates per supernet'}, step {max(row.step for row in rows):,} of {training.steps:,}"
        " · dotted: the sampler's target",
        theme=theme,
        uirevision=revision,
    )
    for part in subspaces:
        points = thinned(
            sorted((row.step, row.updates) for row in rows if row.subspace == part.index),
            MOST_POINTS,
        )
        drawn.add_scatter(
            name=part.label,
            mode="lines+markers" if len(points) < 2 else "lines",
            x=[step for step, _ in points],
            y=[updates for _, updates in points],
            line={"color": subspace_colour(part.index), "dash": subspace_dash(part.index)},
            hovertemplate="step %{x:,}<br>%{y:,} updates<extra>" + part.label + "</extra>",
        )
        drawn.add_scatter(
            name=f"{part.label}, target",
            mode="lines",
            showlegend=False,
            hoverinfo="skip",
            x=[training.warm_up_steps, training.steps],
            y=[0, part.target_share * (training.steps - training.warm_up_steps)],
            line={"color": subspace_colour(part.index), "dash": "dot", "width": 1},
        )
    drawn.update_layout(
        xaxis={"title": {"text": "global step"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "updates (optimizer steps)"}, "rangemode": "tozero"},
    )
    return drawn


def prepare_operations(
    subspaces: Sequence[SubspaceRead], balance: Sequence[BalanceRead]
) -> dict[int, list[dict[str, float]]]:
    """Return, per sub-space and decision, each operation's share of the steps so far.

    Warm-up and own steps are summed; sub-spaces without a step are left out.
    """
    counts: dict[int, list[dict[str, int]]] = {}
    for row in newest(balance):
        if not row.operation_updates:
            continue
        held = counts.setdefault(row.subspace, [{} for _ in row.operation_updates])
        for decision, operations in zip(held, row.operation_updates, strict=True):
            for name, steps in operations.items():
                decision[name] = decision.get(name, 0) + steps
    return {
        part.index: [
            {name: steps / sum(decision.values()) for name, steps in decision.items()}
            for decision in counts[part.index]
        ]
        for part in subspaces
        if any(sum(decision.values()) for decision in counts.get(part.index, []))
    }


def operation_balance(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    balance: Sequence[BalanceRead],
    theme: Theme = "light",
) -> go.Figure:
    """Draw a heat map per sub-space: how often each operation was trained at each decision."""
    revision = f"operation-balance-{run.id}"
    shares = prepare_operations(subspaces, balance)
    if not shares:
        return empty_figure(
            OPERATIONS_TITLE, awaited(run, *WAITING), theme=theme, uirevision=revision
        )
    labels = {part.index: part.label for part in subspaces}
    base = figure(
        OPERATIONS_TITLE,
        "share of a decision's training steps that used an operation, warm-up included (%)",
        theme=theme,
        uirevision=revision,
    )
    drawn = make_subplots(
        rows=1,
        cols=len(shares),
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=[labels[index] for index in shares],
    )
    drawn.update_layout(base.layout)
    for column, decisions in enumerate(shares.values(), start=1):
        names = list(dict.fromkeys(name for decision in decisions for name in decision))
        drawn.add_heatmap(
            x=names,
            y=[f"decision {place + 1}" for place in range(len(decisions))],
            z=[[100 * decision.get(name, 0.0) for name in names] for decision in decisions],
            texttemplate="%{z:.0f}",
            coloraxis="coloraxis",
            hovertemplate="%{y}, %{x}<br>%{z:.1f} % of its steps<extra></extra>",
            row=1,
            col=column,
        )
    drawn.update_yaxes(autorange="reversed")
    drawn.update_xaxes(tickangle=-35)
    drawn.update_annotations(font={"size": 12})
    drawn.update_layout(
        coloraxis={
            "colorscale": "Cividis",
            "cmin": 0,
            "colorbar": {"title": {"text": "%"}, "thickness": 10, "outlinewidth": 0},
        },
        margin={"t": 100},
    )
    return drawn
