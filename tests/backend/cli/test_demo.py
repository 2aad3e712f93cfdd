import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from backend.cli.demo import SPEC, Stack, free_home, free_port
from backend.cli.errors import CliError
from backend.settings import Settings
from nas.spec import RunSpec
from worker.stack import locked


def test_the_preferred_port_is_taken_if_it_is_free():
    def kept() -> bool:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        return free_port(port) == port

    # Now and then another program gets the port that has just been let go.
    assert any(kept() for _ in range(10))


def test_another_port_is_picked_if_something_listens():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        other = free_port(taken)
    assert other not in (0, taken)


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
    stack = Stack(process, "http://127.0.0.1:1", log)
    process.wait()
    with pytest.raises(CliError, match=rf"exit code {code}(?s:.*)the last words"):
        stack.require_alive()


def test_the_experiment_that_ships_is_a_valid_spec():
    spec = RunSpec.model_validate(yaml.safe_load(SPEC.read_text()))
    assert (spec.space, spec.dataset, spec.benchmark) == ("digits-mini", "digits", "digits-mini")
