"""The weight bank of every nonlinearity count at every depth, before anything is trained."""

import plotly.graph_objects as go

from backend.spaces.schemas import BanksRead, PartitionPreview
from frontend.figures.numbers import short
from frontend.figures.style import Theme, empty_figure, figure

TITLE = "Weight banks by depth"
NO_BANKS = "Every sub-space has a private supernet: there are no weight banks."
MOST_NUMBERED_CELLS = 20
"""Of more searched cells in a row, the numbers would not fit into the map."""
ROW_PIXELS = 34


def bank_table(
    space: str, preview: PartitionPreview | None, *, theme: Theme = "light"
) -> go.Figure:
    """Draw which bank the architectures of a count read in each searched cell."""
    revision = f"bank-table-{space}"
    if preview is None or preview.banks is None:
        return empty_figure(TITLE, NO_BANKS, theme=theme, uirevision=revision)
    banks = preview.banks
    labels = {part.index: part.label for part in preview.subspaces}
    cells = range(1, banks.num_cells + 1)
    numbered = banks.num_cells <= MOST_NUMBERED_CELLS
    drawn = figure(TITLE, _caption(preview, banks), theme=theme, uirevision=revision)
    drawn.add_heatmap(
        x=[str(cell) for cell in cells],
        y=[f"count {profile.count}" for profile in banks.profiles],
        z=[profile.banks for profile in banks.profiles],
        customdata=[
            [
                f"running count {profile.count * cell:,}<br>{labels[profile.subspace]}"
                f"<br>{short(profile.size.valid)} valid architectures"
                for cell in cells
            ]
            for profile in banks.profiles
        ],
        texttemplate="%{z}" if numbered else "",
        hovertemplate="%{y}, searched cell %{x}: bank %{z}<br>%{customdata}<extra></extra>",
        xgap=1,
        ygap=1,
        zmin=0,
        zmax=banks.num_banks - 1 or 1,
        colorscale="Cividis",
        showscale=not numbered,
        colorbar={
            "title": {"text": "bank"},
            "thickness": 10,
            "outlinewidth": 0,
            "dtick": max(1, banks.num_banks // 8),
        },
    )
    drawn.update_layout(
        height=170 + ROW_PIXELS * len(banks.profiles),
        margin={"t": 96},
        xaxis={"title": {"text": "searched cell, from the image on"}, "type": "category"},
        yaxis={"type": "category", "autorange": "reversed"},
    )
    return drawn


def _caption(preview: PartitionPreview, banks: BanksRead) -> str:
    thresholds = ", ".join(str(threshold) for threshold in preview.thresholds or ()) or "none"
    shared = f", the first {banks.shared_cells} shared" if banks.shared_cells else ""
    return (
        f"n = {banks.num_cells} searched cells{shared}"
        f"<br>K = {banks.num_banks} banks, thresholds of the running count: {thresholds}"
    )
