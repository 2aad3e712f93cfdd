"""Live means live: the real server and worker, watched by a real browser that never reloads."""

import statistics
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from backend.db import Database
from backend.runs import results
from backend.runs.balance import newest
from backend.settings import Settings
from tests.support import wait_until
from tests.worker.processes import DEADLINE_SECONDS, descendants, gone
from tests.worker.test_stack import PARTS, children, ready_line, stack
from worker.stack import locked

pytestmark = pytest.mark.slow

SPEC = {
    "name": "live",
    "space": "digits-mini",
    "dataset": "digits",
    "benchmark": "digits-mini",
    "splitter": {"kind": "nonlinearity", "num_subspaces": 3},
    "supernet": {"width": 4},
    "training": {"steps": 2000, "warm_up_steps": 500},
    "ranking": {
        "num_architectures": 30,
        "live_architectures": 30,
        "every_steps": 250,
        "num_images": 250,
    },
    "search": {"kind": "random", "budget": 5},
}
MOST_LAG_SECONDS = 3.0
FIGURES = ("subspace-sizes", "training-balance", "rank-correlation")

# Notes, ten times a second, what each figure holds whenever that has changed.
WATCH = """() => {
    window.seen = [];
    const held = {};
    const sum = (values) => values.reduce((total, value) => total + value, 0);
    const named = (data, name) => data.find((trace) => trace.name.startsWith(name))?.x ?? [];
    const readings = {
        "subspace-sizes": (data) => sum(named(data, "updates so far")),
        "training-balance": (data) =>
            sum(named(data, "own updates")) + sum(named(data, "warm-up")),
        "rank-correlation": (data) => JSON.stringify(data.map((trace) => trace.x)),
    };
    window.setInterval(() => {
        const state = document.querySelector(".mantine-Badge-root")?.textContent;
        for (const [name, read] of Object.entries(readings)) {
            const graph = document.querySelector(`.figure-${name} .js-plotly-plot`);
            if (!graph?.data?.length) continue;
            const value = read(graph.data);
            if (value !== held[name]) {
                held[name] = value;
                window.seen.push({name, value, state, time: Date.now() / 1000});
            }
        }
    }, 100);
}"""


@dataclass
class Commits:
    """When the database first held so many updates, as another reader of it sees."""

    db: Database
    run_id: int
    times: list[tuple[float, int]] = field(default_factory=list)

    def look(self):
        with self.db.reading() as session:
            updates = sum(row.updates for row in newest(results.balance(session, self.run_id)))
        if updates and (not self.times or updates > self.times[-1][1]):
            self.times.append((time.time(), updates))

    @contextmanager
    def watched(self):
        ended = threading.Event()

        def watch():
            while not ended.wait(0.05):
                self.look()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()


def lags(commits, seen):
    """Seconds from each commit of updates until the browser held them."""
    shown = [(note["time"], note["value"]) for note in seen if note["name"] == "subspace-sizes"]
    return [
        min(moment for moment, value in shown if value >= updates) - committed
        for committed, updates in commits.times
        if any(value >= updates for _, value in shown)
    ]


@dataclass(frozen=True)
class Live:
    """A stack with the settings that it has by default.

    Attributes:
        address: of its server.
    """

    process: subprocess.Popen[str]
    home: Path
    address: str


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    home = tmp_path_factory.mktemp("live") / "home"
    with stack(home, "--port", "0") as started:
        yield Live(started, home, ready_line(started).split()[4].removesuffix("/ui/"))


@pytest.mark.browser
def test_a_browser_sees_three_figures_gain_data_while_the_run_is_running(quiet_page, live):
    quiet_page.goto(f"{live.address}/ui/")
    expect(quiet_page.get_by_role("heading", name="Runs")).to_be_visible()
    answer = httpx.post(f"{live.address}/api/v1/runs", json=SPEC)
    assert answer.status_code == 201, answer.text
    run_id = answer.json()["id"]
    quiet_page.goto(f"{live.address}/ui/runs/{run_id}")
    expect(quiet_page.locator(".figure-training-balance")).to_contain_text(
        "No update has been made yet"
    )
    quiet_page.evaluate(WATCH)
    db = Database(Settings(home=live.home).database)
    with closing(db), Commits(db, run_id).watched() as commits:
        wait_until(
            lambda: (
                httpx.get(f"{live.address}/api/v1/runs/{run_id}").json()["state"] != "running"
                and commits.times
            ),
            seconds=240,
            pause_seconds=1,
            what="the run is over",
        )
        expect(quiet_page.locator(".mantine-Badge-root").first).to_have_text("succeeded")
    seen = quiet_page.evaluate("window.seen")
    for name in FIGURES:
        gains = [note for note in seen if note["name"] == name and note["state"] == "running"]
        assert len(gains) >= 3, f"{name} changed {len(gains)} times: {seen}"
    measured = lags(commits, seen)
    assert len(measured) >= 3
    sys.stdout.write(
        f"median lag {statistics.median(measured):.2f} s of {len(measured)} commits\n"
    )
    assert statistics.median(measured) <= MOST_LAG_SECONDS, sorted(measured)


# The last of those that share a stack, and here because starting one more takes ten seconds.
def test_no_child_outlives_a_killed_stack_and_its_home_is_free(live):
    family = descendants(live.process.pid)
    assert all(children(live.process, part) for part in PARTS)
    live.process.kill()
    wait_until(
        lambda: all(map(gone, family)), seconds=DEADLINE_SECONDS, what="every child is gone"
    )
    with locked(Settings(home=live.home)):
        pass
