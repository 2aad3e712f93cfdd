"""What every group of parameters of a spec has in common."""

from pydantic import BaseModel, ConfigDict


class SpecPart(BaseModel):
    """A group of parameters; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
