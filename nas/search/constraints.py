"""Limits that every candidate of a search keeps."""

from pydantic import BaseModel, ConfigDict, Field

from nas.errors import InfeasibleSearch
from nas.latency.latency import LatencyTable
from nas.spaces.base import Architecture, Space


class Constraints(BaseModel):
    """Upper limits on the full stand-alone network of a candidate; null for none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    flops: int | None = Field(None, ge=1, description="Most multiply-adds per image.")
    parameters: int | None = Field(None, ge=1, description="Most trainable parameters.")
    nonlinearity_count: int | None = Field(
        None, ge=0, description="Most nonlinear functions on a live path."
    )
    latency: float | None = Field(
        None,
        gt=0,
        description="Most milliseconds of a forward pass; the search's latency says whose.",
    )

    @property
    def limits_costs(self) -> bool:
        """Whether there is a limit on what is computed from the architecture alone."""
        return bool(self._described())

    def allow(self, space: Space, architecture: Architecture) -> bool:
        """Tell whether `architecture` is within the limits on what is computed from it alone."""
        count = self.nonlinearity_count
        return (
            (self.flops is None or space.flops(architecture) <= self.flops)
            and (self.parameters is None or space.parameters(architecture) <= self.parameters)
            and (count is None or space.nonlinearity_count(architecture) <= count)
        )

    def allow_latency(self, ms: float) -> bool:
        """Tell whether an architecture that takes so many milliseconds is within the limit."""
        return self.latency is None or ms <= self.latency

    def eligible(self, space: Space, table: LatencyTable) -> LatencyTable:
        """Return the part of a table that is within all limits."""
        return {
            architecture: ms
            for architecture, ms in table.items()
            if self.allow_latency(ms) and self.allow(space, architecture)
        }

    def cheapest(self, space: Space) -> tuple[Architecture, ...]:
        """Return the cheapest of the architectures within the limit on the count.

        One of them is within all limits, if any architecture is.
        """
        return space.cheapest(self.nonlinearity_count)

    def check(self, space: Space) -> None:
        """Refuse limits on costs that no valid architecture of `space` keeps.

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

    def check_table(self, space: Space, table: LatencyTable) -> None:
        """Refuse limits that no architecture of a table keeps, all together.

        Raises:
            InfeasibleSearch: naming the lowest feasible values.
        """
        if not table:
            raise InfeasibleSearch(
                "latency", f"it knows the latency of no valid architecture of {space.name}"
            )
        within = [ms for member, ms in table.items() if self.allow(space, member)]
        if not within:
            flops = min(map(space.flops, table))
            parameters = min(map(space.parameters, table))
            count = min(map(space.nonlinearity_count, table))
            raise InfeasibleSearch(
                "constraints",
                f"of the {len(table):,} architectures whose latency is known none is within "
                f"{self._described()}; the least of them are {flops} FLOPs, {parameters} "
                f"parameters and {count} nonlinear functions",
            )
        lowest = min(within)
        if not self.allow_latency(lowest):
            others = f" among those within {self._described()}" if self.limits_costs else ""
            raise InfeasibleSearch(
                "constraints",
                f"of the {len(table):,} architectures whose latency is known none takes at most "
                f"{self.latency:g} ms{others}; the lowest is {lowest} ms",
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
