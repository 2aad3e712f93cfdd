"""What a runner needs of a run, read once per process."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.models import Run
from backend.runs.landmarks import landmarks_of
from backend.settings import Settings
from nas.data.dataset import ImageDataset
from nas.experiment import Experiment
from worker.correlations import Truth, load_truth
from worker.devices import own_device


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run's experiment and its ground truth, if it has one."""

    experiment: Experiment
    truth: Truth | None


def load_run(session: Session, settings: Settings, run_id: int) -> LoadedRun:
    """Read the spec, the space, the images and the ground truth of a run.

    Raises:
        InvalidDataset: if the images are not those that were imported.
        InfeasiblePartition: if the space cannot be split as the spec asks.
        InfeasibleLandmarks: if the landmarks cannot be chosen as it asks.
    """
    run = session.get_one(Run, run_id)
    space = run.space.definition
    path = settings.artifact_folder / run.dataset.path
    partition = run.spec.partition(space)
    truth = load_truth(session, run)
    return LoadedRun(
        experiment=Experiment(
            spec=run.spec,
            space=space,
            partition=partition,
            dataset=ImageDataset.load(path, run.dataset.sha256),
            device=own_device(settings).kind,
            landmarks=landmarks_of(session, run, partition),
            known=()
            if truth is None or run.spec.ranking.among is None
            else tuple(truth.accuracies),
        ),
        truth=truth,
    )
