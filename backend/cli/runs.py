"""Commands about runs."""

from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from backend.cli.client import connected
from backend.cli.errors import CliError
from backend.cli.summary import measure_tables, outcome, summary
from backend.cli.watch import watch
from backend.runs.bundle import Format
from backend.runs.schemas import RunRead, RunSummary, TelemetryRead


def submit(
    spec: Annotated[Path, typer.Argument(help="RunSpec as YAML or JSON.")],
    watching: Annotated[
        bool, typer.Option("--watch", help="Show progress; exit 1 unless the run succeeds.")
    ] = False,
) -> None:
    """Queue a run."""
    console = Console()
    with connected() as client:
        run = client.create_run(read_spec(spec))
        console.print(f"Run {run.id} is {run.state}: {client.url}/ui/runs/{run.id}")
        if watching:
            ended = watch(client, run.id, console)
            require_success(ended)
            console.print(summary(outcome(client, ended)))


def list_runs(
    state: Annotated[str | None, typer.Option(help="Only runs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many.")] = 20,
) -> None:
    """List the newest runs."""
    with connected() as client:
        page = client.runs(limit, state)
    table = Table("id", "name", "state", "progress", "space", "dataset", "tau", "noise ceiling")
    for run in page.items:
        table.add_row(*_cells(run))
    console = Console()
    console.print(table)
    if page.next_cursor:
        console.print("There are more; --limit shows them.")


def show(run_id: Annotated[int, typer.Argument(help="Number of the run.")]) -> None:
    """Show a run: its state, units and results."""
    console = Console()
    with connected() as client:
        run = client.run(run_id)
        found = outcome(client, run)
        units = client.units(run_id)
        spent = {row.unit: row for row in client.telemetry_totals(run_id)}
    console.print(f"Run {run.id} is {run.state}, {run.progress:.0%} done.")
    for reason in (run.waiting_reason, run.failure_message):
        if reason:
            console.print(reason)
    table = Table("unit", "state", "progress", "times claimed", "steps/s", "useful", "owner")
    for unit in units:
        progress = f"{unit.progress}/{unit.total}"
        speed, useful = speed_texts(spent.get(unit.key))
        table.add_row(
            unit.key, unit.state, progress, str(unit.attempt), speed, useful, unit.owner or ""
        )
    console.print(table)
    console.print(summary(found))
    for measures in measure_tables(found):
        console.print(measures)


def report(
    run_id: Annotated[int, typer.Argument(help="Number of the run.")],
    tables: Annotated[
        Format | None,
        typer.Option("--tables", help="Write also a zip with every table of the run, as these."),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where to write.")] = Path(),
) -> None:
    """Write a run as one HTML file, and if asked for its tables."""
    console = Console()
    with connected() as client:
        page = folder / f"run-{run_id}.html"
        client.download(f"/runs/{run_id}/report", page, {"download": True})
        console.print(str(page), markup=False, highlight=False, soft_wrap=True)
        if tables is not None:
            archive = folder / f"run-{run_id}-{tables}.zip"
            client.download(f"/runs/{run_id}/bundle", archive, {"format": tables})
            console.print(str(archive), markup=False, highlight=False, soft_wrap=True)


def retrain(
    run_id: Annotated[int, typer.Argument(help="Number of the run.")],
    architectures: Annotated[
        list[str] | None, typer.Argument(help="Canonical strings; none: the winners.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="So many winners of the search; 1 unless listed.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="A number of trainings, or seeds such as 0,3,5.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="Preset, such as digits or cifar10.")] = None,
    watching: Annotated[
        bool, typer.Option("--watch", help="Show progress; exit 1 unless the run succeeds.")
    ] = False,
) -> None:
    """Train architectures of a run stand-alone: any of its space, or the winners."""
    asked: dict[str, object] = {"architectures": architectures} if architectures else {}
    if top is not None or not architectures:
        asked["top"] = top or 1
    if seeds is not None:
        asked["seeds"] = _seeds(seeds)
    if recipe is not None:
        asked["recipe"] = {"kind": recipe}
    console = Console()
    with connected() as client:
        added = client.retrain(run_id, asked)
        for one in added:
            console.print(
                f"{one.unit}: {one.architecture}, seed {one.seed}, recipe {one.recipe.kind}",
                markup=False,
                soft_wrap=True,
            )
        if watching:
            ended = watch(client, run_id, console)
            require_success(ended)
            console.print(summary(outcome(client, ended)))


def _seeds(text: str) -> object:
    """Read a number, or numbers between commas; the server judges them.

    Raises:
        CliError: if there is something else.
    """
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise CliError(
            f"--seeds {text!r} is neither a number nor numbers between commas"
        ) from error
    return numbers if "," in text or not numbers else numbers[0]


def read_spec(path: Path) -> object:
    """Return a spec file's content; the server judges it.

    Raises:
        CliError: if the file cannot be read, or is neither YAML nor JSON.
    """
    try:
        return yaml.safe_load(_read_text(path))
    except yaml.YAMLError as error:
        raise CliError(f"{path}: {error}") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file that are not empty.

    Raises:
        CliError: if the file cannot be read.
    """
    return [line.strip() for line in _read_text(path).splitlines() if line.strip()]


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise CliError(f"there is no file {path}") from error
    except IsADirectoryError as error:
        raise CliError(f"{path} is a folder, not a file") from error
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CliError(f"{path} is not UTF-8 text") from error


def require_success(run: RunRead) -> None:
    """Refuse a run that has ended otherwise.

    Raises:
        CliError: naming the run's state and why.
    """
    if run.state != "succeeded":
        raise CliError(f"run {run.id} {run.state}: {run.failure_message or 'no reason is stored'}")


def speed_texts(spent: TelemetryRead | None) -> tuple[str, str]:
    """Return a unit's optimizer steps per second and the share of its time that was useful."""
    if spent is None:
        return "", ""
    speed = "" if spent.steps_per_second is None else f"{spent.steps_per_second:.1f}"
    return speed, f"{spent.useful_share:.0%}"


def _cells(run: RunSummary) -> list[str]:
    tau = "" if run.tau is None else f"{run.tau:.3f}"
    return [
        str(run.id),
        run.name,
        run.state,
        f"{run.progress:.0%}",
        run.space,
        run.dataset,
        tau,
        _ceiling_text(run),
    ]


def _ceiling_text(run: RunSummary) -> str:
    if run.benchmark is None:
        return "no benchmark"
    return "unknown" if run.noise_ceiling is None else f"{run.noise_ceiling:.3f}"
