"""`efsnas demo` as people meet it: in a terminal, with other servers about, until Ctrl-C.

The demo is started three times, with experiments of a second or two. The first fails. The second,
in the same home, goes on serving; a third beside it and `efsnas submit --watch` are its guests.
"""

import os
import pty
import re
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from tests.support import wait_until
from tests.worker.processes import DEADLINE_SECONDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
COLUMNS = 160
CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CTRL_C = b"\x03"

SPEC = {
    "name": "short",
    "space": "digits-mini",
    "dataset": "digits",
    "benchmark": "digits-mini",
    "splitter": {"kind": "nonlinearity", "num_subspaces": 3},
    "supernet": {"width": 2},
    "training": {"steps": 120, "warm_up_steps": 40, "batch_size": 16},
    "ranking": {
        "num_architectures": 125,
        "every_steps": 40,
        "live_architectures": 20,
        "live_images": 40,
        "num_images": 80,
    },
    "search": {"kind": "evolution", "budget": 20},
}
# Every step multiplies the weights by about -9.
DIVERGING = {"learning_rate": 10, "weight_decay": 1, "gradient_clip": None}


class Terminal:
    """A command of ours in a terminal of its own.

    Args:
        home: the EFSNAS_HOME of the command.
        spec: what the demo runs.
        arguments: of `efsnas`.
        environment: further variables.
    """

    def __init__(self, home: Path, spec: Path, *arguments: str, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        self._shown = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.backend.cli.launch", str(spec), *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ
            | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": str(COLUMNS)}
            | {"EFSNAS_HOME": str(home)}
            | environment,
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        """Everything shown so far, overwritten lines too, without what moves the cursor."""
        while select.select([self._ours], [], [], 0)[0]:
            try:
                self._shown += os.read(self._ours, 65536)
            except OSError:  # nobody has this terminal open any more
                break
        plain = CONTROL_SEQUENCE.sub("", self._shown.decode(errors="replace"))
        return plain.replace("\r", "\n")

    def wait_for(self, said: str) -> None:
        """Wait until the command has shown `said`; fail if it ends without."""

        def shown() -> bool:
            ended = self.process.poll() is not None
            if said in self.text:
                return True
            assert not ended, self.text
            return False

        wait_until(shown, seconds=DEADLINE_SECONDS, what=f"{said!r} is shown")

    def wait(self) -> int:
        """Wait for the end and return the exit code."""

        def ended() -> bool:
            assert self.text is not None  # a full terminal would block the command
            return self.process.poll() is not None

        wait_until(ended, seconds=DEADLINE_SECONDS, what="the command has ended")
        return self.process.returncode

    def type(self, keys: bytes) -> None:
        """Type on the keyboard."""
        os.write(self._ours, keys)

    def close(self) -> None:
        """Close the window, whatever still runs in it."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@dataclass(frozen=True)
class Place:
    """Where the demos work.

    Attributes:
        home: the EFSNAS_HOME of all.
        port: the EFSNAS_PORT of all, at which something else listens.
        short: a spec that succeeds.
        diverging: a spec whose training fails.
    """

    home: Path
    port: int
    short: Path
    diverging: Path

    @contextmanager
    def demo(self, spec: Path, *arguments: str) -> Iterator[Terminal]:
        """Start the demo; at the end nothing of it is left."""
        terminal = Terminal(self.home, spec, "demo", *arguments, EFSNAS_PORT=str(self.port))
        try:
            yield terminal
        finally:
            terminal.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("demo")
    short, diverging = folder / "short.yaml", folder / "diverging.yaml"
    short.write_text(yaml.safe_dump(SPEC))
    training = SPEC["training"] | DIVERGING
    diverging.write_text(yaml.safe_dump(SPEC | {"training": training}))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield Place(folder / "home", taken.getsockname()[1], short, diverging)
    wait_until(
        lambda: not working_in(folder), seconds=DEADLINE_SECONDS, what="every process is gone"
    )


@dataclass(frozen=True)
class Ended:
    """A command from its start to its end."""

    returncode: int
    text: str


@pytest.fixture(scope="module")
def failed(place: Place) -> Ended:
    """The first demo: its training diverges, and it leaves."""
    with place.demo(place.diverging, "--exit") as terminal:
        return Ended(terminal.wait(), terminal.text)


@pytest.fixture(scope="module")
def serving(place: Place, failed: Ended) -> Iterator[Terminal]:
    """The second demo: its experiment has succeeded, and it goes on serving."""
    with place.demo(place.short) as terminal:
        terminal.wait_for("until Ctrl-C")
        yield terminal


@dataclass(frozen=True)
class Guests:
    """What ran beside the serving demo: one more demo that leaves, and a run submitted to it."""

    demo: Ended
    submitted: Ended


@pytest.fixture(scope="module")
def guests(place: Place, serving: Terminal) -> Guests:
    with ExitStack() as closing:
        demo = closing.enter_context(place.demo(place.short, "--exit"))
        submitting = Terminal(
            *(place.home, place.short, "submit", str(place.short), "--watch"),
            EFSNAS_URL=address(serving.text),
        )
        closing.callback(submitting.close)
        submitted = Ended(submitting.wait(), submitting.text)
        return Guests(Ended(demo.wait(), demo.text), submitted)


def working_in(folder: Path) -> list[psutil.Process]:
    """Return the processes whose EFSNAS_HOME is `folder` or lies inside, whoever started them."""
    found = []
    for process in psutil.process_iter():
        try:
            home = process.environ().get("EFSNAS_HOME")
        except psutil.Error:
            continue
        if home and Path(home).is_relative_to(folder):
            found.append(process)
    return found


def address(text: str) -> str:
    """Return the address of the server that a demo has named."""
    found = re.search(r"Dashboard: (http://127\.0\.0\.1:\d+)/ui/runs/\d+\n", text)
    assert found is not None, text
    return found[1]


def is_closed(url: str) -> bool:
    """Tell whether nobody listens at an address."""
    with socket.socket() as client:
        return client.connect_ex((httpx.URL(url).host, httpx.URL(url).port)) != 0


def found_out(text: str) -> dict[str, str]:
    """Return the rows of the table at the end of a run."""
    lines = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    return {row[0].strip(): row[1].strip() for row in lines}


def require_whole_table(text: str) -> None:
    """Fail unless a successful run of the short spec has printed everything it found."""
    rows = found_out(text)
    width = r"\(target 33\.3%\); supernet of width 2, \d+ parameters"
    sizes = {
        "sub-space 0 (count 0)": rf"39 architectures, 30 valid \(26%\); (\d+) updates, \d+\.\d% {width}",
        "sub-space 1 (count 1)": rf"66 architectures, 66 valid \(57%\); (\d+) updates, \d+\.\d% {width}",
        "sub-space 2 (count 2)": rf"20 architectures, 20 valid \(17%\); (\d+) updates, \d+\.\d% {width}",
    }
    updates = []
    for what, pattern in sizes.items():
        found = re.fullmatch(pattern, rows.pop(what))
        assert found is not None
        updates.append(int(found[1]))
    assert sum(updates) == 80
    assert min(updates) > 0
    number = r"-?[01]\.\d{3}"
    patterns = {
        "training balance": r"normalised entropy of updates [01]\.\d{3} "
        r"\(even = 1; target 1\.000\)",
        "warm-up": "40 updates, shared by all sub-spaces",
        "rank correlation": rf"tau = {number}, 95 % interval {number} to {number}, n = 116 "
        r"\(final, scorer loss, step 120\)",
        "noise ceiling": r"0\.912 \(10 seeds\)",
        "best cell": r"\|\w+~0\|\+\|\w+~0\|\w+~1\|",
        "its score": r"-\d+\.\d{4}, evaluation \d+ of 20",
        "its true accuracy": r"\d\d\.\d\d %, rank \d+ of 116",
    }
    assert rows.keys() == patterns.keys()
    for what, pattern in patterns.items():
        assert re.fullmatch(pattern, rows[what]), rows[what]


def progress(text: str, kind: str) -> list[tuple[int, int]]:
    """Return what the bar of one kind of unit has shown, one after the other."""
    shown = re.findall(rf"^{kind} +[━╸╺ ]+(\d+)/(\d+) ", text, re.MULTILINE)
    return list(dict.fromkeys((int(done), int(total)) for done, total in shown))


def test_a_failed_run_is_named_and_is_the_failure_of_the_demo(place: Place, failed: Ended):
    assert failed.returncode == 1, failed.text
    assert re.search(
        r"Error: run 1 failed: warm-up: the training loss is (nan|inf) at global step \d+, "
        r"architecture \S+; lower training.learning_rate or set training.gradient_clip",
        failed.text,
    )
    assert "rank correlation" not in failed.text
    assert "until Ctrl-C" not in failed.text
    assert is_closed(address(failed.text))


def test_a_taken_port_is_named_and_another_one_used(place: Place, failed: Ended):
    used = httpx.URL(address(failed.text)).port
    assert used != place.port
    assert f"Port {place.port} is taken; using {used}." in failed.text


def test_a_second_demo_in_the_same_home_shows_its_progress_and_what_it_found(serving: Terminal):
    text = serving.text
    assert f"Dashboard: {address(text)}/ui/runs/2\n" in text
    totals = {"partition": 1, "warm-up": 40, "train": 80, "rank": 116, "search": 20}
    for kind, total in totals.items():
        assert progress(text, kind)[-1] == (total, total)
    assert progress(text, "partition")[0] == (0, 1)
    assert text.index("Run 2: running.") < text.index("Run 2: succeeded.")
    require_whole_table(text)


def test_a_demo_beside_a_running_one_has_a_home_and_a_port_of_its_own(
    place: Place, serving: Terminal, guests: Guests
):
    text = guests.demo.text
    assert guests.demo.returncode == 0, text
    home = place.home / "demo-2"
    assert f"Another server works in {place.home}; using {home}.\n" in text
    assert address(text) != address(serving.text)
    assert "Run 1: succeeded." in text
    require_whole_table(text)
    assert "until Ctrl-C" not in text
    assert is_closed(address(text))
    assert working_in(home) == []


def test_a_run_is_watched_to_its_success(serving: Terminal, guests: Guests):
    text = guests.submitted.text
    assert guests.submitted.returncode == 0, text
    assert f"Run 3 is queued: {address(serving.text)}/ui/runs/3" in text
    assert progress(text, "search")[-1] == (20, 20)
    assert "Run 3: succeeded." in text
    require_whole_table(text)


# The last one: it ends the demo that those above look at.
def test_the_demo_serves_until_ctrl_c_and_leaves_nothing_behind(
    place: Place, serving: Terminal, guests: Guests
):
    url = address(serving.text)
    assert f"Serving at {url}/ui/ until Ctrl-C." in serving.text
    runs = httpx.get(f"{url}/api/v1/runs", timeout=DEADLINE_SECONDS).json()["items"]
    assert [run["state"] for run in runs] == ["succeeded", "succeeded", "failed"]
    assert working_in(place.home)
    serving.type(CTRL_C)
    assert serving.wait() == 0, serving.text
    assert "Stopping." in serving.text
    assert is_closed(url)
    assert working_in(place.home) == []
