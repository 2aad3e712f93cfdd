"""NASWOT: how differently an untrained network reads different images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from nas.ranking.scorers.untrained import BatchScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from nas.ranking.untrained import BatchPass

SINGULAR = -1.0
"""The score where the determinant is 0: that of any other matrix of integers is at least 1."""


@final
class NaswotScorer(BatchScorer):
    """Logarithm of the determinant of how many ReLUs agree on each pair of images.

    A ReLU agrees on two images if it lets both through or neither. Each ReLU of the network counts
    once for every value that it computes: cells of ours compute one ReLU per node, which all
    operations that leave the node share, where the source has one per operation.

    Source: Mellor et al., ICML 2021 (arXiv 2006.04647), which reads the full network and a batch of
    128, with torch's default initialisation; that of `nas.ranking.untrained` differs in the
    distribution of weights alone, for BatchNorm undoes their size. Two images on which all ReLUs
    agree make the determinant 0, and the source's score -inf; here it is -1, below that of every
    other architecture. So is a network without ReLU.
    """

    kind: Literal["naswot"] = "naswot"
    inputs: Literal["noise", "images"] = Field(
        "images",
        description="noise: standard normal pixels; images: normalised training images.",
    )

    def of_pass(self, batch: BatchPass) -> float:
        # In the order in which pixels lie in memory: nothing is copied.
        codes = [outputs.permute(0, 2, 3, 1).flatten(1).sign() for outputs in batch.rectified]
        return log_determinant(agreements(codes)) if codes else SINGULAR


def agreements(codes: Sequence[Tensor]) -> Tensor:
    """Return how many units agree on each pair of images, float64, shape (images, images).

    Args:
        codes: one or more, of zeros and ones, float32, each of shape (images, units).
    """
    import torch

    total_NN = torch.zeros(len(codes[0]), len(codes[0]), dtype=torch.float64)
    for code_NU in codes:
        # Sums of fewer than 2^24 ones are exact in float32.
        both_NN = (code_NU @ code_NU.T).double().cpu()
        ones_N = both_NN.diagonal()
        total_NN += 2 * both_NN - ones_N - ones_N[:, None] + code_NU.shape[1]
    return total_NN


def log_determinant(kernel_NN: Tensor) -> float:
    """Return the logarithm of the determinant of a positive semi-definite matrix of integers.

    It is at least 0, or SINGULAR if the determinant is 0.
    """
    import torch

    spectrum_N = torch.linalg.eigvalsh(kernel_NN)
    rounding = len(spectrum_N) * torch.finfo(spectrum_N.dtype).eps * spectrum_N[-1]
    if spectrum_N[0] <= rounding:
        return SINGULAR
    return float(spectrum_N.log().sum())
