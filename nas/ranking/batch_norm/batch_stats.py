"""Statistics of the batch that is scored, as in the training of a supernet."""

from typing import Literal, final

from nas.ranking.batch_norm.base import BatchNormPolicy


@final
class BatchStats(BatchNormPolicy):
    """Those of each scoring batch, so that the batches are part of a score's conditions.

    Source: Oh et al., AAAI 2025 (arXiv 2412.14678), as in the authors' code for cells.
    """

    kind: Literal["batch-stats"] = "batch-stats"
