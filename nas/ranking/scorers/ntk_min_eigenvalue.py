"""The least eigenvalue of the neural tangent kernel of an untrained network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from nas.ranking.scorers.untrained import BatchScorer

if TYPE_CHECKING:
    from torch import Tensor

    from nas.ranking.untrained import BatchPass


@final
class NtkMinEigenvalueScorer(BatchScorer):
    """The least eigenvalue of the inner products of images' gradients, averaged over networks.

    The gradient of an image is that of the sum of its class scores by all weights. BatchNorm by
    batch would mix the gradients of images, so its statistics are those of the whole batch, held
    fixed: each image's gradient is then its own.

    Source: Zhu et al., NeurIPS 2022 (arXiv 2209.07238), whose theory is of fully connected
    networks; for a batch of convolutional ones the definition is read as here.
    """

    kind: Literal["ntk-min-eigenvalue"] = "ntk-min-eigenvalue"
    num_initialisations: int = Field(
        3, ge=1, le=100, description="Random networks over which the score is averaged."
    )
    inputs: Literal["noise", "images"] = Field(
        "images",
        description="noise: standard normal pixels; images: normalised training images.",
    )

    @property
    def batch_norm(self) -> str:
        return "batch-stats, held fixed"

    def of_pass(self, batch: BatchPass) -> float:
        from nas.ranking.tangent_kernel import fixed_statistics, tangent_kernel

        images, architecture = batch.images_NCHW, batch.architecture
        with fixed_statistics(batch.network, images, architecture):
            kernel_NN = tangent_kernel(batch.network, images, architecture)
        return least_eigenvalue(kernel_NN)


def least_eigenvalue(kernel_NN: Tensor) -> float:
    """Return the least eigenvalue of a symmetric matrix."""
    import torch

    return float(torch.linalg.eigvalsh(kernel_NN)[0])
