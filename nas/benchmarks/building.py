"""The making of a benchmark: which networks are trained, their training, and the finished table.

Importing this module loads no torch; the unit that trains loads it when it starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from pydantic import JsonValue

from nas.benchmarks.build import MOST_ARCHITECTURES, BuildSpec
from nas.benchmarks.columns import Column
from nas.benchmarks.contents import Contents, Header, Row
from nas.data.dataset import ImageDataset
from nas.errors import InfeasibleBuild, TrainingDiverged, UnknownArchitecture
from nas.events import NetworkTrained, StandAloneProgressed
from nas.seeds import stream
from nas.spaces.base import Architecture, LiveForm, Space
from nas.spaces.distinct import draw_distinct
from nas.spaces.shape import NetworkShape

if TYPE_CHECKING:
    from nas.training.standalone import StandAloneTrainer

MOST_ENUMERATED = 1_000_000
"""Architectures, dead ones included, that are looked at one by one to find the valid ones."""


@dataclass(frozen=True, slots=True)
class SameNetwork:
    """Architectures that compute the same, of which one is trained.

    Attributes:
        architectures: those of the benchmark, by their canonical strings; the first is trained.
    """

    architectures: tuple[str, ...]

    @property
    def trained(self) -> str:
        """The canonical string of the one that is trained."""
        return self.architectures[0]


@dataclass(frozen=True, slots=True)
class Trained:
    """What is kept of one training; attributes as those of `nas.events.NetworkTrained`."""

    accuracy: float | None
    seconds: float


Trainings = Mapping[tuple[str, int], Trained]
"""By architecture and seed."""


@dataclass(frozen=True)
class Building:
    """A specification with the objects that its references name; keep one per process.

    Attributes:
        spec: the parameters.
        space: that `spec.space` names.
        dataset: the images that `spec.dataset` names.
        device: a torch device.
    """

    spec: BuildSpec
    space: Space
    dataset: ImageDataset
    device: str = "cpu"

    @property
    def shape(self) -> NetworkShape:
        """The sizes of the networks."""
        return self.spec.shape(
            image_channels=self.dataset.image_shape[0], num_classes=len(self.dataset.classes)
        )

    @cached_property
    def trainer(self) -> StandAloneTrainer:
        """What trains, the images on its device."""
        from nas.training.standalone import StandAloneTrainer

        spec = self.spec
        return StandAloneTrainer(self.space, self.dataset, spec.recipe, self.device, self.shape)


@lru_cache(maxsize=8)
def networks(spec: BuildSpec, space: Space) -> tuple[SameNetwork, ...]:
    """Return what is to be trained, in a fixed order: networks that differ in their live part.

    Raises:
        InfeasibleBuild: if the architectures cannot be had, naming the field and the remedy.
    """
    found: dict[LiveForm, list[str]] = {}
    for architecture in _chosen(spec, space):
        found.setdefault(space.live_form(architecture), []).append(space.encode(architecture))
    return tuple(SameNetwork(tuple(codes)) for codes in found.values())


def trainings(spec: BuildSpec, space: Space) -> tuple[tuple[str, int], ...]:
    """Return every training of a build as architecture and seed, all of one seed together.

    Raises:
        InfeasibleBuild: as `networks`.
    """
    codes = [network.trained for network in networks(spec, space)]
    return tuple((code, seed) for seed in spec.seeds for code in codes)


def training_unit(
    building: Building, missing: Sequence[tuple[str, int]]
) -> Iterator[StandAloneProgressed | NetworkTrained]:
    """Train architectures alone, one after the other, and tell their accuracy on test images.

    A training depends on its architecture and its seed alone. One that diverges is told as such,
    and the others go on.

    Args:
        building: what is built.
        missing: architectures, by their canonical strings, and seeds.
    """
    from nas.training.loop import prepare_arithmetic

    if not missing:
        return
    prepare_arithmetic(building.device, building.spec.threads)
    for code, seed in missing:
        yield from _one_training(building, code, seed)


def _one_training(
    building: Building, code: str, seed: int
) -> Iterator[StandAloneProgressed | NetworkTrained]:
    number, seconds, accuracy, reason = building.spec.seeds.index(seed), 0.0, None, ""
    architecture = building.space.decode(code)
    events = building.trainer.reported_accuracy(architecture, seed, number, "test")
    while True:
        try:
            event = next(events)
        except StopIteration as stopped:
            accuracy = stopped.value
            break
        except TrainingDiverged as error:
            reason = str(error)
            break
        parts = event.part_seconds
        seconds += parts.data + parts.forward + parts.backward + parts.optimizer
        yield event
    yield NetworkTrained(code, seed, accuracy, seconds, reason)


@dataclass(frozen=True)
class Table:
    """The finished results of a build as a table.

    Attributes:
        building: what was built.
        trained: every training of it.
        told: of the recipe, for people.
    """

    building: Building
    trained: Trainings
    told: Mapping[str, JsonValue] = field(default_factory=dict)

    def contents(self) -> Contents:
        """Return the table as a file would hold it, to be read once.

        Accuracies and training seconds are those of the network that was trained; what diverged is
        unknown.
        """
        spec, dataset = self.building.spec, self.building.spec.dataset.partition("@")[0]
        accuracy = Column("accuracy", dataset, unit="percent", seeds=spec.seeds)
        columns = (
            accuracy,
            Column("training-time", dataset, seeds=spec.seeds),
            Column("flops"),
            Column("parameters"),
        )
        header = Header(columns, truth=accuracy.name, space=spec.space, recipe=dict(self.told))
        return Contents(header, self._rows())

    @property
    def diverged(self) -> list[str]:
        """The trainings without an accuracy, for people."""
        return [
            f"{code}, seed {seed}"
            for (code, seed), one in self.trained.items()
            if one.accuracy is None
        ]

    def _rows(self) -> Iterator[Row]:
        building, spec = self.building, self.building.spec
        sized = building.space.resized(building.shape)
        number = 0
        for network in networks(spec, building.space):
            results = [self.trained[network.trained, seed] for seed in spec.seeds]
            accuracies = [one.accuracy for one in results]
            seconds = [one.seconds for one in results]
            for code in network.architectures:
                number += 1
                architecture = sized.decode(code)
                flops = float(sized.flops(architecture))
                parameters = float(sized.parameters(architecture))
                yield Row(f"entry {number}", code, [accuracies, seconds, flops, parameters])


def _chosen(spec: BuildSpec, space: Space) -> Sequence[Architecture]:
    if spec.architectures is not None:
        return [_listed(place, code, space) for place, code in enumerate(spec.architectures)]
    size = space.size
    if spec.sample is None:
        if size.valid > MOST_ARCHITECTURES or size.all > MOST_ENUMERATED:
            raise InfeasibleBuild(
                "sample",
                f"{space.name} has {size.valid:,} valid architectures, and a benchmark can hold "
                f"{MOST_ARCHITECTURES:,}: set sample to as many as are to be trained",
            )
        return [member for member in space.enumerate() if space.is_valid(member)]
    if spec.sample > size.valid:
        raise InfeasibleBuild(
            "sample",
            f"{spec.sample:,} architectures of {space.name}, which has {size.valid:,} valid ones: "
            "take at most as many, or leave sample out for all",
        )
    return draw_distinct(space, stream(spec.sample_seed, "benchmark sample"), spec.sample)


def _listed(place: int, code: str, space: Space) -> Architecture:
    try:
        architecture = space.decode(code)
    except UnknownArchitecture as error:
        raise InfeasibleBuild(f"architectures.{place}", str(error)) from error
    if not space.is_valid(architecture):
        raise InfeasibleBuild(
            f"architectures.{place}",
            f"{code} is dead: its output does not depend on its input, so there is nothing to "
            "train; leave it out",
        )
    return architecture
