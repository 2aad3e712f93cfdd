"""TrainingSpec: how supernets are trained. Importing it loads no torch."""

from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from nas.spec_part import SpecPart
from nas.training.recipe import AugmentationSpec
from nas.training.regularisers import AnyRegulariser
from nas.training.samplers import AnySampler
from nas.training.samplers.supernet_balanced import SupernetBalancedSampler

MAX_STEPS = 10_000_000


class TrainingSpec(SpecPart):
    """Supernet training: one optimizer step per global step, warm-up included."""

    steps: int = Field(ge=1, le=MAX_STEPS, description="Optimizer steps in all, warm-up included.")
    warm_up_steps: int = Field(
        0, ge=0, description="First steps, on one supernet that every sub-space then copies."
    )
    inherit_from: int | None = Field(
        None,
        ge=1,
        description="Number of a succeeded run on the same space, whose supernets' weights "
        "training starts with: each sub-space with its own where the partitions are the same, "
        "else all with the one supernet of that run or its warm-up; the first channels where it "
        "is wider. Momentum starts at zero. null: random weights.",
    )
    batch_size: int = Field(64, ge=2, le=4096, description="Images per step.")
    learning_rate: float = Field(
        0.1, gt=0, le=10, description="At step 0; from there a cosine to the final one."
    )
    final_learning_rate: float = Field(
        0.0, ge=0, le=10, description="That the cosine would reach one step after the last."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum.")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="Added to the gradient.")
    gradient_clip: float | None = Field(
        5.0, gt=0, description="Largest gradient norm of a step; null for none."
    )
    sampler: AnySampler = Field(
        default_factory=SupernetBalancedSampler, description="Which architecture a step trains."
    )
    regularisers: tuple[AnyRegulariser, ...] = Field(
        (), description="Terms that are added to the loss of every step, each kind at most once."
    )
    augmentation: AugmentationSpec = Field(default_factory=AugmentationSpec)
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Of the forward and backward passes of training; bfloat16 is faster on newer "
        "GPUs and less exact. Weights and scores are float32. Part of the result's conditions.",
    )
    threads: int = Field(
        1,
        ge=1,
        le=64,
        description="CPU threads per process of a unit; part of the result's conditions.",
    )
    processes: int = Field(
        1,
        ge=1,
        le=8,
        description="Processes of one host that train a unit together, each on its share of every "
        "batch (and, with GPUs, on one of its own). BatchNorm has the statistics of a share: part "
        "of the result's conditions.",
    )

    @field_validator("final_learning_rate")
    @classmethod
    def _learning_rate_does_not_rise(cls, final: float, info: ValidationInfo) -> float:
        first = info.data.get("learning_rate")
        if first is not None and final > first:
            raise ValueError(f"{final} is above learning_rate {first}, with which training begins")
        return final

    @field_validator("regularisers")
    @classmethod
    def _regularisers_differ(
        cls, regularisers: tuple[AnyRegulariser, ...]
    ) -> tuple[AnyRegulariser, ...]:
        kinds = [regulariser.kind for regulariser in regularisers]
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"each regulariser may be named once, got {kinds}")
        return regularisers

    @field_validator("processes")
    @classmethod
    def _processes_share_a_batch(cls, processes: int, info: ValidationInfo) -> int:
        batch_size = info.data.get("batch_size")
        if batch_size is None:  # refused itself
            return processes
        share, rest = divmod(batch_size, processes)
        if rest or share < 2:
            raise ValueError(
                f"batch_size {batch_size} cannot be shared by {processes} processes: each needs "
                f"the same number of images, at least two; the next size that can be is "
                f"{processes * max(share + 1, 2)}"
            )
        return processes

    @model_validator(mode="after")
    def _warm_up_leaves_steps(self) -> Self:
        if self.warm_up_steps >= self.steps:
            raise ValueError(
                f"warm_up_steps {self.warm_up_steps} must be below steps {self.steps}: "
                "the sub-spaces' own supernets need steps of their own"
            )
        return self
