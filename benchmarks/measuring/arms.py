"""Recipes of supernet training that are compared with one another, on equal terms.

Every arm is a variant of an example's spec: the same images, learning rate, batches and total of
optimizer steps on one cosine, unless its name says otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from measuring.report import Row
from nas.spec import RunSpec

EXAMPLES = Path(__file__).parents[2] / "examples"

NUM_SUBSPACES = 3
WIDE = 16
NARROW = 5  # about 16 / 3, the width that EFS-NAS gives three sub-spaces
EXAMPLE_WIDTH = 8
# Of the running count over three search cells: those of EFS-NAS over fifteen, 15 and 20, a fifth.
BANK_THRESHOLDS = (3, 4)
NUM_LANDMARKS = 50


@dataclass(frozen=True, slots=True)
class Arm:
    """One recipe.

    Attributes:
        name: of files.
        title: for people.
        width: of every supernet.
        sampler: kind of the sampler.
        subspaces: how the space is split; `none` for one supernet.
        shared: share of the steps that all sub-spaces train one supernet, and then copy it; 1 for
            one supernet that is trained and scored as if it were theirs.
        banks: whether the sub-spaces are weight banks of one supernet.
        all_subspaces_per_step: a step trains one architecture of each.
        steps: total of steps, in units of those of the example.
        landmarks: whether the order of landmarks is part of the loss.
    """

    name: str
    title: str
    width: int = NARROW
    sampler: Literal["uniform", "supernet-balanced"] = "supernet-balanced"
    subspaces: Literal["none", "nonlinearity", "random"] = "nonlinearity"
    shared: float = 0.0
    banks: bool = False
    all_subspaces_per_step: bool = False
    steps: float = 1.0
    landmarks: bool = False

    @property
    def rank_by_warm_up(self) -> bool:
        """Whether the supernet that all sub-spaces shared is the one that scores."""
        return self.shared == 1

    def spec(
        self, example: str, seed: int, scorers: Sequence[Row], *, short: bool = False
    ) -> RunSpec:
        """Return the spec of a run, which ends with its ranking.

        Args:
            example: name of the example, without its suffix.
            seed: of the run.
            scorers: of the ranking.
            short: with hardly any training.
        """
        content: Row = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text())
        training, ranking, supernet, splitter = (
            _part(content, name) for name in ("training", "ranking", "supernet", "splitter")
        )
        steps = 20 if short else round(_int(training["steps"]) * self.steps)
        # A step has to follow a warm-up; where its supernet scores, it does so before that step.
        training |= {
            "steps": steps + (1 if self.rank_by_warm_up else 0),
            "warm_up_steps": round(steps * self.shared),
            "sampler": self._sampler(),
        }
        if self.landmarks:
            training["regularisers"] = [{"kind": "landmark"}]
            content["landmarks"] = {
                "kind": "benchmark",
                "choice": {"kind": "spread", "count": NUM_LANDMARKS},
            }
        supernet |= {"width": self.width}
        if self.banks:
            supernet |= {"routing": "accumulated", "shared_cells": 1}
            splitter |= {"thresholds": list(BANK_THRESHOLDS)}
        elif self.subspaces == "random":
            splitter = {"kind": "random", "num_subspaces": NUM_SUBSPACES}
        elif self.subspaces == "none":
            splitter = {"kind": "none"}
        # Live rounds change nothing that is trained; one, of next to nothing, is the least.
        ranking |= {"scorers": list(scorers), "every_steps": steps + 1, "live_architectures": 2}
        return RunSpec.model_validate(
            content
            | {
                "name": self.name,
                "seed": seed,
                "splitter": splitter,
                "supernet": supernet,
                "training": training,
                "ranking": ranking,
                "search": None,
                "retrain": None,
            }
        )

    def _sampler(self) -> Row:
        if self.all_subspaces_per_step:
            return {"kind": self.sampler, "architectures_per_step": "one-per-subspace"}
        return {"kind": self.sampler}


def _part(content: Row, name: str) -> Row:
    part = content[name]
    assert isinstance(part, dict)
    return dict(part)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


ONE_SHOT = Arm("one-shot", "one-shot", WIDE, "uniform", "none")
NARROW_ONE_SHOT = Arm("narrow-one-shot", "narrow one-shot", NARROW, "uniform", "none")
NARROW_BALANCED = Arm("narrow-balanced", "narrow one-shot, balanced", shared=1)
WARM_PRIVATE = Arm("warm-private", "K = 3, warm, private", shared=0.5)
ACCUMULATED = Arm("accumulated", "K = 3, accumulated banks", banks=True)
ALL_PER_STEP = Arm(
    "warm-private-all",
    "K = 3, warm, private, one of each per step",
    shared=0.5,
    all_subspaces_per_step=True,
)
ALL_PER_STEP_EQUAL_PASSES = Arm(
    "warm-private-all-equal-passes",
    "the same, at equal forward passes",
    shared=0.5,
    all_subspaces_per_step=True,
    steps=1 / NUM_SUBSPACES,
)
RANDOM_PARTITION = Arm(
    "random-partition", "K = 3, warm, private, random sub-spaces", subspaces="random", shared=0.5
)
BALANCED_LANDMARKS = Arm(
    "narrow-balanced-landmarks",
    "narrow one-shot, balanced, 50 landmarks in the loss",
    shared=1,
    landmarks=True,
)
PRIVATE_LANDMARKS = Arm(
    "warm-private-landmarks",
    "K = 3, warm, private, 50 landmarks in the loss",
    shared=0.5,
    landmarks=True,
)
ABLATION = (
    ONE_SHOT,
    NARROW_ONE_SHOT,
    NARROW_BALANCED,
    WARM_PRIVATE,
    ACCUMULATED,
    ALL_PER_STEP,
    ALL_PER_STEP_EQUAL_PASSES,
    RANDOM_PARTITION,
    BALANCED_LANDMARKS,
    PRIVATE_LANDMARKS,
)
