"""How the command line says that something is wrong."""

from typing import Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup


class CliError(Exception):
    """A command cannot be done; the message is for the person who typed it."""


class SpeakingGroup(TyperGroup):
    """Ends a command that raises `CliError` with its message and exit code 1."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # Any: as the base
        try:
            return super().invoke(ctx)
        except CliError as error:
            Console(stderr=True, soft_wrap=True).print(Text(f"Error: {error}", style="red"))
            raise typer.Exit(1) from error
