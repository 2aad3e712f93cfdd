"""The landmarks of a run as a table."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc

from backend.runs.schemas import LandmarkRead, RunRead, SubspaceRead
from frontend.pages.parts import table

Component = Any  # Dash's components are generated, without a useful common type

MOST_SHOWN = 100
"""More would make the page long; `GET /runs/{id}/landmarks` has all of them."""


def landmark_table(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    landmarks: Sequence[LandmarkRead],
) -> Component:
    """Return the landmarks, the best first, those without an accuracy last."""
    if run.spec.landmarks is None:
        return []
    if not landmarks:
        return dmc.Text("The landmarks have not been chosen yet.", c="dimmed", size="sm")
    labels = {part.index: part.label for part in subspaces}
    ranked = sorted(landmarks, key=lambda one: (-(one.accuracy or 0.0), one.index))
    body = [
        [
            one.architecture,
            labels.get(one.subspace, str(one.subspace)),
            "not trained yet" if one.accuracy is None else f"{one.accuracy:.2f} %",
            ", ".join(f"{value:.2f}" for value in one.seeds or ()) or "–",
        ]
        for one in ranked[:MOST_SHOWN]
    ]
    notes = [
        f"n = {len(landmarks):,} landmarks; accuracy: {run.spec.landmarks.condition}.",
        "None of them, and nothing that computes the same, is ranked.",
    ]
    if len(ranked) > MOST_SHOWN:
        notes.append(f"The best {MOST_SHOWN} are shown.")
    return dmc.Stack(
        [
            dmc.Title("Landmarks", order=4),
            table(["architecture", "sub-space", "accuracy", "per training"], body),
            dmc.Text(" ".join(notes), size="xs", c="dimmed"),
        ],
        gap="xs",
    )
