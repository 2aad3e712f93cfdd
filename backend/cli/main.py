"""Every command, put together."""

import typer

from backend.cli import exports, imports, runs, servers
from backend.cli.benchmarks import benchmarks
from backend.cli.demo import demo
from backend.cli.errors import SpeakingGroup
from backend.cli.spaces import spaces

app = typer.Typer(
    name="efsnas",
    cls=SpeakingGroup,
    help="Few-shot neural architecture search on a server that a team shares.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

for command in (servers.up, servers.worker, servers.reaper, servers.api, servers.migrate):
    app.command()(command)
app.command()(demo)
app.add_typer(spaces, name="spaces")
app.add_typer(imports.datasets, name="datasets")
app.add_typer(benchmarks, name="benchmarks")
app.command()(runs.submit)
app.command(name="runs")(runs.list_runs)
app.command()(runs.show)
app.command()(runs.report)
app.command()(runs.retrain)
app.command()(exports.export)
