"""`efsnas export`: which network it saves, where, and what it says without one."""

import zipfile
from pathlib import Path

import pytest

from backend.db import Database
from backend.settings import Settings
from tests.backend.cli.commands import run_command
from tests.backend.exports.rows import CODE, store_retrainings


@pytest.fixture
def run_id(stocked: Database, new_run, plain_settings: Settings) -> int:
    run_id = new_run()
    store_retrainings(stocked, run_id, plain_settings.artifact_folder)
    return run_id


def test_the_seed_that_is_best_on_validation_images_is_saved(
    server: str, run_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    done = run_command("export", run_id, "--format", "architecture", "--format", "model-card")
    assert done.exit_code == 0, done.output
    name = f"run-{run_id}-network-1.zip"
    assert f"{name}: {CODE}, seed 3, 99.00 % of the validation images." in done.output
    with zipfile.ZipFile(tmp_path / name) as archive:
        assert sorted(archive.namelist()) == [
            "README.md",
            "architecture.json",
            "architecture.txt",
            "model_card.md",
        ]
        assert "The weights are those of seed 3." in archive.read("model_card.md").decode()


def test_what_cannot_be_saved_is_said(server: str, run_id: int, new_run, tmp_path: Path):
    def said(*arguments: object) -> str:
        done = run_command("export", *arguments)
        assert done.exit_code == 1
        return " ".join(done.output.split())

    assert f"run {run_id} has no weights of a retraining of {CODE} with seed 7" in said(
        run_id, "--architecture", CODE, "--seed", 7
    )
    assert "'tflite' is unknown; there are architecture, " in said(run_id, "--format", "tflite")
    assert "has trained no network alone, so there are no weights to export" in said(new_run())
    missing = tmp_path / "nowhere" / "file.zip"
    assert "cannot be written: No such file" in said(
        run_id, "--format", "architecture", "-o", missing
    )
