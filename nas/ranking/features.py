"""What is known of an architecture before anything is trained, as numbers for a regression."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from nas.ranking.places import Values
from nas.spaces.base import Architecture, Space

Features = Literal["none", "counts", "choices"]


def architecture_features(
    space: Space, kind: Features, architectures: Sequence[Architecture]
) -> Values:
    """Describe architectures by numbers.

    `counts`: live decisions per operation, the nonlinearity count, and the logarithms of FLOPs and
    parameters of the stand-alone network. `choices`: also, per decision and operation, whether the
    decision is live and chooses it, after the others. `none`: nothing.

    Returns:
        Shape (architectures, features).
    """
    if kind == "none":
        return np.zeros((len(architectures), 0))
    rows = [_counts(space, member) for member in architectures]
    if kind == "choices":
        rows = [
            [*row, *_choices(space, member)]
            for row, member in zip(rows, architectures, strict=True)
        ]
    return np.array(rows, dtype=np.float64)


def _counts(space: Space, architecture: Architecture) -> list[float]:
    counted = Counter(
        name for name, live in zip(architecture, space.live(architecture), strict=True) if live
    )
    operations = sorted({name for names in space.choices for name in names})
    return [
        *(float(counted[name]) for name in operations),
        float(space.nonlinearity_count(architecture)),
        # A network without a single parameter is possible in a space of one's own.
        float(np.log1p(space.flops(architecture))),
        float(np.log1p(space.parameters(architecture))),
    ]


def _choices(space: Space, architecture: Architecture) -> list[float]:
    decisions = zip(architecture, space.live(architecture), space.choices, strict=True)
    return [float(live and chosen == name) for chosen, live, names in decisions for name in names]
