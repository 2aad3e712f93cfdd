"""The landmarks of a run as rows, and what its log says of them."""

import math
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.models import BenchmarkEntry, LandmarkRow, Run
from nas.events import StandAloneTrained
from nas.experiment import Experiment
from nas.landmarks.landmark import Landmarks
from nas.spaces.base import Space
from nas.spec import RunSpec
from worker.upsert import upsert


def store_chosen(
    session: Session, run_id: int, spec: RunSpec, landmarks: Landmarks, space: Space
) -> None:
    """Store which landmarks a run has, with what is known of them.

    Args:
        session: a writing transaction in which the attempt is verified.
        run_id: the run.
        spec: of the run; it has landmarks.
        landmarks: in the order in which they were chosen.
        space: that they belong to.
    """
    assert spec.landmarks is not None
    codes = [space.encode(landmark.architecture) for landmark in landmarks.chosen]
    seeds: dict[str, list[float] | None] = {}
    if spec.landmarks.reads_benchmark:
        run = session.get_one(Run, run_id)
        entries = select(BenchmarkEntry.architecture, BenchmarkEntry.seeds).where(
            BenchmarkEntry.benchmark_id == run.benchmark_id,
            BenchmarkEntry.architecture.in_(codes),
        )
        seeds = {code: values for code, values in session.execute(entries)}
    rows = [
        {
            "run_id": run_id,
            "architecture": code,
            "index": index,
            "subspace": landmark.subspace,
            "source": spec.landmarks.kind,
            "accuracy": landmark.accuracy,
            "seeds": seeds.get(code, []),
        }
        for index, (code, landmark) in enumerate(zip(codes, landmarks.chosen, strict=True))
    ]
    upsert(session, LandmarkRow, ("run_id", "architecture"), rows)


def store_trained(
    session: Session, run_id: int, spec: RunSpec, events: Sequence[StandAloneTrained]
) -> None:
    """Store the accuracies of finished trainings; the last of a landmark's makes its mean.

    Args:
        session: as above.
        run_id: the run.
        spec: of the run; it trains its landmarks.
        events: of trainings that are not stored yet, those of a landmark in their order.
    """
    assert spec.landmarks is not None
    for event in events:
        row = session.get_one(LandmarkRow, (run_id, event.architecture))
        known = row.seeds or []
        assert len(known) == event.seed
        row.seeds = [*known, event.accuracy]
        if len(row.seeds) == spec.landmarks.trainings:
            row.accuracy = math.fsum(row.seeds) / len(row.seeds)


def landmark_log(experiment: Experiment) -> list[tuple[str, str]]:
    """Return, as level and text, how many landmarks each sub-space has and which cannot be paired."""
    spec, landmarks = experiment.spec, experiment.landmarks
    if not landmarks.chosen:
        return []
    subspaces = experiment.partition.subspaces
    counts = landmarks.counts(len(subspaces))
    listed = ", ".join(
        f"{count} in {part.index} ({part.title})"
        for part, count in zip(subspaces, counts, strict=True)
    )
    log = [("info", f"Landmarks per sub-space: {listed}; none of them is ranked.")]
    needed = any(regulariser.needs_landmarks for regulariser in spec.training.regularisers)
    for part, count in zip(subspaces, counts, strict=True):
        if needed and count < 2 and not spec.supernet.has_banks:
            text = (
                f"Sub-space {part.index} ({part.title}) has {count} of the two landmarks that a "
                "pair needs: its private supernet is trained without the landmark term."
            )
            log.append(("warning", text))
    return log
