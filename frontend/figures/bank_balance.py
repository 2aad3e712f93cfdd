"""Training balance of weight banks: how often each bank of each searched cell was trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from backend.runs.balance import newest
from backend.runs.schemas import BalanceRead, RunRead, SubspaceRead
from frontend.figures.balance import WAITING
from frontend.figures.style import Theme, empty_figure, figure
from frontend.figures.waiting import awaited

TITLE = "Bank balance"
NO_BANKS = (
    "Every sub-space has a private supernet (routing class).<br>"
    "Weight banks belong to routing accumulated."
)
MOST_NUMBERED_CELLS = 20
"""Of more searched cells in a row, the numbers would not fit into the map."""


@dataclass(frozen=True, slots=True)
class BankUpdates:
    """One weight bank of one searched cell.

    Attributes:
        cell: position in the network, 1 for the first.
        updates: optimizer steps in which architectures read it, once for each of their sub-spaces.
        share: of all updates of that cell, 0..1.
        by_subspace: index of a sub-space to the updates that its architectures made; without
            those that made none.
    """

    cell: int
    bank: int
    updates: int
    share: float
    by_subspace: dict[int, int]


def prepare_banks(balance: Sequence[BalanceRead]) -> tuple[BankUpdates, ...]:
    """Sum the newest counts of all sub-spaces, by searched cell and bank, both ascending."""
    found: dict[tuple[int, int], dict[int, int]] = {}
    for row in newest(balance):
        for cell, updates_by_bank in enumerate(row.bank_updates, start=1):
            for bank, updates in updates_by_bank.items():
                held = found.setdefault((cell, int(bank)), {})
                if updates:
                    held[row.subspace] = held.get(row.subspace, 0) + updates
    totals: dict[int, int] = {}
    for (cell, _), held in found.items():
        totals[cell] = totals.get(cell, 0) + sum(held.values())
    return tuple(
        BankUpdates(
            cell=cell,
            bank=bank,
            updates=sum(held.values()),
            share=sum(held.values()) / totals[cell] if totals[cell] else 0.0,
            by_subspace=dict(sorted(held.items())),
        )
        for (cell, bank), held in sorted(found.items())
    )


def bank_balance(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    balance: Sequence[BalanceRead],
    theme: Theme = "light",
) -> go.Figure:
    """Draw a heat map of searched cells and banks; blank where no architecture reads a bank."""
    revision = f"bank-balance-{run.id}"
    found = prepare_banks(balance)
    if not any(part.updates for part in found):
        message = awaited(run, *WAITING) if run.spec.supernet.has_banks else NO_BANKS
        return empty_figure(TITLE, message, theme=theme, uirevision=revision)
    labels = {part.index: part.label for part in subspaces}
    cells = sorted({part.cell for part in found})
    banks = sorted({part.bank for part in found})
    by_place = {(part.bank, part.cell): part for part in found}
    steps = sum(part.updates for part in found if part.cell == cells[0])
    drawn = figure(
        TITLE,
        f"n = {steps:,} updates of {len(cells)} searched cell{'s' if len(cells) > 1 else ''},"
        " by bank (%)<br>blank: no architecture reads this bank there",
        theme=theme,
        uirevision=revision,
    )
    drawn.add_heatmap(
        x=[str(cell) for cell in cells],
        y=[f"bank {bank}" for bank in banks],
        z=[
            [
                100 * by_place[bank, cell].share if (bank, cell) in by_place else None
                for cell in cells
            ]
            for bank in banks
        ],
        customdata=[
            [
                _words(by_place[bank, cell], labels) if (bank, cell) in by_place else ""
                for cell in cells
            ]
            for bank in banks
        ],
        texttemplate="%{z:.0f}" if len(cells) <= MOST_NUMBERED_CELLS else "",
        hovertemplate="searched cell %{x}, %{y}<br>%{z:.1f} % of its updates<br>%{customdata}"
        "<extra></extra>",
        hoverongaps=False,
        xgap=1,
        ygap=1,
        zmin=0,
        zmax=100,
        colorscale="Cividis",
        colorbar={"title": {"text": "%"}, "thickness": 10, "outlinewidth": 0},
    )
    drawn.update_layout(
        margin={"t": 96},
        xaxis={
            "title": {"text": "searched cell, from the image on"},
            "type": "category",
            "showgrid": False,
        },
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False},
    )
    return drawn


def _words(part: BankUpdates, labels: dict[int, str]) -> str:
    lines = [f"{part.updates:,} updates"]
    lines += [
        f"{updates:,} by {labels.get(index, f'sub-space {index}')}"
        for index, updates in part.by_subspace.items()
    ]
    return "<br>".join(lines)
