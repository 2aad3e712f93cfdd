"""Whether a spec can be executed: everything a worker would trip on is refused beforehand."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from sqlalchemy.orm import Session

from backend.benchmarks.service import find_truth
from backend.columns import INTEGER_MAX
from backend.errors import Unprocessable
from backend.models import Benchmark, BenchmarkColumn, Dataset, Run, SearchSpace
from backend.references import WORDS, Versioned, find, names, pinned
from backend.runs import inheritance, landmarks, latencies
from nas.errors import InfeasiblePartition, InfeasibleSampling, InfeasibleSupernet
from nas.latency.sources.table import TableLatency
from nas.partition.base import Partition, Splitter
from nas.partition.routing import Routing
from nas.search.base import Searcher
from nas.spaces.base import Space
from nas.spec import RunSpec
from nas.training.recipe import AugmentationSpec
from nas.training.retrain_spec import Retraining
from nas.training.spec import TrainingSpec

AnyRetraining = TypeVar("AnyRetraining", bound=Retraining)

FEWEST_IMAGES = 2
"""Of which a batch has statistics."""

MAX_LIVE_ROUNDS = 2000
"""More would fill the tables and the figures of a run with what nobody can look at."""


@dataclass(frozen=True, slots=True)
class References:
    """What a spec's names and numbers stand for.

    Attributes:
        truth: the column of the benchmark that scores are compared with.
        searcher: the spec's own, settled.
        source: the run whose weights are inherited, locked.
    """

    space: SearchSpace
    dataset: Dataset
    benchmark: Benchmark | None
    truth: BenchmarkColumn | None
    searcher: Searcher | None
    source: Run | None


def check_spec(session: Session, spec: RunSpec, artifact_folder: Path | None = None) -> References:
    """Resolve the spec's names and refuse what cannot work.

    Args:
        session: a writing transaction.
        spec: of a new run.
        artifact_folder: where checkpoints are, to look for those that are inherited; None: the
            database's word for them is taken.

    Raises:
        Unprocessable: naming the field, and what would be possible instead.
    """
    space = resolve(session, SearchSpace, "space", spec.space)
    dataset = resolve(session, Dataset, "dataset", spec.dataset)
    benchmark = truth = None
    if spec.benchmark is not None:
        benchmark = _benchmark(session, "benchmark", spec.benchmark, space)
        truth = find_truth(benchmark, spec.benchmark_column)
        _check_classes(session, dataset, truth)
    _check_batch(spec, dataset)
    check_shift(spec.training.augmentation, "training.augmentation", dataset)
    _check_rounds(spec)
    shape = spec.supernet.shape(image_channels=dataset.channels, num_classes=len(dataset.classes))
    try:
        space.definition.resized(shape)
        partition = spec.partition(space.definition)
        supernets = spec.supernet.supernets(partition, shape)
        spec.training.sampler.check(partition)
    except InfeasibleSupernet as error:
        raise Unprocessable(f"supernet.{error.parameter}", error.reason) from error
    except InfeasiblePartition as error:
        raise Unprocessable(f"splitter.{error.parameter}", error.reason) from error
    except InfeasibleSampling as error:
        raise Unprocessable(f"training.sampler.{error.parameter}", error.reason) from error
    check_image_size(space, dataset)
    landmarks.check(session, spec, partition, truth)
    landmarks.check_images(spec, dataset)
    searcher = None
    if spec.search is not None:
        searcher = _settled(session, spec.search, space, benchmark)
        latencies.check(session, searcher, space.definition)
    if spec.retrain is not None:
        check_retraining(resolved(spec.retrain, dataset), "retrain.", space, dataset)
    source = inheritance.check(session, spec, supernets, artifact_folder)
    return References(
        space=space,
        dataset=dataset,
        benchmark=benchmark,
        truth=truth,
        searcher=searcher,
        source=source,
    )


def resolved(plan: AnyRetraining, dataset: Dataset) -> AnyRetraining:
    """Return a plan of retraining with the recipe for the dataset's images, if it names none."""
    return plan.resolved(max(dataset.height, dataset.width), dataset.num_train)


def check_retraining(plan: Retraining, prefix: str, space: SearchSpace, dataset: Dataset) -> None:
    """Refuse networks that cannot be built, and recipes that cannot be followed.

    Args:
        plan: with a recipe.
        prefix: of its fields, in what the request holds.
        space: of the architectures.
        dataset: with the images.

    Raises:
        Unprocessable: naming the field, and what would be possible instead.
    """
    assert plan.recipe is not None
    shape = plan.shape(image_channels=dataset.channels, num_classes=len(dataset.classes))
    try:
        space.definition.resized(shape)
    except InfeasibleSupernet as error:
        raise Unprocessable(f"{prefix}{error.parameter}", error.reason) from error
    check_shift(plan.recipe.augmentation, f"{prefix}recipe.augmentation", dataset)
    if dataset.num_train < FEWEST_IMAGES:
        raise Unprocessable(
            "dataset",
            f"{pinned(dataset)} has {dataset.num_train} training images, and a step of retraining "
            f"needs {FEWEST_IMAGES}",
        )
    steps = plan.recipe.epochs * plan.recipe.steps_per_epoch(dataset.num_train)
    if steps > INTEGER_MAX:
        raise Unprocessable(
            f"{prefix}recipe.epochs",
            f"{plan.recipe.epochs:,} make {steps:,} steps, and {INTEGER_MAX:,} are the most: take "
            "fewer, or larger batches",
        )


