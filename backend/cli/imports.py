"""Commands that bring data to the server."""

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from backend.cli.client import connected

datasets = typer.Typer(help="Image datasets.", no_args_is_help=True)


@datasets.callback()
def _datasets() -> None:
    """Keep `import` a sub-command, though it is the only one."""


@datasets.command("import")
def import_dataset(
    source: Annotated[
        Path,
        typer.Argument(
            exists=True,
            help="Folder, zip, tar or .npz: image files (train/<class>/*, test/<class>/*), "
            "CIFAR-10, CIFAR-100 or ImageNet16-120 as published, or arrays.",
        ),
    ],
    name: Annotated[str, typer.Option(help="How specs refer to it.")],
    size: Annotated[
        int | None, typer.Option(help="Height and width in pixels; absent: as they are.")
    ] = None,
    num_validation: Annotated[
        int, typer.Option(help="Training images held out to score, stop and search by.")
    ] = 1000,
    split_seed: Annotated[int, typer.Option(help="Source of the choice of those images.")] = 0,
) -> None:
    """Import images; the same content again changes nothing."""
    fields: dict[str, str | int] = {
        "name": name,
        "num_validation": num_validation,
        "split_seed": split_seed,
    }
    if size is not None:
        fields["size"] = size
    console = Console()
    with connected() as client, _as_zip(source) as archive, console.status("Importing images"):
        made = client.import_dataset(archive, fields)
    console.print(
        f"{made.name}@{made.version}: {made.num_train} train, {made.num_validation} validation, "
        f"{made.num_test} test images of {made.width}x{made.height}x{made.channels}, "
        f"{len(made.classes)} classes."
    )


@contextmanager
def _as_zip(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
        return
    with tempfile.NamedTemporaryFile(prefix=f"{source.name}-", suffix=".zip") as packed:
        # Images are compressed already. A date that zip cannot hold, before 1980, does not matter.
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
            for path in sorted(source.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(source))
        packed.flush()
        yield Path(packed.name)
