"""Features of architectures, worked by hand."""

import numpy as np
import pytest

from nas.ranking.features import architecture_features
from nas.spaces import catalogue

SPACE = catalogue()["digits-mini"]
OPERATIONS = ["avg_pool_3x3", "none", "nor_conv_1x1", "nor_conv_3x3", "skip_connect"]

# Node 1 is fed but leads nowhere: its convolution is not live.
CELL = SPACE.decode("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|")


def test_counts_are_those_of_live_decisions_with_the_costs_of_the_whole() -> None:
    found = architecture_features(SPACE, "counts", [CELL])
    assert sorted({name for names in SPACE.choices for name in names}) == OPERATIONS
    costs = [np.log1p(SPACE.flops(CELL)), np.log1p(SPACE.parameters(CELL))]
    assert found.tolist() == [pytest.approx([0, 0, 1, 0, 0, 1, *costs])]


def test_choices_name_the_operation_of_every_live_decision() -> None:
    counts = architecture_features(SPACE, "counts", [CELL])
    found = architecture_features(SPACE, "choices", [CELL])
    assert found.shape == (1, 8 + sum(map(len, SPACE.choices)))
    assert found[:, :8].tolist() == counts.tolist()
    expected = [
        float(decision == 1 and name == "nor_conv_1x1")
        for decision, names in enumerate(SPACE.choices)
        for name in names
    ]
    assert found[0, 8:].tolist() == expected


def test_none_has_no_features() -> None:
    assert architecture_features(SPACE, "none", [CELL, CELL]).shape == (2, 0)
