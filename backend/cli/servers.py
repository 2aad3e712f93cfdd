"""Commands that start the processes of a deployment. Each becomes the process that it starts."""

import os
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from backend.binding import UnsafeAddress, check_address
from backend.cli.errors import CliError
from backend.settings import Settings

GRACE_SECONDS = 5
"""How long a server that is told to stop waits for its open requests."""

Host = Annotated[str | None, typer.Option(help="Address to listen on (EFSNAS_HOST).")]
UpSlots = Annotated[
    str | None,
    typer.Option(
        "--slots",
        help="Worker slots: a number, or `auto` for one per GPU and without a GPU one per core. "
        "By default one per GPU, and without a GPU one.",
    ),
]
WorkerSlots = Annotated[
    str,
    typer.Option(
        "--slots",
        help="How many: a number, or `auto` for one per GPU and without a GPU one per core.",
    ),
]
Port = Annotated[int | None, typer.Option(help="Port to listen on (EFSNAS_PORT).", min=0)]


def up(host: Host = None, port: Port = None, slots: UpSlots = None) -> None:
    """Serve the dashboard and the API with a worker, a reaper and the bundled Redis."""
    _override(host, port)
    _checked_settings()
    _become("worker.stack", *([] if slots is None else ["--slots", slots]))


def worker(slots: WorkerSlots = "auto") -> None:
    """Run worker slots: each executes one unit at a time."""
    _become("worker.pool", "--slots", slots)


def reaper() -> None:
    """Return the leases of dead workers and wake the living ones."""
    _become("worker.reaper")


def api(host: Host = None, port: Port = None) -> None:
    """Serve the dashboard and the API alone."""
    _override(host, port)
    settings = _checked_settings()
    _become(
        "uvicorn",
        "frontend.server:application",
        "--factory",
        f"--host={settings.host}",
        f"--port={settings.port}",
        f"--timeout-graceful-shutdown={GRACE_SECONDS}",
        "--no-access-log",
    )


def migrate() -> None:
    """Bring the database to the newest schema and store the built-in spaces and data in it."""
    # Here, because the command line must answer at once for everything else.
    from backend.installation import prepare

    revision = prepare(Settings())
    Console().print(f"The database is at revision {revision}.")


def _override(host: str | None, port: int | None) -> None:
    """Hand options down as the settings that they stand for."""
    if host is not None:
        os.environ["EFSNAS_HOST"] = host
    if port is not None:
        os.environ["EFSNAS_PORT"] = str(port)


def _checked_settings() -> Settings:
    settings = Settings()
    try:
        check_address(settings.host, settings.allow_bind)
    except UnsafeAddress as error:
        raise CliError(str(error)) from error
    return settings


def _become(module: str, *arguments: str) -> NoReturn:
    # The same process: signals and the exit code need no relay.
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
