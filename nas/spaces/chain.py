"""The full stand-alone network around searched layers, and what it costs.

Stem (3x3 convolution, BatchNorm, ReLU6), a fixed MobileNet block without expansion, the searched
layers, head (1x1 convolution, BatchNorm, ReLU6), global average pooling, linear classifier.
Convolutions have no bias. Whatever halves height and width rounds them up.

Source: ProxylessNAS (Cai et al., ICLR 2019, arXiv 1812.00332).
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from nas.operations import OPERATIONS
from nas.operations.base import Operation, Place
from nas.spaces.candidates import OperationNames
from nas.spaces.costs import Cost, Costs
from nas.spaces.shape import scaled

FIRST_BLOCK: Operation = OPERATIONS["mbconv_3x3_e1"]

Channels = Annotated[int, Field(ge=1, le=65_536)]


class Layer(BaseModel):
    """One decision of a chain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: Channels = Field(description="Channels of its output.")
    stride: Literal[1, 2] = Field(1, description="2 halves height and width.")
    operations: OperationNames | None = Field(
        None, description="Its candidates; null for the chain's."
    )


class LayerPlace(NamedTuple):
    """Where a layer stands.

    Attributes:
        place: channels and stride.
        size: height and width of its input, pixels.
    """

    place: Place
    size: int


class ChainSkeleton(BaseModel):
    """The network that an architecture's layers are placed in when it is trained alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stem_channels: Channels = Field(description="Channels after the stem.")
    stem_stride: Literal[1, 2] = Field(2, description="2 halves height and width.")
    first_block_channels: Channels | None = Field(
        None,
        description="Channels after a 3x3 MobileNet block without expansion that stands before "
        "the layers; null: there is none.",
    )
    head_channels: Channels | None = Field(
        None,
        description="Channels of the 1x1 convolution before the classifier; null: there is none.",
    )
    image_size: int = Field(ge=1, le=4096, description="Height and width of the image, pixels.")
    image_channels: int = Field(ge=1, le=1024, description="Channels of the image.")
    num_classes: int = Field(ge=1, le=1_000_000, description="Outputs of the classifier.")

    @property
    def stem(self) -> Place:
        """Where the stem's convolution stands."""
        return Place(self.image_channels, self.stem_channels, self.stem_stride)

    @property
    def first_block(self) -> Place | None:
        """Where the fixed block stands."""
        if self.first_block_channels is None:
            return None
        return Place(self.stem_channels, self.first_block_channels)

    def layer_places(self, layers: Sequence[Layer]) -> tuple[LayerPlace, ...]:
        """Return where each layer stands."""
        channels = self.first_block_channels or self.stem_channels
        size = self.stem.output_size(self.image_size)
        places = []
        for layer in layers:
            place = Place(channels, layer.channels, layer.stride)
            places.append(LayerPlace(place, size))
            channels, size = layer.channels, place.output_size(size)
        return tuple(places)

    def classifier_channels(self, layers: Sequence[Layer]) -> int:
        """Return the channels that the classifier reads."""
        return self.head_channels or layers[-1].channels

    def costs(
        self, layers: Sequence[Layer], choices: Sequence[Sequence[str]], *, affine: bool
    ) -> Costs:
        """Return what the network costs, for one image.

        Args:
            layers: of the chain.
            choices: the candidate operations of each.
            affine: whether BatchNorm has parameters.
        """
        return Costs(
            fixed=self._fixed_cost(layers, affine=affine),
            choices=tuple(
                {
                    name: Cost(
                        OPERATIONS[name].flops(place, size, size),
                        OPERATIONS[name].parameters(place, affine=affine),
                    )
                    for name in names
                }
                for (place, size), names in zip(self.layer_places(layers), choices, strict=True)
            ),
        )

    def _fixed_cost(self, layers: Sequence[Layer], *, affine: bool) -> Cost:
        """Return the cost of everything but the layers."""
        per_channel = 2 if affine else 0
        size = self.stem.output_size(self.image_size)
        weights = 9 * self.image_channels * self.stem_channels
        cost = Cost(weights * size**2, weights + per_channel * self.stem_channels)
        if self.first_block is not None:
            block = self.first_block
            cost = cost.plus(
                Cost(
                    FIRST_BLOCK.flops(block, size, size),
                    FIRST_BLOCK.parameters(block, affine=affine),
                )
            )
        if self.head_channels is not None:
            last = self.layer_places(layers)[-1]
            weights = layers[-1].channels * self.head_channels
            pixels = last.place.output_pixels(last.size, last.size)
            cost = cost.plus(Cost(weights * pixels, weights + per_channel * self.head_channels))
        channels = self.classifier_channels(layers)
        return cost.plus(Cost(channels * self.num_classes, (channels + 1) * self.num_classes))

    def narrowed(self, width: int) -> Self:
        """Return the skeleton with `width` channels after the stem, the others in proportion."""
        changes = {"stem_channels": width}
        for name in ("first_block_channels", "head_channels"):
            channels = getattr(self, name)
            if channels is not None:
                changes[name] = scaled(channels, width, of=self.stem_channels)
        return self.model_copy(update=changes)
