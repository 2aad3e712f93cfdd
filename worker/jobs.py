"""Opening whatever a runner is to execute units of: a run, or the build of a benchmark."""

from typing import Protocol

from backend.db import Database
from backend.models import Build, Job, Run, Unit
from backend.settings import Settings
from nas.training.team import Team
from worker.attempt import UnitRecorder
from worker.building import BuildExecution, load_building
from worker.execution import Execution, Work
from worker.loading import load_run
from worker.resources import Resources


class JobExecution(Protocol):
    """Opens the units of one job."""

    @property
    def device(self) -> str:
        """The torch device that the units are executed on."""

    def open(self, unit: Unit) -> Work:
        """Prepare the execution of a unit from what is stored of it."""

    def recorder(self, work: Work, resources: Resources, began: float) -> UnitRecorder:
        """Return what turns the events of a unit into rows."""

    def keep(self, path: str, work: Work) -> None:
        """Remember what a unit leaves in this process beside the checkpoint at `path`."""


def open_job(db: Database, settings: Settings, job_id: int, team: Team) -> JobExecution:
    """Read what this process needs of a job.

    Raises:
        InvalidDataset: if the images are not those that were imported.
        NasError: if the spec cannot be executed.
    """
    with db.reading() as session:
        job = session.get_one(Job, job_id)
        if isinstance(job, Build):
            return BuildExecution(db, settings, load_building(session, settings, job), job.id)
        assert isinstance(job, Run)
        loaded = load_run(session, settings, job.id)
    return Execution(db, settings, loaded.experiment, truth=loaded.truth, team=team)
