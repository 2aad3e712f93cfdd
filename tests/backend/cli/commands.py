"""The command line, called in this process."""

from typer.testing import CliRunner, Result

from backend.cli import app


def run_command(*arguments: object) -> Result:
    """Call `efsnas` with some arguments, in a terminal wide enough for its tables."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(part) for part in arguments])
