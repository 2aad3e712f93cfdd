"""What the API says about builds. Read schemas have no defaults."""

from datetime import datetime

from backend.runs.schemas import ReadModel
from nas.benchmarks.build import BuildSpec


class BuildRead(ReadModel):
    """The making of one benchmark by the workers."""

    id: int
    name: str  # of the benchmark
    state: str
    space: str  # name@version
    dataset: str
    num_architectures: int  # of the benchmark
    num_networks: int  # of these that are trained; the others compute the same as one of them
    num_trainings: int  # networks times seeds
    num_trained: int  # of these, so far
    num_diverged: int  # of these, whose outputs were not finite; the table leaves them out
    benchmark: str | None  # name@version of what was made; null until then
    revision: int
    waiting_reason: str | None  # why it waits
    failure_class: str | None  # why it failed, or why the server paused it
    failure_message: str | None
    allowed_actions: list[str]
    spec: BuildSpec
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class BuildTrainingRead(ReadModel):
    """One finished training."""

    architecture: str
    seed: int
    accuracy: float | None  # percent, on the test images; null: it diverged
    seconds: float  # of training
    device: str
