"""What is checked of an ONNX file before it leaves, and what is said when it cannot."""

import io

import onnx
import pytest
import torch
from torch import Tensor, nn

from nas.errors import ExportFailed
from nas.export.bundle import bundle
from nas.export.formats import FORMATS
from tests.nas.export.models import CLASSES, exported

CODE = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"


class Eigenvalues(nn.Module):
    """Something that torch can trace and ONNX cannot say."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.linalg.eigvals(images[:, 0]).real


class Brighter(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.network(images) + 0.01
        return scores


def test_the_graph_is_of_the_opset_that_is_promised_for_any_number_of_images():
    network = exported("digits-mini", CODE, width=2)
    graph = onnx.load(io.BytesIO(FORMATS["onnx"].files(network)["network.onnx"]))
    assert [(one.domain, one.version) for one in graph.opset_import] == [("", 18)]
    (given,), (made,) = graph.graph.input, graph.graph.output
    sizes = [
        [axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim]
        for one in (given, made)
    ]
    assert sizes == [["batch", 2, 8, 8], ["batch", len(CLASSES)]]
    assert (given.name, made.name) == ("images", "class_scores")
    assert {one.key: one.value for one in graph.metadata_props}["architecture"] == CODE


def test_an_operation_that_onnx_lacks_is_named_and_the_others_are_still_written():
    network = exported("digits-mini", CODE, width=2)
    network.__dict__["network"] = Eigenvalues()
    reason = "onnx: the operation aten.linalg_eig has no counterpart in ONNX opset 18"
    with pytest.raises(ExportFailed) as caught:
        bundle(network, ["onnx"])
    assert str(caught.value) == reason
    assert caught.value.format == "onnx"
    assert bundle(network).left_out == {"onnx": reason}


def test_a_graph_that_computes_something_else_is_refused():
    network = exported("digits-mini", CODE, width=2)
    _ = network.program
    network.__dict__["network"] = Brighter(network.network)
    with pytest.raises(ExportFailed, match=r"^onnx: its class scores differ by 0\.01 from"):
        bundle(network, ["onnx"])
    with pytest.raises(ExportFailed, match=r"^torch-export: its class scores differ"):
        bundle(network, ["torch-export"])


def test_class_scores_that_are_not_finite_are_refused():
    network = exported("digits-mini", CODE, width=2)
    with torch.no_grad():
        network.network.classifier.bias[0] = torch.nan
    with pytest.raises(ExportFailed, match="differ by nan"):
        bundle(network, ["onnx"])
