import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import structlog
from backend.logs import configure_logs

configure_logs()
log = structlog.get_logger("test")
try:
    raise RuntimeError("the disk is full")
except RuntimeError:
    log.exception("met an error")
for _ in range(1000):
    log.info("goes on", padding="x" * 100)
print("lives")
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_log_that_cannot_be_written_ends_nothing():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert done.stdout == b"lives\n"


def test_a_log_is_one_line_an_event_without_local_variables():
    code = CODE.replace("1000", "1").replace("raise", "secret = 'swordfish'; raise")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "RuntimeError: the disk is full" in done.stderr
    assert "swordfish" not in done.stderr.replace("secret = 'swordfish'", "")
    assert len([line for line in done.stderr.splitlines() if "goes on" in line]) == 1
