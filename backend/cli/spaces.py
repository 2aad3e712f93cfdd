"""Commands about search spaces."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from backend.cli.client import connected
from backend.cli.errors import CliError
from backend.spaces.documents import yaml_text
from backend.spaces.schemas import BanksRead, HistogramRead, PartitionPreview, RangeRead
from nas.partition.accumulated import bank_spans

spaces = typer.Typer(help="Search spaces.", no_args_is_help=True)


@spaces.command("list")
def list_spaces() -> None:
    """List every version of every search space."""
    with connected() as client:
        found = client.spaces()
    table = Table("space", "kind", "decisions", "architectures", "valid")
    for space in found:
        reference = f"{space.name}@{space.version}"
        numbers = (_grouped(space.size.all), _grouped(space.size.valid))
        table.add_row(reference, space.kind, str(space.num_decisions), *numbers)
    Console().print(table)


@spaces.command("show")
def show_space(
    name: Annotated[str, typer.Argument(help="`name` or `name@version`.")],
    count: Annotated[
        str, typer.Option(help="Nonlinear functions: effective (best path) or total.")
    ] = "effective",
) -> None:
    """Show a search space: its definition, sizes, and architectures per nonlinearity count."""
    with connected() as client:
        space = client.space(name)
        found = client.histogram(f"{space.name}@{space.version}", count)
    console = Console()
    console.print(f"{space.name}@{space.version}, used by {space.num_runs} runs")
    console.print(yaml_text(space.definition), markup=False, highlight=False)
    console.print(_histogram(found, count))


@spaces.command("import")
def import_space(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Definition as YAML or JSON.")
    ],
) -> None:
    """Store a definition; other content under a known name becomes its next version."""
    with connected() as client:
        made = client.import_space(file)
    Console().print(
        f"{made.name}@{made.version}: {_grouped(made.size.all)} architectures, "
        f"{_grouped(made.size.valid)} of them valid."
    )


@spaces.command("preview")
def preview_partition(
    name: Annotated[str, typer.Argument(help="`name` or `name@version`.")],
    splitter: Annotated[
        str, typer.Option(help="As in a spec, in YAML: '{kind: random, num_subspaces: 4}'.")
    ] = "{kind: nonlinearity}",
    supernet: Annotated[
        str,
        typer.Option(
            help="As in a spec, in YAML, for weight banks: '{routing: accumulated, "
            "cells_per_stage: 5, shared_cells: 5}'."
        ),
    ] = "{}",
    architecture: Annotated[
        str | None, typer.Option(help="Also tell which sub-space owns this one.")
    ] = None,
) -> None:
    """Show what a splitter makes of a search space; nothing is stored."""
    document = _mapping("--splitter", splitter, "{kind: none}")
    weights = _mapping("--supernet", supernet, "{routing: accumulated}")
    with connected() as client:
        found = client.preview(name, document, weights)
        owner = (
            None if architecture is None else client.owner(name, document, architecture, weights)
        )
    console = Console()
    console.print(_partition(found))
    if found.banks is not None:
        cut = ", ".join(map(str, found.thresholds or ())) or "none"
        console.print(
            f"{found.banks.num_banks} weight banks over {found.banks.num_cells} searched cells; "
            f"thresholds of the running count: {cut}."
        )
        console.print(_banks(found.banks))
    console.print(
        f"Together {_grouped(found.cover.subspaces.all)} of {_grouped(found.cover.space.all)} "
        f"architectures, {_grouped(found.cover.subspaces.valid)} of "
        f"{_grouped(found.cover.space.valid)} valid ones"
        + (": every one in exactly one sub-space." if found.cover.holds else ": NOT a partition.")
    )
    supernets = "Supernets of these widths have"
    if found.banks is not None:
        supernets = "The supernet of this width with all its banks has"
    console.print(
        f"{supernets} {_grouped(found.widths.parameters)} parameters, one of "
        f"width {found.widths.parent_width} has {_grouped(found.widths.parent_parameters)}."
    )
    training = found.training
    console.print(
        f"Training for {training.steps:,} steps of {training.batch_size:,} images takes about "
        f"{training.flops:,.0f} multiply-adds, forward and backward; the one of width "
        f"{found.widths.parent_width} would take {training.one_shot_flops:,.0f}. Estimated from "
        f"n = {found.sampling.n:,} architectures drawn per sub-space."
    )
    if owner is not None:
        dead = "" if owner.valid else " It is dead: never trained, ranked or searched."
        console.print(f"{owner.code} belongs to sub-space {owner.subspace}, {owner.label}.{dead}")
        if owner.banks:
            console.print(f"Its weight banks, by searched cell: {_spans(owner.banks)}.")


def _histogram(found: HistogramRead, count: str) -> Table:
    table = Table(f"{count} count", "valid", "dead", "share of all")
    for value, size in found.counts.items():
        share = int(size.all) / int(found.all)
        dead = int(size.all) - int(size.valid)
        table.add_row(value, _grouped(size.valid), f"{dead:,}", f"{share:.2%}")
    total_dead = int(found.all) - int(found.valid)
    table.add_section()
    table.add_row("all", _grouped(found.valid), f"{total_dead:,}", "100%")
    return table


def _partition(found: PartitionPreview) -> Table:
    table = Table("sub-space", "valid", "share", "dead", "FLOPs", "parameters", "width")
    for part in found.subspaces:
        assert part.costs is not None  # they are given unless one asks for none
        table.add_row(
            f"{part.index}: {part.label}",
            _grouped(part.size.valid),
            f"{part.share_valid:.1%}",
            f"{int(part.size.all) - int(part.size.valid):,}",
            _range(part.costs.flops),
            _range(part.costs.parameters),
            str(part.suggested_width),
        )
    return table


def _banks(found: BanksRead) -> Table:
    table = Table("count", "valid", "sub-space", "searched cells -> bank")
    for profile in found.profiles:
        table.add_row(
            str(profile.count),
            _grouped(profile.size.valid),
            str(profile.subspace),
            _spans(profile.banks),
        )
    return table


def _spans(banks: Sequence[int]) -> str:
    return ", ".join(
        f"{first} -> {bank}" if first == last else f"{first}-{last} -> {bank}"
        for first, last, bank in bank_spans(banks)
    )


def _range(both: RangeRead) -> str:
    return f"{_grouped(both.min)} to {_grouped(both.max)}"


def _mapping(
    option: str, text: str, example: str
) -> dict[str, Any]:  # Any: JSON values, which the server judges
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CliError(f"{option}: {error}") from error
    if not isinstance(document, dict):
        raise CliError(f"{option} is a mapping, such as '{example}'")
    return document


def _grouped(number: str) -> str:
    return f"{int(number):,}"
