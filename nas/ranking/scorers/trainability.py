"""Trainability, one of the four proxies of AZ-NAS."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal, final

from nas.ranking.scorers.untrained import BatchScorer

if TYPE_CHECKING:
    from torch import Tensor

    from nas.ranking.untrained import BatchPass

LEAST_GAIN = 1e-6
"""Bounds the score of a gradient that vanishes."""


@final
class TrainabilityScorer(BatchScorer):
    """How near to 1 the spectral norm is by which blocks pass gradients on, in (-inf, 0].

    For the outputs of every two consecutive cells, reductions or layers, random signs stand for the
    gradient at the later one, and s is the largest singular value of the mean, over positions and
    images, of the outer product of the gradients at both. The score is the mean of 2 - s - 1 / s.

    Source: AZ-NAS (Lee and Ham, CVPR 2024, arXiv 2403.19232), which reads the full network and a
    batch of 64. It adds 1e-6 to s in the fraction, by which scores just above 0 exist; here s is at
    least 1e-6 there. A block that is a pure identity has s near 1 although it trains nothing: the
    source scores it -inf. Here it counts as if no gradient came through (s = 0, the score
    2 - 1e6), below whatever gradients do come through. A layer that a chain leaves out is no block;
    a chain without any block scores the same 2 - 1e6.
    """

    kind: Literal["trainability"] = "trainability"

    def of_pass(self, batch: BatchPass) -> float:
        scores = [
            gain_score(gradient_gain(before, after, batch.probe.signs(position, after)))
            for position, (before, after) in enumerate(pairwise(batch.features))
        ]
        return sum(scores) / len(scores) if scores else gain_score(0.0)


def gain_score(gain: float) -> float:
    """Return 2 - s - 1/s, at most 0, which it is for a gain s of 1."""
    return 2 - gain - 1 / max(gain, LEAST_GAIN)


def gradient_gain(before_NCHW: Tensor, after_NCHW: Tensor, signs_NCHW: Tensor) -> float:
    """Return the spectral norm by which gradients pass from one block's output to the one before.

    Args:
        before_NCHW: features with a graph to `after_NCHW`.
        after_NCHW: those of the next block, as large or smaller.
        signs_NCHW: random ones in the shape of `after_NCHW`.
    """
    import torch

    found_NCHW, *_ = torch.autograd.grad(
        after_NCHW, before_NCHW, signs_NCHW, retain_graph=True, allow_unused=True
    )
    if found_NCHW is None or _same(found_NCHW, signs_NCHW):
        return 0.0
    signs_PC = signs_NCHW.permute(0, 2, 3, 1).flatten(0, 2)
    found_PC = _folded(found_NCHW, signs_NCHW).permute(0, 2, 3, 1).flatten(0, 2)
    gains_CC = (found_PC.T @ signs_PC / len(signs_PC)).double().cpu()
    if len(gains_CC) > len(gains_CC.T):
        gains_CC = gains_CC.T
    # The eigenvalues of the smaller of the two products are the squared singular values.
    return float(torch.linalg.eigvalsh(gains_CC @ gains_CC.T)[-1].clamp_min(0).sqrt())


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def _folded(large_NCHW: Tensor, small_NCHW: Tensor) -> Tensor:
    """Return features in the height and width of smaller ones, pixels becoming channels."""
    from torch.nn.functional import pad, pixel_unshuffle

    (old_height, old_width), (height, width) = large_NCHW.shape[2:], small_NCHW.shape[2:]
    stride = max(-(-old_height // height), -(-old_width // width))
    if stride == 1:
        return large_NCHW
    # Whatever halves a size rounds it up; beyond the last pixel there is no gradient.
    below, beside = stride * height - old_height, stride * width - old_width
    return pixel_unshuffle(pad(large_NCHW, (0, beside, 0, below)), stride)
