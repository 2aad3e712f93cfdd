"""SupernetSpec: how large the supernets are, and who owns which. Importing it loads no torch."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from nas.errors import InfeasibleSupernet
from nas.partition.base import Partition
from nas.partition.routing import Routing
from nas.plugin import refused_at
from nas.spaces.shape import NetworkShape
from nas.supernets.sizes import PARENT_WIDTH, Supernets, suggested_supernets, supernets


def _form_of_width(given: object) -> str | None:
    """Return which of the members of `Width` is meant."""
    if isinstance(given, (list, tuple)):
        return "each"
    if given == "auto":
        return "auto"
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    return "all" if is_number or (isinstance(given, str) and given.strip().isdecimal()) else None


MAX_WIDTH = 256
Channels = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Width = Annotated[
    Annotated[Channels, Tag("all")]
    | Annotated[tuple[Channels, ...], Field(min_length=1), Tag("each")]
    | Annotated[Literal["auto"], Tag("auto")],
    Discriminator(
        _form_of_width,
        custom_error_type="width",
        custom_error_message=f"Input should be a whole number from 1 to {MAX_WIDTH}, a list of one "
        "per sub-space, or auto",
    ),
]
"""Of all supernets, of each, or to be found."""


class SupernetSpec(Routing):
    """The weight-sharing network of one sub-space, or of all with weight banks."""

    width: Width = Field(
        8,
        description="Channels of the first stage, or after a chain's stem; others in proportion. "
        "One for all, one per sub-space, or auto: the parent's over the number of sub-spaces or "
        "banks, so that together they have no more parameters than the parent.",
    )
    parent_width: int | None = Field(
        None,
        ge=1,
        le=MAX_WIDTH,
        description="Of the one-shot parent, which a warm-up trains and auto divides; null: the "
        f"widest of the sub-spaces' supernets, or {PARENT_WIDTH} for auto.",
    )
    reduction: Literal["pooled", "residual"] = Field(
        "pooled",
        description="Between two stages, where no searched cell or layer halves the image. "
        "pooled: average pooling and a 1x1 convolution, so that the few cells decide the score; "
        "residual: the stand-alone network's two convolutions.",
    )

    @model_validator(mode="after")
    def _banks_have_one_width(self) -> Self:
        if self.has_banks and isinstance(self.width, tuple):
            raise refused_at(
                ("width",),
                f"{len(self.width)} widths, but one supernet holds all weight banks of routing "
                "accumulated: give a single one, or auto",
            )
        return self

    @model_validator(mode="after")
    def _parent_is_the_widest(self) -> Self:
        if self.parent_width is not None and self.parent_width < max(self._widths):
            raise refused_at(
                ("parent_width",),
                f"parent_width {self.parent_width} is below the width {max(self._widths)} of a "
                "sub-space's supernet, which is to inherit its first channels: raise it, or leave "
                "it out",
            )
        return self

    @property
    def _widths(self) -> tuple[int, ...]:
        """The widths that are given in numbers."""
        if isinstance(self.width, int):
            return (self.width,)
        return self.width if isinstance(self.width, tuple) else (1,)

    @property
    def one_shot_width(self) -> int:
        """The width of the one-shot parent."""
        if self.parent_width is not None:
            return self.parent_width
        return PARENT_WIDTH if self.width == "auto" else max(self._widths)

    def shape(
        self, *, image_channels: int | None = None, num_classes: int | None = None
    ) -> NetworkShape:
        """Return the sizes of the supernets, but for their widths.

        Args:
            image_channels: of the dataset; None: of the space's own images.
            num_classes: likewise.
        """
        return NetworkShape(
            cells_per_stage=self.cells_per_stage,
            image_channels=image_channels,
            num_classes=num_classes,
            reduction=self.reduction,
        )

    def supernets(self, partition: Partition, shape: NetworkShape) -> Supernets:
        """Return the supernets of a partition that was made under this routing.

        Args:
            partition: what they are for.
            shape: as `shape` returns it.

        Raises:
            InfeasibleSupernet: if the widths do not fit the partition, or the space has no network
                of this shape.
        """
        if self.width == "auto":
            return self._suggested(partition, shape)
        num_subspaces = len(partition.subspaces)
        widths = self._widths if isinstance(self.width, tuple) else self._widths * num_subspaces
        if len(widths) != num_subspaces:
            raise InfeasibleSupernet(
                "width",
                f"{len(widths)} widths for {num_subspaces} sub-spaces: give one per sub-space, or "
                "a single one for all",
            )
        return supernets(partition, self.one_shot_width, widths, shape)

    def _suggested(self, partition: Partition, shape: NetworkShape) -> Supernets:
        found = suggested_supernets(partition, self.one_shot_width, shape)
        if not found.fit:
            raise InfeasibleSupernet(
                "width",
                f"auto finds none: even of width 1 the supernets of {len(found.subspaces)} "
                f"sub-spaces have {found.parameters:,} parameters together, and their parent of "
                f"width {found.parent.width} has {found.parent.parameters:,}; raise parent_width, "
                "or give the width as a number",
            )
        return found
