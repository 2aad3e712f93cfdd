"""Supernets that learn the order of some architectures whose stand-alone accuracy is known."""

import math
from collections.abc import Sequence
from itertools import combinations
from random import Random
from typing import ClassVar, Literal, Self, final

from pydantic import Field, model_validator

from nas.landmarks.landmark import Landmark
from nas.plugin import refused_at
from nas.spaces.base import Architecture
from nas.training.regularisers.base import Images, RegularisedStep, Regulariser

Pair = tuple[Landmark, Landmark]
"""A worse landmark and a better one."""


@final
class LandmarkRegulariser(Regulariser):
    """Penalise landmarks that lose less than better ones do.

    Of a pair of landmarks, a worse i and a better j, the term is `c * max(0, L_j - L_i)`, with L
    the loss of the supernet on one batch and c a coefficient that rises during training. It is
    summed over the pairs of the step. The pairs span sub-spaces in a common warm-up and with weight
    banks, and lie inside one sub-space in the training of its private supernet, where fewer than
    two landmarks mean that there is no term. Landmarks of equal accuracy have no order: a step
    that draws such a pair has no term from it.

    Source: Yu et al., CVPR 2021 (arXiv 2104.05309), and their code, whose choices are the
    defaults. Differences: the coefficient follows the steps instead of the epochs; where the order
    is right, the weights of the pair are not touched at all, while there a gradient of zeros lets
    weight decay and momentum move them. Pairs inside the sub-spaces of a few-shot run are ours.
    """

    kind: Literal["landmark"] = "landmark"
    needs_landmarks: ClassVar[bool] = True

    weight: float = Field(
        10.0, ge=0, le=10_000, description="λ, which the coefficient rises towards."
    )
    starts_at: float = Field(
        0.375,
        ge=0,
        lt=1,
        description="Share of all global steps before which there is no term: 150 of 400 epochs in "
        "the authors' runs.",
    )
    schedule: Literal["cosine-increase", "whole-cosine-increase", "constant"] = Field(
        "cosine-increase",
        description="Of the coefficient from then on. cosine-increase: along a cosine as long as "
        "all steps together, as in the authors' code, so that it ends early (at 69 % of λ with "
        "the other defaults). whole-cosine-increase: along one that ends at λ with the last step. "
        "constant: λ.",
    )
    pairs: Literal["authors", "uniform-pairs", "all"] = Field(
        "authors",
        description="authors: the worse one uniformly, then one of those better than it, which "
        "favours pairs of good ones. uniform-pairs: each pair alike. all: every pair in every "
        "step.",
    )
    pairs_per_step: int = Field(1, ge=1, le=1000, description="That are drawn, unless all are.")
    penalty: Literal["hinge", "softplus"] = Field(
        "hinge",
        description="Of the difference d = L_j - L_i. hinge: max(0, d + margin). softplus: "
        "ln(1 + exp(sharpness d)) / sharpness, which with sharpness 1 is -ln(1 - sigmoid(d)).",
    )
    margin: float = Field(0.0, ge=0, le=100, description="In nats; of a hinge only.")
    sharpness: float = Field(1.0, gt=0, le=1000, description="Per nat; of softplus only.")
    images: Images = Field(
        "validation",
        description="validation: a batch of validation images of their own, of the size of the "
        "training batch; supernets are then trained, by the term alone, on images that also give "
        "the scores. train: the images of the step.",
    )

    @model_validator(mode="after")
    def _only_a_hinge_has_a_margin(self) -> Self:
        if self.margin and self.penalty != "hinge":
            raise refused_at(
                ("margin",), f"margin {self.margin} is of a hinge; the penalty is {self.penalty}"
            )
        return self

    def first_step(self, num_steps: int) -> int:
        """Return the global step from which on there is a term."""
        return min(round(self.starts_at * num_steps), num_steps - 1)

    def coefficient(self, step: int, num_steps: int) -> float:
        """Return what the penalties of a global step are multiplied by, 0 before the first step."""
        first = self.first_step(num_steps)
        if step < first:
            return 0.0
        if self.schedule == "constant":
            return self.weight
        length = num_steps if self.schedule == "cosine-increase" else num_steps - first
        return self.weight * 0.5 * (1 + math.cos(math.pi * ((step - first + 1) / length + 1)))

    def draw(self, landmarks: Sequence[Landmark], rng: Random) -> tuple[Pair, ...]:
        """Return the pairs of one step that have an order.

        Args:
            landmarks: the worst first.
            rng: of the step.
        """
        if len(landmarks) < 2 or not _is_ordered((landmarks[0], landmarks[-1])):
            return ()
        if self.pairs == "all":
            return tuple(pair for pair in combinations(landmarks, 2) if _is_ordered(pair))
        if self.pairs == "uniform-pairs":
            return tuple(_any_pair(landmarks, rng) for _ in range(self.pairs_per_step))
        drawn = [_authors_pair(landmarks, rng) for _ in range(self.pairs_per_step)]
        return tuple(pair for pair in drawn if _is_ordered(pair))

    def penalised(self, difference: float) -> tuple[float, float]:
        """Return the penalty of `L_j - L_i`, and its slope there."""
        if self.penalty == "hinge":
            value = difference + self.margin
            return (value, 1.0) if value > 0 else (0.0, 0.0)
        scaled = self.sharpness * difference
        # Written so that no exponential overflows.
        value = max(scaled, 0.0) + math.log1p(math.exp(-abs(scaled)))
        rising = 1 / (1 + math.exp(-abs(scaled)))
        return value / self.sharpness, rising if scaled >= 0 else 1 - rising

    def apply(self, at: RegularisedStep) -> float:
        coefficient = self.coefficient(at.step, at.num_steps)
        pairs = self.draw(at.landmarks, at.rng) if coefficient else ()
        if not pairs:
            return 0.0
        of_batch = at.losses(self.images)
        members = dict.fromkeys(one.architecture for pair in pairs for one in pair)
        losses = {architecture: of_batch.loss(architecture) for architecture in members}
        factors: dict[Architecture, float] = dict.fromkeys(members, 0.0)
        term = 0.0
        for worse, better in pairs:
            difference = losses[better.architecture] - losses[worse.architecture]
            value, slope = self.penalised(difference)
            term += coefficient * value
            factors[better.architecture] += coefficient * slope
            factors[worse.architecture] -= coefficient * slope
        for architecture, factor in factors.items():
            if factor:
                of_batch.add_gradient(architecture, factor)
        return term


def _authors_pair(landmarks: Sequence[Landmark], rng: Random) -> Pair:
    worse = rng.randrange(len(landmarks) - 1)
    return landmarks[worse], landmarks[rng.randrange(worse + 1, len(landmarks))]


def _any_pair(landmarks: Sequence[Landmark], rng: Random) -> Pair:
    """Draw uniformly from the pairs that have an order; the first and the last are one."""
    while True:
        worse, better = sorted(rng.sample(range(len(landmarks)), 2))
        pair = landmarks[worse], landmarks[better]
        if _is_ordered(pair):
            return pair


def _is_ordered(pair: Pair) -> bool:
    worse, better = pair
    return worse.accuracy != better.accuracy
