"""Commands about benchmarks, the ground truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from backend.benchmarks.schemas import BenchmarkDetail, ColumnRead, CoverageRead, EntryRead
from backend.cli.client import connected
from backend.cli.errors import CliError

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
    ceiling = "unknown" if made.noise_ceiling is None else f"{made.noise_ceiling:.3f}"
    console.print(
        f"{made.name}@{made.version}: {made.num_entries} architectures of {made.space}, "
        f"{made.num_valid} of them valid; noise ceiling {ceiling}."
    )
    if len(made.columns) > 1:
        console.print(_columns(made.columns))
    _warn(console, made)


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


def _warn(console: Console, found: BenchmarkDetail) -> None:
    for text in found.warnings:
        console.print(f"Warning: {text}.", markup=False, highlight=False)
