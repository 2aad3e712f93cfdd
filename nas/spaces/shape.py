"""The sizes of a network that a run chooses, not its space."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Where a network differs from the skeleton of its space; None: nowhere.

    Attributes:
        width: channels of the first stage, or after the stem of a chain. All other channels of
            the skeleton follow in proportion.
        cells_per_stage: searched cells in a row at each resolution.
        image_channels: channels of an image.
        num_classes: outputs of the classifier.
        reduction: what stands between two stages where no searched cell does. A supernet has
            fewer cells than the stand-alone network: beside the two convolutions of a `residual`
            block they would weigh less in its score than they do in the ground truth.
    """

    width: int | None = None
    cells_per_stage: int | None = None
    image_channels: int | None = None
    num_classes: int | None = None
    reduction: Literal["pooled", "residual"] | None = None


def scaled(channels: int, width: int, of: int) -> int:
    """Return `channels` times `width / of`, rounded to the nearest, at least 1."""
    return max(1, (2 * channels * width + of) // (2 * of))
