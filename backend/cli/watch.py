"""Progress bars of a run in the terminal."""

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from backend.builds.schemas import BuildRead
from backend.cli.client import ApiClient
from backend.runs.schemas import RunRead, UnitRead
from backend.runs.states import FINISHED_RUN_STATES

POLL_SECONDS = 0.5
COLUMNS = (
    TextColumn("{task.description:<10}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TextColumn("{task.fields[note]}"),
)
KINDS = ("partition", "landmarks", "warm-up", "train", "rank", "combine", "search", "retrain")


def watch(
    client: ApiClient, run_id: int, console: Console, *, check: Callable[[], None] = lambda: None
) -> RunRead:
    """Show one bar per kind of unit until the run has ended; return the run.

    Args:
        client: of the server.
        run_id: what to watch.
        console: where the bars are drawn.
        check: called at every look; raises to stop watching.
    """
    with Progress(*COLUMNS, console=console) as bars:
        shown: dict[str, TaskID] = {}
        said = ""
        while True:
            check()
            run = client.run(run_id)
            _draw(bars, shown, client.units(run_id))
            news = _news(f"Run {run_id}", run)
            if news != said:
                bars.console.print(news)
                said = news
            if run.state in FINISHED_RUN_STATES:
                return run
            time.sleep(POLL_SECONDS)


def watch_build(client: ApiClient, build_id: int, console: Console) -> BuildRead:
    """Show how many trainings of a build are done until it has ended; return it."""
    with Progress(*COLUMNS, console=console) as bars:
        bar = bars.add_task("trainings", note="")
        said = ""
        while True:
            build = client.build(build_id)
            bars.update(bar, completed=build.num_trained, total=build.num_trainings)
            news = _news(f"Build {build_id}", build)
            if news != said:
                bars.console.print(news)
                said = news
            if build.state in FINISHED_RUN_STATES:
                return build
            time.sleep(POLL_SECONDS)


def _news(title: str, job: RunRead | BuildRead) -> str:
    """Return in what state a job is, and why it waits there."""
    news = job.waiting_reason or f"{title}: {job.state}."
    if job.state == "paused" and job.failure_message is not None:
        news += f" {job.failure_message}"
    return news


def _draw(bars: Progress, shown: dict[str, TaskID], units: Sequence[UnitRead]) -> None:
    for kind in KINDS:
        found = [unit for unit in units if unit.kind == kind]
        if not found:
            continue
        if kind not in shown:
            shown[kind] = bars.add_task(kind, total=None, start=False, note="")
        if any(unit.started_at for unit in found):
            bars.start_task(shown[kind])
        done = sum(unit.state == "done" for unit in found)
        leased = [unit.key for unit in found if unit.state == "leased"]
        if done == len(found):
            bars.stop_task(shown[kind])
        # Every train unit runs over the same global steps, each making its own of them.
        shared = len(found) if kind == "train" else 1
        bars.update(
            shown[kind],
            completed=round(sum(unit.progress for unit in found) / shared),
            total=round(sum(unit.total for unit in found) / shared),
            note=", ".join(leased) if len(found) > 1 else "",
        )
