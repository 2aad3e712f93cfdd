"""The weights as safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, final

from nas.export.formats.base import Format

if TYPE_CHECKING:
    from nas.export.exported import Exported


@final
class SafetensorsFormat(Format):
    """The `state_dict` of the network that the Python file builds, without pickle."""

    kind: Literal["safetensors"] = "safetensors"
    title: ClassVar[str] = "Weights, safetensors"
    usage: ClassVar[str] = """```python
from network import build
from safetensors.torch import load_file

model = build()
model.load_state_dict(load_file("weights.safetensors"))
model.eval()
```"""

    def files(self, exported: Exported) -> dict[str, bytes]:
        from safetensors.torch import save

        # One entry: several have no fixed order.
        return {"weights.safetensors": save(exported.weights, metadata={"format": "pt"})}
