"""What a search knows so far, as JSON: enough to continue it exactly."""

from pydantic import BaseModel, ConfigDict, Field

from nas.spaces.base import Architecture


class Evaluation(BaseModel):
    """One evaluated candidate; a higher score is better."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    score: float = Field(allow_inf_nan=False)


class SearchState(BaseModel):
    """The progress of one search, updated in place by `nas.search.loop.search`.

    Attributes:
        generation: proposals asked for so far; names the random stream of the next one.
        pending: proposed candidates that are not evaluated yet, next one first.
        evaluations: evaluated candidates in order.
    """

    model_config = ConfigDict(extra="forbid")

    generation: int = Field(0, ge=0)
    pending: list[Architecture] = Field(default_factory=list)
    evaluations: list[Evaluation] = Field(default_factory=list)
