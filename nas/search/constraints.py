"""Limits that every candidate of a search keeps."""

from pydantic import BaseModel, ConfigDict, Field

from nas.errors import InfeasibleSearch
from nas.spaces.base import Architecture, Space


class Constraints(BaseModel):
    """Upper limits on the full stand-alone network of a candidate; null for none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    flops: int | None = Field(None, ge=1, description="Most multiply-adds per image.")
    parameters: int | None = Field(None, ge=1, description="Most trainable parameters.")
    nonlinearity_count: int | None = Field(
        None, ge=0, description="Most nonlinear functions on a live path."
    )

    def allow(self, space: Space, architecture: Architecture) -> bool:
        """Tell whether `architecture` is within the limits."""
        count = self.nonlinearity_count
        return (
            (self.flops is None or space.flops(architecture) <= self.flops)
            and (self.parameters is None or space.parameters(architecture) <= self.parameters)
            and (count is None or space.nonlinearity_count(architecture) <= count)
        )

    def cheapest(self, space: Space) -> tuple[Architecture, ...]:
        """Return the cheapest of the architectures within the limit on the count.

        One of them is within all limits, if any architecture is.
        """
        return space.cheapest(self.nonlinearity_count)

    def check(self, space: Space) -> None:
        """Refuse limits that no valid architecture of `space` keeps.

        Raises:
            InfeasibleSearch: naming the lowest feasible values.
        """
        cheapest = self.cheapest(space)
        if not cheapest:
            fewest = min(count for count, size in space.histogram().items() if size.valid)
            raise InfeasibleSearch(
                "constraints",
                f"no valid architecture of {space.name} has at most {self.nonlinearity_count} "
                f"nonlinear functions on a live path; the fewest are {fewest}",
            )
        if any(self.allow(space, architecture) for architecture in cheapest):
            return
        lowest = sorted({(space.flops(member), space.parameters(member)) for member in cheapest})
        costs = " or ".join(f"{flops} FLOPs with {number} parameters" for flops, number in lowest)
        raise InfeasibleSearch(
            "constraints",
            f"no valid architecture of {space.name} is within {self._described()}; "
            f"the cheapest need {costs}",
        )

    def _described(self) -> str:
        limits = {
            "FLOPs": self.flops,
            "parameters": self.parameters,
            "nonlinear functions": self.nonlinearity_count,
        }
        return " and ".join(
            f"{limit} {unit}" for unit, limit in limits.items() if limit is not None
        )