def split(splitter: Splitter, space: Space, routing: Routing) -> Partition:
    """Return the partition that `splitter` makes of `space`.

    Raises:
        Unprocessable: naming the field, of the splitter or of the routing, and what is feasible.
    """
    try:
        return routing.partition(splitter, space)
    except (InfeasiblePartition, InfeasibleSupernet) as error:
        raise Unprocessable(error.parameter, error.reason) from error


def resolve(session: Session, table: type[Versioned], field: str, reference: str) -> Versioned:
    """Return the version that a field of a request names.

    Raises:
        Unprocessable: if there is none, with the names that there are.
    """
    found = find(session, table, reference)
    if found is None:
        known = ", ".join(names(session, table)) or "none yet"
        raise Unprocessable(field, f"there is no {WORDS[table]} {reference!r}; known: {known}")
    return found


def _benchmark(session: Session, field: str, reference: str, space: SearchSpace) -> Benchmark:
    benchmark = resolve(session, Benchmark, field, reference)
    if benchmark.space_id != space.id:
        raise Unprocessable(
            field,
            f"{pinned(benchmark)} holds architectures of {pinned(benchmark.space)}, "
            f"not of {pinned(space)}",
        )
    return benchmark


def _settled(
    session: Session, searcher: Searcher, space: SearchSpace, benchmark: Benchmark | None
) -> Searcher:
    source = searcher.latency_source
    if isinstance(source, TableLatency) and source.benchmark is not None:
        field = f"{latencies.FIELD}.benchmark"
        benchmark = _benchmark(session, field, source.benchmark, space)
    return latencies.settled(searcher, benchmark)


def _check_batch(spec: RunSpec, dataset: Dataset) -> None:
    if spec.training.batch_size > dataset.num_train:
        raise Unprocessable(
            "training.batch_size",
            f"{spec.training.batch_size} images per step, but {pinned(dataset)} has only "
            f"{dataset.num_train} training images",
        )


def check_shift(augmentation: AugmentationSpec, field: str, dataset: Dataset) -> None:
    """Refuse shifts that leave nothing of an image.

    Args:
        augmentation: of the training images.
        field: of the spec that holds it, as a dotted path.
        dataset: with the images.

    Raises:
        Unprocessable: naming the field, and what is feasible.
    """
    shift, side = augmentation.shift_pixels, min(dataset.height, dataset.width)
    if shift >= side:
        raise Unprocessable(
            f"{field}.shift_pixels",
            f"{shift} pixels move the whole image out of sight: {_images(dataset)}; the largest "
            f"feasible value is {side - 1}",
        )


def check_image_size(space: SearchSpace, dataset: Dataset) -> None:
    """Refuse images of which the networks of a space would leave nothing to halve.

    Raises:
        Unprocessable: naming the dataset, and the size that is needed.
    """
    needed = space.definition.smallest_side
    if min(dataset.height, dataset.width) < needed:
        raise Unprocessable(
            "dataset",
            f"{_images(dataset)}, and {pinned(space)} halves them "
            f"{space.definition.num_halvings} times, so that nothing is left to halve; it needs "
            f"{needed}x{needed} or more: import the images in that size, or take another space",
        )


def _check_classes(session: Session, dataset: Dataset, truth: BenchmarkColumn) -> None:
    """Refuse accuracies measured on another number of classes, where the benchmark tells on what."""
    name = truth.dataset
    measured = None if name is None else find(session, Dataset, name)
    if measured is not None and len(measured.classes) != len(dataset.classes):
        raise Unprocessable(
            "benchmark",
            f"{truth.name} of {pinned(truth.benchmark)} was measured on the {len(measured.classes)} classes of "
            f"{name}, and {pinned(dataset)} has {len(dataset.classes)}: take a benchmark of "
            "this dataset, or none",
        )


def _images(dataset: Dataset) -> str:
    return f"the images of {pinned(dataset)} have {dataset.width}x{dataset.height} pixels"


def _check_rounds(spec: RunSpec) -> None:
    training, every_steps = spec.training, spec.ranking.every_steps
    rounds = num_live_rounds(training, every_steps)
    if rounds > MAX_LIVE_ROUNDS:
        smallest = next(
            steps
            for steps in count(training.steps // MAX_LIVE_ROUNDS)
            if steps and num_live_rounds(training, steps) <= MAX_LIVE_ROUNDS
        )
        raise Unprocessable(
            "ranking.every_steps",
            f"{every_steps} makes {rounds:,} rounds of live ranking out of {training.steps:,} "
            f"steps, and {MAX_LIVE_ROUNDS:,} are the most; the smallest feasible value is "
            f"{smallest}",
        )


def num_live_rounds(training: TrainingSpec, every_steps: int) -> int:
    """Return how many boundaries `nas.spec.round_boundaries` would list, without listing them."""
    between = (training.steps - 1) // every_steps
    warm_up_adds_one = training.warm_up_steps % every_steps != 0
    return between + 1 + warm_up_adds_one
