"""Which weights the architectures of a partition read: private supernets, or weight banks."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nas.errors import InfeasiblePartition
from nas.partition.accumulated import accumulated_partition
from nas.partition.base import Partition, Splitter
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.plugin import refused_at
from nas.spaces.base import Space


class Routing(BaseModel):
    """How an architecture finds its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cells_per_stage: int = Field(
        1,
        ge=1,
        le=20,
        description="Searched cells in a row at each resolution; 1 for a chain of layers.",
    )
    routing: Literal["class", "accumulated"] = Field(
        "class",
        description="class: one private supernet per sub-space. accumulated: one supernet whose "
        "cells have weight banks, chosen by the running nonlinearity count.",
    )
    shared_cells: int = Field(
        0, ge=0, le=100, description="First searched cells without banks; accumulated only."
    )

    @model_validator(mode="after")
    def _only_banks_are_shared(self) -> Self:
        if self.shared_cells and not self.has_banks:
            raise refused_at(
                ("shared_cells",),
                f"shared_cells {self.shared_cells} needs routing accumulated: private supernets "
                "share no cell",
            )
        return self

    @property
    def has_banks(self) -> bool:
        """Whether one supernet with weight banks holds all sub-spaces."""
        return self.routing == "accumulated"

    def partition(self, splitter: Splitter, space: Space) -> Partition:
        """Return the sub-spaces that `splitter` makes of `space` under this routing.

        Raises:
            InfeasiblePartition: if the splitter cannot split the space so.
            InfeasibleSupernet: if the space has no cells for weight banks.
        """
        if not self.has_banks:
            return splitter.split(space)
        if not isinstance(splitter, NonlinearitySplitter):
            raise InfeasiblePartition(
                "kind",
                "routing accumulated needs a splitter of kind nonlinearity: banks are chosen by "
                "thresholds of the running count",
            )
        return accumulated_partition(
            splitter,
            space,
            cells_per_stage=self.cells_per_stage,
            shared_cells=self.shared_cells,
        )
