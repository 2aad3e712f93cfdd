"""Training balance of several runs: one number each, for runs differ in their sub-spaces."""

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.runs.balance import balance_summary
from backend.runs.schemas import BalanceSummary
from frontend.figures.balance import BALANCE_TITLE
from frontend.figures.comparison.layout import give_each_run_a_row, nothing, started
from frontend.figures.comparison.runs import ComparedRun, span
from frontend.figures.style import Theme


def training_balances(runs: Sequence[ComparedRun], *, theme: Theme = "light") -> go.Figure:
    """Draw how evenly each run has trained its supernets, a tick at its sampler's target."""
    name = "training-balance"
    found = [balance_summary(one.subspaces, one.balance) for one in runs]
    known = [balance for balance in found if balance.entropy is not None]
    if not known:
        message = "None of these runs has trained two supernets of its own yet."
        return nothing(name, BALANCE_TITLE, message, runs, theme=theme)
    drawn = started(
        name,
        BALANCE_TITLE,
        [
            f"n = {span(_updates(balance) for balance in known)} own updates, warm-up left out",
            "1 is even",
            "tick: the sampler's target",
        ],
        runs,
        theme=theme,
    )
    for one, balance in zip(runs, found, strict=True):
        shown = [balance] if balance.entropy is not None else []
        drawn.add_bar(
            name=one.label,
            meta={"run": one.run.id},
            orientation="h",
            y=[one.label for _ in shown],
            x=[balance.entropy for balance in shown],
            marker={"color": one.colour},
            text=[_text(balance) for balance in shown],
            textposition="auto",
            insidetextanchor="start",
            textfont={"size": 11},
            cliponaxis=False,
            hovertemplate="normalised entropy %{x:.4f}<br>%{text}",
        )
    give_each_run_a_row(
        drawn,
        runs,
        marks=[balance.target_entropy for balance in found],
        words=[balance.undefined_reason for balance in found],
        theme=theme,
    )
    drawn.update_layout(
        # Grouped, every run would leave room for the bars of all others in its row.
        barmode="overlay",
        bargap=0.3,
        xaxis={"title": {"text": "normalised entropy of own updates"}, "range": [0, 1.03]},
    )
    return drawn


def _updates(balance: BalanceSummary) -> int:
    return sum(supernet.updates for supernet in balance.supernets)


def _text(balance: BalanceSummary) -> str:
    shares = [supernet.share for supernet in balance.supernets]
    return (
        f"{balance.entropy:.3f} · shares {min(shares):.1%} to {max(shares):.1%}"
        f" · n = {_updates(balance):,}"
    )
