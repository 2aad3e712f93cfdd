"""NASWOT against a kernel and a determinant worked by hand, and against bits compared one by one."""

import math
from itertools import product

import pytest
import torch

from nas.ranking.scorers.naswot import SINGULAR, NaswotScorer, agreements, log_determinant

SHARED = "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|"
POOLED = "|none~0|+|avg_pool_3x3~0|none~1|"

CODES = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
KERNEL = [[3, 2, 2], [2, 3, 1], [2, 1, 3]]


def test_the_kernel_counts_the_units_that_agree() -> None:
    assert agreements([CODES]).tolist() == KERNEL


def test_layers_add_up_whatever_their_width() -> None:
    other = torch.tensor([[1.0], [0.0], [1.0]])
    added = [[4, 2, 3], [2, 4, 1], [3, 1, 4]]
    assert agreements([CODES, other]).tolist() == added


def test_the_score_is_the_logarithm_of_the_determinant() -> None:
    # 3 * (9 - 1) - 2 * (6 - 2) + 2 * (2 - 6) = 8.
    assert log_determinant(agreements([CODES])) == pytest.approx(math.log(8))


def test_images_that_no_unit_tells_apart_score_below_all_others() -> None:
    twice = agreements([CODES[[0, 0, 1]]])
    assert log_determinant(twice) == SINGULAR
    # The least determinant of integers that is not 0 is 1.
    assert log_determinant(torch.eye(3, dtype=torch.float64)) == 0.0 > SINGULAR


@pytest.mark.parametrize(
    ("code", "expected"),
    # Two cells with one ReLU per node that convolutions leave, and one before the classifier.
    [(SHARED, 2 * 2 + 1), (POOLED, 1)],
    ids=["shared", "pooled"],
)
def test_a_relu_that_operations_share_counts_once(make_experiment, code, expected) -> None:
    experiment, scorer = make_experiment(), NaswotScorer()
    cell = experiment.space.decode(code)
    batch = experiment.untrained_scores.network(scorer, cell, 0).read("images", 4)
    assert len(batch.rectified) == expected


def test_the_score_is_that_of_bits_compared_one_by_one(make_experiment) -> None:
    experiment = make_experiment()
    scorer = NaswotScorer(batch_size=5, width=2)
    cell = experiment.space.decode(SHARED)
    batch = experiment.untrained_scores.network(scorer, cell, 0).read("images", 5)
    kernel = torch.zeros(5, 5, dtype=torch.float64)
    for outputs, one, other in product(batch.rectified, range(5), range(5)):
        kernel[one, other] += int(((outputs[one] > 0) == (outputs[other] > 0)).sum())
    expected = float(torch.linalg.slogdet(kernel).logabsdet)
    assert experiment.untrained_scores.of(scorer, cell) == pytest.approx(expected)
