"""The network as ONNX."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Literal, final

from nas.errors import ExportFailed
from nas.export.formats.base import Format

if TYPE_CHECKING:
    import onnx

    from nas.export.exported import Exported

OPSET = 18
"""Version of ONNX's operators: read by every runtime since 2023."""

TOLERANCE = 1e-4
"""How far class scores of onnxruntime may lie from torch's."""


@final
class OnnxFormat(Format):
    """A graph of opset 18 with its weights, of any number of images, compared by onnxruntime."""

    kind: Literal["onnx"] = "onnx"
    title: ClassVar[str] = "ONNX"
    usage: ClassVar[str] = """Opset 18, input `images`, output `class_scores`.

```python
import onnxruntime

session = onnxruntime.InferenceSession("network.onnx")
(class_scores,) = session.run(["class_scores"], {"images": images})  # arrays of numpy
```"""

    def files(self, exported: Exported) -> dict[str, bytes]:
        import onnx

        graph = self._converted(exported)
        onnx.checker.check_model(graph, full_check=True)
        data = graph.SerializeToString(deterministic=True)
        self._compare(data, exported)
        return {"network.onnx": data}

    def _converted(self, exported: Exported) -> onnx.ModelProto:
        import onnx
        import torch

        with _quiet():
            try:
                converted = torch.onnx.export(
                    exported.program,
                    dynamo=True,
                    opset_version=OPSET,
                    input_names=["images"],
                    output_names=["class_scores"],
                    verbose=False,
                )
            except torch.onnx.OnnxExporterError as error:
                raise ExportFailed(self.kind, _without_counterpart(error)) from error
        assert converted is not None
        graph: onnx.ModelProto = converted.model_proto
        for part in (*graph.graph.node, graph.graph):
            # Where in torch it came from: files of this machine.
            del part.metadata_props[:]
        del graph.graph.value_info[:]
        for tensor in (*graph.graph.input, *graph.graph.output):
            tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
        onnx.helper.set_model_props(
            graph,
            {
                "architecture": exported.model.code,
                "classes": json.dumps(exported.model.classes, ensure_ascii=False),
            },
        )
        return graph

    def _compare(self, data: bytes, exported: Exported) -> None:
        import onnxruntime
        import torch

        from nas.export.exported import BATCHES_COMPARED, check_scores

        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        for number in BATCHES_COMPARED:
            images = exported.images(number)
            (found,) = session.run(["class_scores"], {"images": images.numpy()})
            with torch.no_grad():
                expected = exported.network(images)
            check_scores(self.kind, torch.from_numpy(found), expected, TOLERANCE)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what the exporter says of packages that it does without."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _without_counterpart(error: BaseException) -> str:
    """Return which operation ONNX cannot express, from the innermost error that names one."""
    found = None
    cause: BaseException | None = error
    while cause is not None:
        found = re.search(r"op='([^']+)'", str(cause)) or found
        cause = cause.__cause__
    if found is not None:
        return f"the operation {found[1]} has no counterpart in ONNX opset {OPSET}"
    return f"torch cannot express the network in ONNX: {str(error).splitlines()[0]}"
