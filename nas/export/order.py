"""What the process that writes a download is told, and what it answers."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nas.export.facts import CardFacts

BUNDLE = "bundle.zip"
OUTCOME = "outcome.json"


class Order(BaseModel):
    """One download.

    Attributes:
        model: file of a `RetrainedModel`.
        facts: for the model card.
        formats: kinds; none: all that the network can be written in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Path
    facts: CardFacts
    formats: tuple[str, ...] = ()


class Outcome(BaseModel):
    """What came of it.

    Attributes:
        damaged: why the file of the network cannot be read, for people.
        refused: why the network cannot be written so, for people.
        left_out: formats that are not in it, and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    damaged: str | None = None
    refused: str | None = None
    left_out: dict[str, str] = {}
