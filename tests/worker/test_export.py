"""From a run to predictions in a process that has nothing of ours."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from backend.exports import service
from backend.runs import retraining
from backend.system.version import commit
from nas.data.digits import digits
from tests.worker.running import run_to_end
from tests.worker.support import Deployment, tiny_spec

ALONE = """
import sys, torch
from importlib.util import module_from_spec, spec_from_file_location
from safetensors.torch import load_file
found = spec_from_file_location("network", "network.py")
network = module_from_spec(found)
found.loader.exec_module(network)
model = network.build()
model.load_state_dict(load_file("weights.safetensors"))
model.eval()
torch.set_num_threads(1)
with torch.no_grad():
    torch.save(model(torch.load("images.pt").float() / 255), "scores.pt")
assert not {"nas", "backend", "worker"} & sys.modules.keys()
"""


@pytest.mark.slow
def test_an_exported_winner_classifies_the_test_images_as_its_training_says(
    embedded: Deployment, tmp_path: Path
):
    spec = tiny_spec(
        training={"steps": 4, "warm_up_steps": 0},
        ranking={"num_architectures": 4, "every_steps": 4, "live_architectures": 2},
        search={"kind": "random", "budget": 12},
        retrain={
            "top": 1,
            "seeds": [3],
            "recipe": {"kind": "digits", "epochs": 3, "batch_size": 50},
            "width": 4,
        },
    )
    run_id = embedded.create(spec)
    run_to_end(embedded, run_id)
    folder, alone = embedded.settings.artifact_folder, tmp_path / "alone"
    with embedded.db.reading() as session:
        (training,) = retraining.retrainings(session, run_id)
        planned = service.plan(session, run_id, 0, (), folder)
    made = service.make(planned)
    assert made.left_out == {}
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        archive.extractall(alone)
    images = digits().test
    torch.save(torch.from_numpy(images.images), alone / "images.pt")
    subprocess.run([sys.executable, "-I", "-c", ALONE], cwd=alone, check=True)
    predictions = torch.load(alone / "scores.pt").argmax(dim=1)
    correct = (predictions == torch.from_numpy(images.labels)).sum().item()
    assert 100 * correct / len(images) == pytest.approx(training.test_accuracy)
    assert training.test_accuracy > 15  # Guessing gives 10.
    assert f"| trained at commit | {commit()} |" in (alone / "model_card.md").read_text()
