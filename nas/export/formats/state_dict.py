"""The weights as torch writes them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, ClassVar, Literal, final

from nas.export.formats.base import Format

if TYPE_CHECKING:
    from nas.export.exported import Exported


@final
class StateDictFormat(Format):
    """The `state_dict` of the network that the Python file builds, by `torch.save`."""

    kind: Literal["state-dict"] = "state-dict"
    title: ClassVar[str] = "Weights, state_dict"
    usage: ClassVar[str] = """```python
import torch
from network import build

model = build()
model.load_state_dict(torch.load("weights.pt", weights_only=True))
model.eval()
```"""

    def files(self, exported: Exported) -> dict[str, bytes]:
        import torch

        buffer = io.BytesIO()
        torch.save(exported.weights, buffer)
        return {"weights.pt": buffer.getvalue()}
