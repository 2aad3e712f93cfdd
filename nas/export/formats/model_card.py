"""The model card."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, final

from nas.export.formats.base import Format

if TYPE_CHECKING:
    from nas.export.exported import Exported

TRAINED_WITH = {
    "trained with efsnas": "efsnas",
    "trained at commit": "commit",
    "trained with torch": "torch",
    "trained on": "device",
}
"""What a network's file tells of the program that trained it, by the names that a card gives it."""


@final
class ModelCardFormat(Format):
    """Data, recipe, accuracy with its spread, what the supernets said, and who made it."""

    kind: Literal["model-card"] = "model-card"
    title: ClassVar[str] = "Model card"
    usage: ClassVar[str] = (
        "`model_card.md` tells the data, the recipe, the accuracy with its spread over seeds, what "
        "the supernets thought of the architecture and under which conditions, and the software. "
        "Its header is the one that model collections read; there, name it `README.md`."
    )

    def files(self, exported: Exported) -> dict[str, bytes]:
        from nas.export.card import Sizes, model_card

        architecture, space = exported.model.architecture, exported.space
        sizes = Sizes(
            flops=space.flops(architecture),
            parameters=space.parameters(architecture),
            nonlinearities=space.nonlinearity_count(architecture),
        )
        told = exported.model.told
        trained = {name: str(told.get(key, "unknown")) for name, key in TRAINED_WITH.items()}
        facts = replace(exported.facts, software={**trained, **exported.facts.software})
        return {"model_card.md": model_card(facts, exported.model.code, sizes).encode()}
