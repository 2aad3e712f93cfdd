"""The network as a program of torch.export."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, ClassVar, Literal, final

from nas.export.formats.base import Format

if TYPE_CHECKING:
    from nas.export.exported import Exported


@final
class TorchExportFormat(Format):
    """One graph with its weights, of any number of images; needs no Python of ours."""

    kind: Literal["torch-export"] = "torch-export"
    title: ClassVar[str] = "Program of torch.export"
    usage: ClassVar[str] = """```python
import torch

model = torch.export.load("network.pt2").module()
class_scores = model(images)
```"""

    def files(self, exported: Exported) -> dict[str, bytes]:
        import torch

        from nas.export.exported import SAME_NETWORK, check_same

        buffer = io.BytesIO()
        torch.export.save(exported.program, buffer)
        loaded = torch.export.load(io.BytesIO(buffer.getvalue())).module()
        check_same(self.kind, loaded, exported.network, exported, SAME_NETWORK)
        return {"network.pt2": buffer.getvalue()}
