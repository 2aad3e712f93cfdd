"""A script's deployment: whatever ends the script, its workers end too."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nas.spaces import catalogue
from tests.support import wait_until
from tests.worker.processes import DEADLINE_SECONDS, descendants, gone

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# Who starts the tests in the background may have them ignore Ctrl-C; a script in a terminal does not.
SCRIPT = """
import signal, sys, time
from pathlib import Path
from measuring.deployment import deployed, workers
from nas.data.digits import digits

signal.signal(signal.SIGINT, signal.default_int_handler)
with deployed(digits(), Path(sys.argv[1])) as (db, settings), workers(settings, 1):
    print("works", flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """A table of one architecture."""
    cell = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    catalogue()["nas-bench-201"].decode(cell)
    path = tmp_path / "truth.csv"
    path.write_text(f"architecture,accuracy\n{cell},90\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_a_script_ends_its_workers_end_too(
    truth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("PYTHONPATH", f"{BENCHMARKS}:{BENCHMARKS.parent}")
    command = [sys.executable, "-c", SCRIPT, str(truth)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as script:
        try:
            assert script.stdout is not None
            assert script.stdout.readline() == "works\n"
            family = descendants(script.pid)
            assert any("worker.main" in member.cmdline() for member in family)
            script.send_signal(number)
            script.wait(DEADLINE_SECONDS)
        finally:
            script.kill()
    wait_until(
        lambda: all(map(gone, family)), seconds=DEADLINE_SECONDS, what="the workers are gone"
    )
    # Nobody can tidy up after a kill.
    assert bool(list(temporary.iterdir())) == (number == signal.SIGKILL)
