"""The landmarks of runs: whether they can be had, and which a run has."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.benchmarks.service import valid_values
from backend.errors import Unprocessable
from backend.models import BenchmarkColumn, Dataset, LandmarkRow, Run
from backend.references import pinned
from nas.errors import InfeasibleLandmarks, InfeasibleRanking
from nas.landmarks.choosing import choose_landmarks
from nas.landmarks.landmark import Landmark, Landmarks
from nas.partition.base import Partition
from nas.ranking.sample import ranking_sample
from nas.spec import RunSpec

FEWEST_IMAGES = 2
"""Of which a batch has statistics."""


def check(
    session: Session, spec: RunSpec, partition: Partition, truth: BenchmarkColumn | None
) -> None:
    """Refuse landmarks that a run could not have, or that leave it nothing to rank.

    Raises:
        Unprocessable: naming the field, and what would be possible instead.
    """
    try:
        found = choose(session, spec, partition, truth)
    except InfeasibleLandmarks as error:
        raise Unprocessable(f"landmarks.choice.{error.parameter}", error.reason) from error
    # The smallest sample that a run may ask for tells as much as the whole one.
    ranking = spec.ranking.model_copy(update={"num_architectures": 2})
    smallest = spec.model_copy(update={"ranking": ranking})
    known = None if truth is None or ranking.among is None else valid_values(session, truth.id)
    try:
        ranking_sample(smallest, partition.space, found, known)
    except InfeasibleLandmarks as error:
        raise Unprocessable(f"landmarks.{error.parameter}", error.reason) from error
    except InfeasibleRanking as error:
        raise Unprocessable(f"ranking.{error.parameter}", error.reason) from error


def check_images(spec: RunSpec, dataset: Dataset) -> None:
    """Refuse regularisers that read validation images where there are too few of them.

    Raises:
        Unprocessable: naming the field.
    """
    needed = FEWEST_IMAGES * spec.training.processes
    for place, regulariser in enumerate(spec.training.regularisers):
        if regulariser.images == "validation" and dataset.num_validation < needed:
            raise Unprocessable(
                f"training.regularisers.{place}.images",
                f"{pinned(dataset)} has {dataset.num_validation} validation images, and a step "
                f"of {spec.training.processes} processes needs {needed}: take train",
            )


def choose(
    session: Session, spec: RunSpec, partition: Partition, truth: BenchmarkColumn | None
) -> Landmarks:
    """Choose the landmarks of a spec; those that the run must train have no accuracy yet.

    Raises:
        InfeasibleLandmarks: if they cannot be chosen so.
    """
    if spec.landmarks is None:
        return choose_landmarks(spec, partition, None)
    known = None
    if spec.landmarks.reads_benchmark:
        assert truth is not None
        known = valid_values(session, truth.id)
    return choose_landmarks(spec, partition, known)


def landmarks_of(session: Session, run: Run, partition: Partition) -> Landmarks:
    """Return the landmarks of a run as they are known by now.

    Until its partition is stored they are those that its spec chooses.

    Args:
        session: a transaction.
        run: the run.
        partition: its sub-spaces.

    Raises:
        InfeasibleLandmarks: if they cannot be chosen.
    """
    decode = run.space.definition.decode
    chosen = tuple(
        Landmark(decode(row.architecture), row.subspace, row.accuracy)
        for row in landmark_rows(session, run.id)
    )
    return Landmarks(chosen) if chosen else choose(session, run.spec, partition, run.truth)


def known_accuracies(session: Session, run_id: int) -> dict[str, float]:
    """Return the stand-alone accuracy, in percent, of each landmark for which it is known by now.

    They are in the order in which they were chosen, under their canonical strings.
    """
    return {
        row.architecture: row.accuracy
        for row in landmark_rows(session, run_id)
        if row.accuracy is not None
    }


def landmark_rows(session: Session, run_id: int) -> list[LandmarkRow]:
    """Return what is stored of a run's landmarks, in the order in which they were chosen."""
    statement = select(LandmarkRow).where(LandmarkRow.run_id == run_id)
    return list(session.scalars(statement.order_by(LandmarkRow.index)))
