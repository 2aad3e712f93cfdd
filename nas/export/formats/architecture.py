"""The architecture, as JSON and as its canonical string."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar, Literal, final

from nas.export.formats.base import Format

if TYPE_CHECKING:
    from nas.export.exported import Exported


@final
class ArchitectureFormat(Format):
    """What was chosen for every decision, the search space, the sizes, the names of the classes."""

    kind: Literal["architecture"] = "architecture"
    title: ClassVar[str] = "Architecture as JSON and canonical string"
    usage: ClassVar[str] = (
        "`architecture.txt` holds the canonical string. `architecture.json` holds it too, beside "
        "the search space, the operation of every decision, the sizes of the network, the names "
        "of the classes in the order of the class scores, and the mean and deviation of pixels "
        "from 0 to 255."
    )

    def files(self, exported: Exported) -> dict[str, bytes]:
        model, space = exported.model, exported.space
        live = model.space.live(model.architecture)
        told = {
            "architecture": model.code,
            "decisions": [
                {"operation": operation, "live": alive}
                for operation, alive in zip(model.architecture, live, strict=True)
            ],
            "nonlinearity_count": space.nonlinearity_count(model.architecture),
            "parameters": space.parameters(model.architecture),
            "flops": space.flops(model.architecture),
            "image_shape": list(model.image_shape),
            "pixels": {
                "mean": model.pixels.mean.tolist(),
                "deviation": model.pixels.deviation.tolist(),
            },
            "classes": list(model.classes),
            "shape": asdict(model.shape),
            "space": model.space.model_dump(mode="json"),
        }
        text = json.dumps(told, indent=2, ensure_ascii=False)
        return {
            "architecture.json": f"{text}\n".encode(),
            "architecture.txt": f"{model.code}\n".encode(),
        }
