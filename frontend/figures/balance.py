"""Training balance: how evenly supernets, and their operations, have been trained."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.runs.balance import balance_summary, newest
from backend.runs.schemas import BalanceRead, BalanceSummary, RunRead, SubspaceRead
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
    found = balance_summary(subspaces, balance)
    bars = found.supernets
    total = sum(bar.updates for bar in bars)
    warm = sum(bar.warm_up_updates for bar in bars)
    drawn = figure(
        BALANCE_TITLE, _balance_caption(run, found, total, warm), theme=theme, uirevision=revision
    )
    labels = [bar.label for bar in bars]
    colours = [subspace_colour(bar.index) for bar in bars]
    drawn.add_bar(
        name="updates" if run.spec.supernet.has_banks else "own updates",
        orientation="h",
        y=labels,
        x=[bar.updates for bar in bars],
        marker={"color": colours},
        text=[
            f"{bar.updates:,} · {bar.share:.1%}"
            + ("" if bar.target_share is None else f" (target {bar.target_share:.1%})")
            for bar in bars
        ],
        customdata=[[bar.samples, bar.images] for bar in bars],
        hovertemplate="%{y}<br>%{x:,} updates of "
        + ("its architectures" if run.spec.supernet.has_banks else "its own supernet")
        + "<br>%{customdata[0]:,} architectures, %{customdata[1]:,} images<extra></extra>",
    )
    if warm:
        drawn.add_bar(
            name="warm-up (shared supernet)",
            orientation="h",
            y=labels,
            x=[bar.warm_up_updates for bar in bars],
            marker={
                "color": translucent(SHARED_COLOUR, 0.25),
                "line": {"color": SHARED_COLOUR, "width": 1},
            },
            text=[f"{bar.warm_up_updates:,} in the warm-up" for bar in bars],
            insidetextfont={"color": INK[theme]},
            hovertemplate="%{y}<br>%{x:,} warm-up updates on its architectures<extra></extra>",
        )
    targets = {bar.label: bar.target_share * total for bar in bars if bar.target_share is not None}
    if targets:
        drawn.add_scatter(
            name="target",
            mode="markers",
            y=list(targets),
            x=list(targets.values()),
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


def _balance_caption(run: RunRead, found: BalanceSummary, total: int, warm: int) -> str:
    parts = [f"n = {total:,} {'updates' if run.spec.supernet.has_banks else 'own updates'}"]
    samples = sum(bar.samples for bar in found.supernets)
    if samples != total:
        parts.append(f"{samples:,} architectures")
    if warm:
        parts.append(f"{warm:,} in the warm-up")
    if found.entropy is None:
        parts.append(f"normalised entropy undefined: {found.undefined_reason}")
    else:
        parts.append(f"normalised entropy {found.entropy:.3f} (even = 1)")
        if found.target_entropy is None:
            parts.append("no target")
        elif found.target_entropy < 0.9995:
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
    what = "updates per sub-space" if run.spec.supernet.has_banks else "own updates per supernet"
    has_target = all(part.target_updates is not None for part in subspaces)
    drawn = figure(
        OVER_STEPS_TITLE,
        f"{what}, step {max(row.step for row in rows):,} of {training.steps:,} · "
        + ("dotted: the sampler's target" if has_target else "the sampler has no target"),
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
        if part.target_updates is None:
            continue
        drawn.add_scatter(
            name=f"{part.label}, target",
            mode="lines",
            showlegend=False,
            hoverinfo="skip",
            x=[training.warm_up_steps, training.steps],
            y=[0, part.target_updates * (training.steps - training.warm_up_steps)],
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
    """Return, per sub-space and decision, each operation's share of the samples so far.

    Warm-up and own samples are summed; sub-spaces without one are left out.
    """
    counts: dict[int, list[dict[str, int]]] = {}
    for row in newest(balance):
        if not row.operation_samples:
            continue
        held = counts.setdefault(row.subspace, [{} for _ in row.operation_samples])
        for decision, operations in zip(held, row.operation_samples, strict=True):
            for name, samples in operations.items():
                decision[name] = decision.get(name, 0) + samples
    return {
        part.index: [
            {name: samples / sum(decision.values()) for name, samples in decision.items()}
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
    targets = {part.index: part.operation_targets for part in subspaces}
    has_target = any(targets[index] is not None for index in shares)
    base = figure(
        OPERATIONS_TITLE,
        "share of the trained architectures that chose an operation, warm-up included (%)"
        + ("" if has_target else " · no target"),
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
    for column, (index, decisions) in enumerate(shares.items(), start=1):
        names = list(dict.fromkeys(name for decision in decisions for name in decision))
        drawn.add_heatmap(
            x=names,
            y=[f"decision {place + 1}" for place in range(len(decisions))],
            z=[[100 * decision.get(name, 0.0) for name in names] for decision in decisions],
            customdata=[
                [_target_text(targets[index], place, name) for name in names]
                for place in range(len(decisions))
            ],
            texttemplate="%{z:.0f}",
            coloraxis="coloraxis",
            hovertemplate="%{y}, %{x}<br>%{z:.1f} % of its architectures%{customdata}"
            "<extra></extra>",
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


def _target_text(
    targets: Sequence[Mapping[str, float]] | None, decision: int, operation: str
) -> str:
    if targets is None or operation not in targets[decision]:
        return ""
    return f"<br>target of the sampler: {targets[decision][operation]:.1%}"
