"""Scores of many architectures by one supernet, or before training, kept so that none is made twice.

What is kept lies beside the checkout's other data and is not committed: figures are.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from measuring.arms import Arm
from measuring.execution import Scores, execute, score_before_training
from measuring.report import Row, keep, provenance
from nas.data.dataset import ImageDataset
from nas.spaces import catalogue
from nas.spaces.base import Architecture
from nas.spec import RunSpec

CACHE = Path(__file__).parents[2] / "var" / "benchmarks" / "scores"

LOSS: Row = {"kind": "loss"}


@dataclass(frozen=True, slots=True)
class Scored:
    """What scoring left behind.

    Attributes:
        scores: of every architecture that was asked for.
        cpu_minutes: processor time of training and scoring.
        updates: optimizer steps of each supernet; empty before training.
        origin: commit, machine and date.
    """

    scores: Scores
    cpu_minutes: float
    updates: Mapping[str, int]
    origin: Row


def trained_scores(
    spec: RunSpec,
    arm: Arm,
    images: Callable[[], ImageDataset],
    members: Sequence[Architecture],
    accuracies: Mapping[str, float] | None = None,
) -> Scored:
    """Train the supernets of a spec and score architectures with them.

    Args:
        spec: of the arm.
        arm: how it is trained.
        images: loads its dataset.
        members: what to score.
        accuracies: of a benchmark from which landmarks are taken.
    """

    def measure() -> Row:
        done = execute(
            spec,
            catalogue()[spec.space],
            images(),
            rank_by_warm_up=arm.rank_by_warm_up,
            accuracies=accuracies,
            architectures=members,
        )
        return {
            "scores": _json(done.scores),
            "cpu_minutes": done.cpu_minutes,
            "updates": dict(done.updates),
        }

    return _kept(spec, members, measure)


def untrained_scores(
    spec: RunSpec, images: Callable[[], ImageDataset], members: Sequence[Architecture]
) -> Scored:
    """Score architectures by the scorers of a spec, none of which reads a trained supernet."""

    def measure() -> Row:
        scores, cpu_minutes = score_before_training(
            spec, catalogue()[spec.space], images(), spec.ranking.measured_scorers, members
        )
        return {"scores": _json(scores), "cpu_minutes": cpu_minutes, "updates": {}}

    return _kept(spec, members, measure)


def _kept(spec: RunSpec, members: Sequence[Architecture], measure: Callable[[], Row]) -> Scored:
    space = catalogue()[spec.space]
    told = json.dumps([spec.model_dump(mode="json"), [space.encode(one) for one in members]])
    digest = hashlib.sha256(told.encode()).hexdigest()[:12]
    path = CACHE / f"{spec.space}-{spec.name}-seed{spec.seed}-{digest}.json"
    if not path.exists():
        origin = provenance()
        keep(path, {"origin": origin, **measure()})
    return _SCORED.validate_json(path.read_bytes())


def _json(scores: Scores) -> Row:
    return {kind: dict(found) for kind, found in scores.items()}


_SCORED = TypeAdapter(Scored)
