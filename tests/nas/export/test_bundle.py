"""The download as a whole: what is in it, that it repeats, and what it says of itself."""

import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile

import pytest

from nas.errors import ExportFailed
from nas.export.bundle import bundle
from nas.export.formats import FORMATS
from nas.operations.base import Operation
from nas.operations.convolution import ReluConvBatchNorm
from nas.spaces import catalogue
from tests.nas.export.models import CLASSES, exported

CODE = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"
FILES = {
    "architecture.json",
    "architecture.txt",
    "model_card.md",
    "network.onnx",
    "network.pt2",
    "network.py",
    "weights.pt",
    "weights.safetensors",
}
LIGHT = ("architecture", "python", "safetensors")


def files(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_same_network_gives_the_same_bytes_with_nothing_of_this_machine_in_them():
    first, second = (bundle(exported("digits-mini", CODE, width=2)) for _ in range(2))
    assert first.data == second.data
    assert first.left_out == {}
    found = files(first.data)
    assert list(found) == sorted({*FILES, "README.md"})
    for name, content in found.items():
        assert b"site-packages" not in content, name
        assert b"nas/export" not in content, name


def test_the_formats_are_these():
    assert set(FORMATS) == {
        "architecture",
        "model-card",
        "onnx",
        "python",
        "safetensors",
        "state-dict",
        "torch-export",
    }


def test_one_may_ask_for_some_formats_alone():
    made = bundle(exported("digits-mini", CODE, width=2), LIGHT)
    expected = {"README.md", "architecture.json", "architecture.txt", "network.py"}
    assert files(made.data).keys() == {*expected, "weights.safetensors"}


def test_the_readme_tells_how_to_load_what_is_there_and_its_checksums():
    found = files(bundle(exported("digits-mini", CODE, width=2), LIGHT).data)
    readme = found.pop("README.md").decode()
    titles = re.findall("^## (.+)$", readme, re.MULTILINE)
    assert titles == [*(FORMATS[kind].title for kind in LIGHT), "Checksums"]
    assert f"\n{CODE}\n" in readme
    assert "shape (n, 2, 8, 8)" in readme
    told = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", readme, re.MULTILINE))
    assert told == {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}


def test_the_architecture_can_be_read_back():
    network = exported("digits-mini", CODE, width=2)
    found = files(bundle(network, ["architecture"]).data)
    assert found["architecture.txt"].decode() == f"{CODE}\n"
    told = json.loads(found["architecture.json"])
    space = type(network.model.space).model_validate(told["space"])
    assert space == catalogue()["digits-mini"]
    assert space.decode(told["architecture"]) == network.model.architecture
    assert [one["operation"] for one in told["decisions"]] == list(network.model.architecture)
    assert [one["live"] for one in told["decisions"]] == [True, True, True]
    assert told["classes"] == list(CLASSES)
    assert told["pixels"]["deviation"] == network.model.pixels.deviation.tolist()
    assert told["parameters"] == network.space.parameters(network.model.architecture)


def test_an_unknown_format_is_refused_with_those_that_there_are():
    with pytest.raises(ExportFailed, match=r"^tflite: no such format; there are .*onnx"):
        bundle(exported("digits-mini", CODE, width=2), ["tflite"])


def test_formats_that_cannot_be_written_are_left_out_and_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(ReluConvBatchNorm, "written", Operation.written)
    network = exported("digits-mini", CODE, width=2)
    made = bundle(network)
    assert made.left_out.keys() == {"python", "safetensors", "state-dict"}
    assert "nor_conv_3x3" in made.left_out["python"]
    found = files(made.data)
    assert found.keys() == {
        "README.md",
        "architecture.json",
        "architecture.txt",
        "model_card.md",
        "network.onnx",
        "network.pt2",
    }
    readme = found["README.md"].decode()
    assert "## Left out: Weights, safetensors\n\npython: the operation nor_conv_3x3 is" in readme
    with pytest.raises(ExportFailed, match="nor_conv_3x3"):
        bundle(network, ["safetensors"])


def test_naming_the_formats_loads_no_torch():
    code = "import sys, nas.export.bundle, nas.export.card; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
