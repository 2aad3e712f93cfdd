"""Downloads of retrained networks over REST: what is in them, and why there is none."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.db import Database
from backend.settings import Settings
from tests.backend.api import Api, fields_of, problem_of
from tests.backend.exports.rows import CODE, store_retrainings

LIGHT = {"format": ["architecture", "model-card"]}

# What makes a download is the same whichever database has told it what.
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def retrained(
    stocked: Database, new_run: Callable[[], int], plain_settings: Settings
) -> tuple[int, Path]:
    run_id, folder = new_run(), plain_settings.artifact_folder
    store_retrainings(stocked, run_id, folder)
    return run_id, folder


def path_of(run_id: int, number: int) -> str:
    return f"/api/v1/runs/{run_id}/retrainings/{number}/export"


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@ONE_DATABASE
def test_a_download_holds_the_network_and_tells_all_that_is_known(
    api: Api, retrained: tuple[int, Path]
):
    answer = api.get(path_of(retrained[0], 1), params=LIGHT)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    name = f"run-{retrained[0]}-network-1.zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert "efsnas-left-out" not in answer.headers
    files = files_of(answer.content)
    assert json.loads(files["architecture.json"])["architecture"] == CODE
    card = files["model_card.md"].decode()
    for line in (
        "- test images: 95.50 % ± 0.71 (standard deviation of 2 seeds)",
        "The weights are those of seed 3.",
        "| dataset | digits@1 |",
        f"| SHA-256 | {'0' * 64} |",
        "| loss | -0.25 |",
        "| Kendall tau-b | 0.500 |",
        "| kind | digits |",
        "| gradient\\_clip | none |",
        "| weights of epoch | 2 |",
        "| 95 % interval | 0.400 to 0.600 |",
        "| split | validation |",
        "| batch norm | batch-stats |",
        "| kind | evolution |",
        "| trained at commit | 0123abc |",
        f"| run | first (run {retrained[0]}) |",
    ):
        assert line in card.splitlines(), line
    again = api.get(
        path_of(retrained[0], 1), params=LIGHT, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    others = {
        api.get(path_of(run, number), params=params, headers={"If-None-Match": "*"}).headers[
            "etag"
        ]
        for run, number, params in [
            (retrained[0], 1, LIGHT),
            (retrained[0], 0, LIGHT),
            (retrained[0], 1, {"format": "architecture"}),
        ]
    }
    assert len(others) == 3


def test_what_has_no_weights_says_what_to_do(
    api: Api, retrained: tuple[int, Path], new_run: Callable[[], int]
):
    run_id, folder = retrained
    said = problem_of(api.get(path_of(run_id, 2)), 409)
    assert said["detail"] == (
        f"Retraining 2 of Run {run_id} has no weights: The training diverged in epoch 1."
    )
    said = problem_of(api.get(path_of(run_id, 3)), 409)
    assert said["state"] == "ready"
    assert said["detail"].endswith("can be exported once the training has ended.")
    assert "no retraining of" in problem_of(api.get(path_of(run_id, 9)), 404)["detail"]
    said = problem_of(api.get(path_of(new_run(), 0)), 404)
    assert "has trained no network alone" in said["detail"]
    problem_of(api.get(path_of(run_id + 99, 0)), 404)
    for path in folder.rglob("*-weights.pt"):
        path.unlink()
    said = problem_of(api.get(path_of(run_id, 0)), 409)
    assert said["detail"].endswith("gone from the artifact folder; train it again.")


def test_an_unknown_format_is_refused_before_anything_is_made(
    api: Api, retrained: tuple[int, Path]
):
    answer = api.get(path_of(retrained[0], 0), params={"format": "tflite"})
    assert fields_of(answer) == ["format"]
    assert "onnx" in answer.json()["detail"]


@ONE_DATABASE
def test_a_damaged_file_is_refused_with_the_reason(api: Api, retrained: tuple[int, Path]):
    run_id, folder = retrained
    for path in folder.rglob("*-weights.pt"):
        path.write_bytes(path.read_bytes()[:100])
    answer = api.get(path_of(run_id, 0), params=LIGHT)
    assert "not the file of a retrained network" in problem_of(answer, 409)["detail"]
