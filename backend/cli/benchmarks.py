"""Commands about benchmarks, the ground truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from backend.benchmarks.schemas import BenchmarkDetail, ColumnRead, CoverageRead, EntryRead
from backend.builds.schemas import BuildRead
from backend.cli.client import connected
from backend.cli.errors import CliError
from backend.cli.runs import read_lines, read_spec
from backend.cli.watch import watch_build

benchmarks = typer.Typer(help="Ground truth.", no_args_is_help=True)


@benchmarks.command("list")
def list_benchmarks() -> None:
    """List every version of every benchmark."""
    with connected() as client:
        found = client.benchmarks()
    table = Table("benchmark", "search space", "architectures", "columns", "noise ceiling")
    for benchmark in found:
        table.add_row(
            f"{benchmark.name}@{benchmark.version}",
            benchmark.space,
            f"{benchmark.num_entries:,}",
            ", ".join(column.name for column in benchmark.columns),
            "unknown" if benchmark.noise_ceiling is None else f"{benchmark.noise_ceiling:.3f}",
        )
    Console().print(table)


@benchmarks.command("show")
def show_benchmark(
    name: Annotated[str, typer.Argument(help="`name` or `name@version`.")],
    column: Annotated[
        str | None, typer.Option(help="Whose coverage and best architectures are shown.")
    ] = None,
    best: Annotated[int, typer.Option(min=1, max=1000, help="How many of the best.")] = 5,
) -> None:
    """Show a benchmark: its columns, and of one of them the coverage and the best."""
    with connected() as client:
        found = client.benchmark(name)
        shown = column or found.truth or found.columns[0].name
        reference = f"{found.name}@{found.version}"
        entries = client.best_entries(reference, shown, best)
    coverage = next((part for part in found.coverage if part.column == shown), None)
    if coverage is None:
        raise CliError(f"{reference} has no column {shown!r}")
    console = Console()
    console.print(
        f"{reference}: {found.num_entries:,} of {int(found.space_all):,} architectures of "
        f"{found.space}, {found.num_valid:,} of {int(found.space_valid):,} valid ones."
    )
    for key, value in found.recipe.items():
        console.print(f"{key}: {value}", markup=False, highlight=False)
    console.print(_columns(found.columns))
    console.print(_coverage(coverage))
    console.print(_best(shown, entries))
    _warn(console, found)


@benchmarks.command("import")
def import_benchmark(
    table: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="CSV, JSON, JSON lines or Parquet with columns such as architecture, accuracy, "
            "'cifar10/accuracy/seed0', 'cifar10/latency [ms]'.",
        ),
    ],
    name: Annotated[str, typer.Option(help="How specs refer to it.")],
    space: Annotated[str, typer.Option(help="Search space of the architectures.")],
    unit: Annotated[
        str | None,
        typer.Option(help="percent or fraction: of accuracies whose unit the file does not name."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Of the columns that name none in the file.")
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(help="Column that runs are compared with; without it the first accuracy."),
    ] = None,
) -> None:
    """Import stand-alone results; the same content again changes nothing."""
    given = {"name": name, "space": space, "unit": unit, "dataset": dataset, "truth": truth}
    fields = {key: value for key, value in given.items() if value is not None}
    console = Console()
    with connected() as client, console.status("Importing the table"):
        made = client.import_benchmark(table, fields)
    _say_made(console, made)


@benchmarks.command("build")
def build_benchmark(  # noqa: PLR0913 - the options of a command
    space: Annotated[str, typer.Argument(help="Search space, `name` or `name@version`.")],
    dataset: Annotated[str, typer.Argument(help="Dataset, likewise.")],
    name: Annotated[str, typer.Option(help="Of the benchmark; one that is not taken.")],
    sample: Annotated[
        int | None, typer.Option(help="So many random valid architectures; absent: all of them.")
    ] = None,
    sample_seed: Annotated[int, typer.Option(help="Of the random choice.")] = 0,
    architectures: Annotated[
        Path | None, typer.Option(help="File with one canonical string per line, instead.")
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Of the trainings, such as 0,1,2; two give a noise ceiling.")
    ] = "0,1",
    recipe: Annotated[
        Path | None, typer.Option(help="YAML or JSON: epochs, batch_size, learning_rate, ...")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE of the recipe, such as epochs=12."),
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="Channels of the first stage; absent: the space's.")
    ] = None,
    cells_per_stage: Annotated[
        int | None, typer.Option(help="Searched cells in a row; absent: the space's.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads per training.")] = 1,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show progress; exit 1 unless the benchmark is made.")
    ] = False,
) -> None:
    """Train architectures alone on the workers, and make a benchmark of their test accuracies."""
    spec = {
        "name": name,
        "space": space,
        "dataset": dataset,
        "sample": sample,
        "sample_seed": sample_seed,
        "architectures": None if architectures is None else read_lines(architectures),
        "seeds": [part.strip() for part in seeds.split(",") if part.strip()],
        "recipe": _recipe(recipe, change or ()),
        "width": width,
        "cells_per_stage": cells_per_stage,
        "threads": threads,
    }
    console = Console()
    with connected() as client:
        made = client.build_benchmark(spec)
        console.print(
            f"Build {made.id} is {made.state}: {made.num_trainings} trainings for "
            f"{made.num_architectures} architectures of {made.space}; "
            f"{client.url}/ui/benchmarks",
            soft_wrap=True,
        )
        if wait:
            ended = watch_build(client, made.id, console)
            _require_benchmark(ended)
            _say_made(console, client.benchmark(ended.benchmark or name))
            if ended.num_diverged:
                console.print(
                    f"Warning: {ended.num_diverged} of {ended.num_trainings} trainings diverged. "
                    "The benchmark has no value there, and its recipe lists them."
                )


@benchmarks.command("builds")
def list_builds(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many.")] = 20,
) -> None:
    """List the newest builds of benchmarks."""
    with connected() as client:
        page = client.builds(limit)
    table = Table("id", "benchmark", "state", "trained", "search space", "dataset", "reason")
    for build in page.items:
        table.add_row(
            str(build.id),
            build.benchmark or build.name,
            build.state,
            f"{build.num_trained:,}/{build.num_trainings:,}",
            build.space,
            build.dataset,
            build.failure_message or build.waiting_reason or "",
        )
    console = Console()
    console.print(table)
    if page.next_cursor:
        console.print("There are more; --limit shows them.")


def _recipe(path: Path | None, changes: Sequence[str]) -> dict[str, Any]:  # Any: JSON values
    """Return the recipe that a file and changes make; the server judges it.

    Raises:
        CliError: if nothing says how to train, or a change is none.
    """
    given = {} if path is None else read_spec(path)
    if not isinstance(given, dict):
        raise CliError(f"{path} holds no recipe: a mapping of fields, such as `epochs: 12`")
    recipe = dict(given)
    for change in changes:
        field, equals, value = change.partition("=")
        if not field or not equals:
            raise CliError(f"--set {change}: write FIELD=VALUE, such as epochs=12")
        *above, last = field.split(".")
        place = recipe
        for part in above:
            below = place.get(part)
            place[part] = dict(below) if isinstance(below, dict) else {}
            place = place[part]
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise CliError(f"--set {change}: the value is not YAML") from error
    if not recipe:
        raise CliError("say how to train: --recipe FILE, or at least --set epochs=12")
    return recipe


def _require_benchmark(build: BuildRead) -> None:
    if build.state != "succeeded":
        raise CliError(
            f"build {build.id} {build.state}: {build.failure_message or 'no reason is stored'}"
        )


def _columns(columns: Sequence[ColumnRead]) -> Table:
    table = Table("column", "unit", "known", "valid", "lowest", "highest", "seeds", "ceiling")
    for column in columns:
        table.add_row(
            f"{column.name} (truth)" if column.is_truth else column.name,
            column.unit,
            f"{column.num_known:,}",
            f"{column.num_valid:,}",
            "" if column.lowest is None else f"{column.lowest:g}",
            "" if column.highest is None else f"{column.highest:g}",
            "unknown" if column.seeds is None else str(len(column.seeds)),
            "unknown" if column.noise_ceiling is None else f"{column.noise_ceiling:.3f}",
        )
    return table


def _coverage(found: CoverageRead) -> Table:
    table = Table(
        "count", "known", "of all", "known valid", "of valid", "median", title=found.column
    )
    for part in found.by_count:
        table.add_row(
            str(part.count),
            f"{part.known:,}",
            f"{int(part.all):,}",
            f"{part.known_valid:,}",
            f"{int(part.valid):,}",
            f"{part.quantiles[2]:g}" if part.quantiles else "",
        )
    return table


def _best(column: str, entries: Sequence[EntryRead]) -> Table:
    table = Table("best architectures", column, "count")
    for entry in entries:
        table.add_row(entry.architecture, f"{entry.value:g}", str(entry.count))
    return table


def _say_made(console: Console, made: BenchmarkDetail) -> None:
    ceiling = "unknown" if made.noise_ceiling is None else f"{made.noise_ceiling:.3f}"
    console.print(
        f"{made.name}@{made.version}: {made.num_entries} architectures of {made.space}, "
        f"{made.num_valid} of them valid; noise ceiling {ceiling}."
    )
    if len(made.columns) > 1:
        console.print(_columns(made.columns))
    _warn(console, made)


def _warn(console: Console, found: BenchmarkDetail) -> None:
    for text in found.warnings:
        console.print(f"Warning: {text}.", markup=False, highlight=False)
