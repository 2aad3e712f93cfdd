"""The units of a build: so many that train, and one that makes the table when they are done.

stand-alone x N -> benchmark
"""

from math import ceil

from backend.models import Unit
from nas.benchmarks.build import BuildSpec
from nas.benchmarks.building import trainings
from nas.spaces.base import Space

TRAIN = "stand-alone"
STORE = "benchmark"

MOST_TRAINING_UNITS = 200
"""Slots share the work unit by unit; each unit costs some statements whenever one ends."""

LARGEST_UNIT = 10_000
"""Trainings, each of which is a parameter of a statement; only very large builds have more units."""


def units_of(spec: BuildSpec, space: Space) -> list[Unit]:
    """Return the units of a build, without their run.

    Raises:
        InfeasibleBuild: if there is nothing to be trained.
    """
    number = len(trainings(spec, space))
    size = _chunk_size(number)
    units = [
        Unit(
            key=f"{TRAIN}-{chunk}",
            kind=TRAIN,
            chunk=chunk,
            state="ready",
            total=min(size, number - start),
        )
        for chunk, start in enumerate(range(0, number, size))
    ]
    last = Unit(key=STORE, kind=STORE, depends_on=[unit.key for unit in units], total=1)
    return [*units, last]


def chunk_of(spec: BuildSpec, space: Space, chunk: int) -> tuple[tuple[str, int], ...]:
    """Return the trainings of one unit, each as architecture and seed."""
    listed = trainings(spec, space)
    size = _chunk_size(len(listed))
    return listed[chunk * size : (chunk + 1) * size]


def _chunk_size(number: int) -> int:
    return min(ceil(number / MOST_TRAINING_UNITS), LARGEST_UNIT)
