"""Downloads, unpacked where nothing of ours can be imported, give the same predictions."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from nas.export.bundle import bundle
from nas.export.exported import Exported
from nas.export.formats import FORMATS
from tests.nas.export.models import exported, our_scores, pixels

pytestmark = pytest.mark.slow

WEIGHTS = ("python", "safetensors", "state-dict")
DOWNLOADS: dict[str, tuple[Exported, tuple[str, ...]]] = {
    "digits": (exported("digits-mini", 1, width=4), WEIGHTS),
    "nb201": (exported("nas-bench-201", 5, width=2, cells_per_stage=1, image_size=9), ()),
    "skips": (
        exported(
            "nas-bench-201",
            "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
            width=4,
            cells_per_stage=1,
        ),
        WEIGHTS,
    ),
    "darts": (exported("darts-cell", 9, width=2, cells_per_stage=1, image_size=11), WEIGHTS),
    "proxyless": (exported("mobilenet-proxyless", 10, width=2), WEIGHTS),
    "proxyless-se": (exported("mobilenet-proxyless-se", 11, width=2), WEIGHTS),
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every download in its folder, and in each what the lonely process made of its network."""
    folder = tmp_path_factory.mktemp("downloads")
    for name, (network, formats) in DOWNLOADS.items():
        made = bundle(network, formats)
        assert made.left_out == {}
        with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
            archive.extractall(folder / name)
        torch.save(pixels(network.model, 5), folder / name / "pixels.pt")
    script = Path(__file__).with_name("alone.py").read_text()
    # -I: neither this folder nor any variable adds to what can be imported.
    done = subprocess.run(
        [sys.executable, "-I", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_download_predicts_alone_as_we_do(unpacked: Path, name: str):
    network, formats = DOWNLOADS[name]
    expected = our_scores(network.model, pixels(network.model, 5))
    found = torch.load(unpacked / name / "scores.pt")
    forms = set(formats or FORMATS) & {"safetensors", "state-dict", "torch-export", "onnx"}
    assert found.keys() == forms
    assert expected.std() > 1e-3
    for form, scores in found.items():
        tolerance = 1e-4 if form == "onnx" else 1e-5
        assert (scores - expected).abs().max() < tolerance, form
        assert torch.equal(scores.argmax(dim=1), expected.argmax(dim=1))
