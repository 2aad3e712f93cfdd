"""The command that saves a retrained network."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from backend.cli.client import connected
from backend.cli.errors import CliError
from backend.exports.choosing import chosen
from backend.runs.schemas import RetrainingRead
from nas.export.formats import FORMATS


def export(
    run_id: Annotated[int, typer.Argument(help="Number of the run.")],
    architecture: Annotated[
        str | None, typer.Option(help="Canonical string; else the best that was retrained.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of the training; else the one best on validation images."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help=f"One of {', '.join(FORMATS)}; repeat it. Else all."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The ZIP archive to write.")
    ] = None,
) -> None:
    """Save a retrained network: weights, torch.export, ONNX, Python source, model card."""
    console = Console()
    with connected() as client:
        training = _chosen(client.retrainings(run_id), run_id, architecture, seed)
        path = output or Path(f"run-{run_id}-network-{training.number}.zip")
        headers = client.download(
            f"/runs/{run_id}/retrainings/{training.number}/export",
            path,
            {"format": formats or []},
        )
    console.print(
        f"{path}: {training.architecture}, seed {training.seed}, "
        f"{training.validation_accuracy:.2f} % of the validation images.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    left_out = headers.get("efsnas-left-out")
    if left_out:
        console.print(f"Left out: {left_out}; its README.md says why.")


def _chosen(
    trainings: list[RetrainingRead], run_id: int, architecture: str | None, seed: int | None
) -> RetrainingRead:
    training = chosen(trainings, architecture, seed)
    if training is not None:
        return training
    if not trainings:
        raise CliError(
            f"run {run_id} has trained no network alone, so there are no weights to export; "
            "retrain its winners, or architectures that you pick"
        )
    asked = "" if architecture is None else f" of {architecture}"
    asked += "" if seed is None else f" with seed {seed}"
    states = sorted({one.state for one in trainings})
    raise CliError(
        f"run {run_id} has no weights of a retraining{asked}; its {len(trainings)} retrainings are "
        f"{', '.join(states)}"
    )
