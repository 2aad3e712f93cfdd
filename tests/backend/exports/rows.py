"""A run with retrained networks, as workers would have left it."""

from dataclasses import replace
from pathlib import Path

from backend.db import Database
from backend.models import Artifact, Correlation, RetrainingRow, Run, Score, Unit
from nas.training.recipes.digits import DigitsRecipe
from nas.training.retrained import RetrainedModel
from tests.nas.export.models import trained
from tests.ranked import stored_correlation

CODE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
OTHER = "|skip_connect~0|+|skip_connect~0|skip_connect~1|"
RECIPE = DigitsRecipe(epochs=2)
TOLD = {"efsnas": "0.1.0", "commit": "0123abc", "torch": "2.13.0", "device": "cpu"}


def model() -> RetrainedModel:
    return replace(trained("digits-mini", CODE, channels=1, width=2), told=TOLD)


def store_retrainings(db: Database, run_id: int, folder: Path) -> None:
    """Store two trainings of one architecture, one that diverged and one that waits."""
    trainings = [
        (CODE, 0, "done", {"validation_accuracy": 97.0, "test_accuracy": 95.0, "kept_epoch": 2}),
        (CODE, 3, "done", {"validation_accuracy": 99.0, "test_accuracy": 96.0, "kept_epoch": 2}),
        (OTHER, 0, "done", {"failure": "The training diverged in epoch 1."}),
        (OTHER, 3, "ready", {}),
    ]
    with db.unit_of_work() as session:
        session.get_one(Run, run_id).state = "succeeded"
        for number, (code, seed, state, found) in enumerate(trainings):
            unit = Unit(run_id=run_id, key=f"retrain-{number}", kind="retrain", state=state)
            session.add(unit)
            session.flush()
            row = RetrainingRow(
                unit_id=unit.id,
                run_id=run_id,
                number=number,
                architecture=code,
                subspace=0,
                origin="winner",
                seed=seed,
                recipe=RECIPE,
                width=2,
                epochs=2,
                **found,
            )
            session.add(row)
            if row.test_accuracy is None:
                continue
            row.weights_sha256 = "0" * 64
            path = f"runs/{run_id}/retrain-{number}/attempt-0001-weights.pt"
            (folder / path).parent.mkdir(parents=True)
            (folder / path).write_bytes(model().to_bytes())
            session.add(
                Artifact(
                    run_id=run_id,
                    unit_id=unit.id,
                    kind="retrained",
                    attempt=1,
                    step=2,
                    path=path,
                    sha256=f"{number}" * 64,
                    num_bytes=1,
                )
            )
        session.add(
            Score(
                run_id=run_id,
                stage="final",
                step=100,
                scorer="loss",
                architecture=CODE,
                subspace=0,
                score=-0.25,
                ranked=True,
            )
        )
        session.add(
            Correlation(
                run_id=run_id,
                stage="final",
                step=100,
                scorer="loss",
                scope="overall",
                conditions={"split": "validation", "batch_norm": "batch-stats"},
                **stored_correlation(0.5),
            )
        )
