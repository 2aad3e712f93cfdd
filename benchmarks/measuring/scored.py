"""Orders of many architectures by one run's scorers, kept so that no supernet is trained twice.

What combines scorers, and what judges them, depends on the order of scores alone. So that is what is
kept, two bytes per score: small enough to be committed beside the figures.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from measuring.arms import Arm
from measuring.execution import Scores, execute, score_before_training
from measuring.report import RESULTS, Row, provenance
from nas.data.dataset import ImageDataset
from nas.ranking.combination import ScoreTable, combine, learn
from nas.ranking.scorers.base import CombinedScorer
from nas.spaces import catalogue
from nas.spaces.base import Architecture
from nas.spec import RunSpec

KEPT = RESULTS / "scored"

LOSS: Row = {"kind": "loss"}


@dataclass(frozen=True, slots=True)
class Scored:
    """What scoring left behind.

    Attributes:
        scores: per kind of scorer the place of each architecture in its order, 0 for the worst;
            equal scores have equal places.
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
    """Train the supernets of a spec and score architectures with them, unless that is kept.

    Args:
        spec: of the arm.
        arm: how it is trained.
        images: loads its dataset.
        members: what to score.
        accuracies: of a benchmark from which landmarks are taken.
    """

    def measure() -> Scored:
        origin = provenance()
        done = execute(
            spec,
            catalogue()[spec.space],
            images(),
            rank_by_warm_up=arm.rank_by_warm_up,
            accuracies=accuracies,
            architectures=members,
        )
        return Scored(done.scores, done.cpu_minutes, done.updates, origin)

    return _kept(spec, members, measure)


def untrained_scores(
    spec: RunSpec, images: Callable[[], ImageDataset], members: Sequence[Architecture]
) -> Scored:
    """Score architectures by the scorers of a spec, none of which reads a trained supernet."""

    def measure() -> Scored:
        origin = provenance()
        scores, cpu_minutes = score_before_training(
            spec, catalogue()[spec.space], images(), spec.ranking.measured_scorers, members
        )
        return Scored(scores, cpu_minutes, {}, origin)

    return _kept(spec, members, measure)


def combined_scores(
    spec: RunSpec,
    scorer: CombinedScorer,
    table: ScoreTable,
    codes: Sequence[str],
    landmarks: Mapping[str, float] | None = None,
) -> list[float]:
    """Return scores of a combined scorer, as a run of this spec gives them.

    Args:
        spec: of the run.
        scorer: what combines.
        table: scores of the reference sample, of `codes` and of the landmarks.
        codes: architectures to score.
        landmarks: accuracies in percent that it learns from, if it learns.
    """
    space = catalogue()[spec.space]
    ready = combine(spec.ranking, spec.partition(space), scorer, table)
    if landmarks is not None:
        ready = replace(ready, calibration=learn(ready, table, landmarks))
    return ready.scores(
        [space.decode(code) for code in codes],
        [[table[code][kind] for kind in ready.components] for code in codes],
    )


def _kept(spec: RunSpec, members: Sequence[Architecture], measure: Callable[[], Scored]) -> Scored:
    space = catalogue()[spec.space]
    codes = [space.encode(one) for one in members]
    # Without what is null: a field that the spec gains later leaves what is kept where it is.
    told = json.dumps([spec.model_dump(mode="json", exclude_none=True), codes])
    digest = hashlib.sha256(told.encode()).hexdigest()[:12]
    path = KEPT / f"{spec.space}-{spec.name}-seed{spec.seed}-{digest}.npz"
    if not path.exists():
        save(path, measure(), codes)
    return load(path, codes)


def save(path: Path, scored: Scored, codes: Sequence[str]) -> None:
    """Keep the order of some architectures, whole or not at all."""
    assert len(codes) <= np.iinfo(np.uint16).max
    orders: dict[str, Any] = {  # Any: else mypy takes them for the flag
        kind: np.unique([found[code] for code in codes], return_inverse=True)[1].astype(np.uint16)
        for kind, found in scored.scores.items()
    }
    told: Row = {
        "cpu_minutes": round(scored.cpu_minutes, 3),
        "updates": dict(scored.updates),
        "origin": scored.origin,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **orders, told=np.array(json.dumps(told)))
    partial.replace(path)


def load(path: Path, codes: Sequence[str]) -> Scored:
    """Read what `save` kept of the same architectures."""
    with np.load(path) as content:
        told = json.loads(str(content["told"]))
        scores = {
            kind: dict(zip(codes, content[kind].astype(float).tolist(), strict=True))
            for kind in content.files
            if kind != "told"
        }
    return _SCORED.validate_python({"scores": scores, **told})


_SCORED = TypeAdapter(Scored)
