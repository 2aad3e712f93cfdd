import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from typer.testing import CliRunner

from backend.cli import app
from backend.cli.demo import SPEC, Stack, free_home
from backend.cli.errors import CliError
from backend.settings import Settings
from nas.spec import RunSpec
from worker.stack import locked


def test_a_folder_in_which_a_server_works_is_left_to_it(tmp_path: Path):
    settings = Settings(home=tmp_path)
    assert free_home(settings) == tmp_path
    with locked(settings):
        assert free_home(settings) == tmp_path / "demo-2"
    assert free_home(settings) == tmp_path


@pytest.mark.parametrize("code", [0, 3])
def test_a_server_that_stops_by_itself_is_reported_with_its_last_words(code: int, tmp_path: Path):
    log = tmp_path / "demo.log"
    log.write_text("the last words\n")
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    stack = Stack(process, log)
    process.wait()
    with pytest.raises(CliError, match=rf"exit code {code}(?s:.*)the last words"):
        stack.require_alive()
    with pytest.raises(CliError, match="the last words"):
        stack.wait_until_ready()


def test_a_failed_experiment_is_said_before_serving_and_fails_the_demo_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object):
        raise CliError("run 1 failed: of nothing")

    def interrupt(_: float):
        raise KeyboardInterrupt

    log = tmp_path / "demo.log"
    log.write_text("EFS-NAS is ready at http://127.0.0.1:4711/ui/ (Ctrl-C stops it)\n")
    stack = Stack(SimpleNamespace(poll=lambda: None), log)
    monkeypatch.setenv("EFSNAS_HOME", str(tmp_path))
    monkeypatch.setattr("backend.cli.demo._serving", lambda _: nullcontext(stack))
    monkeypatch.setattr("backend.cli.demo._experiment", fail)
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=interrupt)
    monkeypatch.setattr("backend.cli.demo.time", clock)
    ended = CliRunner().invoke(app, ["demo"])
    assert ended.stdout.splitlines()[-3:] == [
        "Error: run 1 failed: of nothing",
        "Serving at http://127.0.0.1:4711/ui/ until Ctrl-C.",
        "Stopping.",
    ]
    assert ended.stderr == "Error: run 1 failed: of nothing\n"
    assert ended.exit_code == 1


def test_the_experiment_that_ships_is_a_valid_spec():
    spec = RunSpec.model_validate(yaml.safe_load(SPEC.read_text()))
    assert (spec.space, spec.dataset, spec.benchmark) == ("digits-mini", "digits", "digits-mini")
