"""BuildSpec: every parameter of the making of a benchmark. Importing it loads no torch."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from nas.names import Name, Reference
from nas.plugin import refused_at
from nas.spaces.shape import NetworkShape
from nas.spec_part import SpecPart
from nas.supernets.spec import MAX_WIDTH
from nas.training.recipe import StandAloneRecipe

MOST_ARCHITECTURES = 100_000
"""Of one benchmark; a larger space must be sampled."""

MOST_LISTED = 10_000
"""One by one, in a specification that is shown whole."""

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Code = Annotated[str, Field(min_length=1, max_length=2048)]


class BuildSpec(SpecPart):
    """One benchmark to be made: architectures of a space, trained alone on a dataset."""

    name: Name = Field(description="Of the benchmark; one that is not taken.")
    space: Reference = Field(description="Search space, `name` or `name@version`.")
    dataset: Reference = Field(
        description="Dataset, `name` or `name@version`; accuracies are those on its test images."
    )
    recipe: StandAloneRecipe = Field(description="How each architecture is trained.")
    seeds: tuple[Seed, ...] = Field(
        (0, 1),
        min_length=1,
        max_length=100,
        description="One training of each architecture per seed, which decides its weights, its "
        "order of images and its augmentation. Two or more give a noise ceiling.",
    )
    sample: int | None = Field(
        None,
        ge=1,
        le=MOST_ARCHITECTURES,
        description="So many random valid architectures; null: all valid ones.",
    )
    sample_seed: Seed = Field(0, description="Of the random choice.")
    architectures: tuple[Code, ...] | None = Field(
        None,
        min_length=1,
        max_length=MOST_LISTED,
        description="These architectures, by their canonical strings, in place of a sample.",
    )
    width: int | None = Field(
        None,
        ge=1,
        le=MAX_WIDTH,
        description="Channels of the first stage, others in proportion; null: those of the space.",
    )
    cells_per_stage: int | None = Field(
        None, ge=1, le=64, description="Searched cells in a row; null: as many as the space has."
    )
    threads: int = Field(
        1, ge=1, le=64, description="CPU threads per training; part of the result's conditions."
    )

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"each seed may be named once, got {list(seeds)}")
        return seeds

    @field_validator("architectures")
    @classmethod
    def _architectures_differ(cls, codes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        known: set[str] = set()
        for code in codes or ():
            if code in known:
                raise ValueError(f"each architecture may be named once, and {code!r} is twice")
            known.add(code)
        return codes

    @model_validator(mode="after")
    def _listed_or_drawn(self) -> Self:
        if self.sample is not None and self.architectures is not None:
            raise refused_at(
                ("sample",),
                f"{self.sample} random architectures, or the {len(self.architectures)} that "
                "architectures lists: leave one of the two out",
            )
        return self

    def shape(self, *, image_channels: int, num_classes: int) -> NetworkShape:
        """Return the sizes of the networks.

        Args:
            image_channels: of the dataset.
            num_classes: likewise.
        """
        return NetworkShape(
            width=self.width,
            cells_per_stage=self.cells_per_stage,
            image_channels=image_channels,
            num_classes=num_classes,
        )

    @property
    def chosen(self) -> str:
        """Which architectures of the space the benchmark holds, for people."""
        if self.architectures is not None:
            return f"a list of {len(self.architectures)}"
        if self.sample is not None:
            return f"{self.sample} random valid ones, sample seed {self.sample_seed}"
        return "all valid ones"
