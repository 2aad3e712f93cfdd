"""Trains some cells of `nas-bench-201` alone, in a small network: a second benchmark of our own.

Settings of scorers and of supernet training are chosen on this table and on `digits-mini`, so that
the published table of NAS-Bench-201 can judge what was not fitted to it. 100 random valid cells that
compute different things; the same cells in a network of width 8 with one cell per stage, on 6,400
images of CIFAR-10 at 16x16 pixels.

Writes `nas/benchmarks/nas-bench-201-small.json`: recipe, test accuracy per seed, noise ceiling. A
cell and seed trained before is read from `results/nas_bench_201_small/`, so the script can be stopped
and started. About fifty minutes per seed on one core.

    python benchmarks/nas_bench_201_small.py [--seed 0 ...] [--processes 2]

Needs the shared data: `../shared/data`, or the folder that EFSNAS_SHARED_DATA names.
"""

import argparse
from random import Random

import numpy as np
from first_experiment import dataset
from measuring.report import RESULTS
from measuring.stand_alone import SHIPPED, StandAloneTable

from nas.data.dataset import ImageDataset, ImageSplit
from nas.spaces import catalogue
from nas.spaces.base import Architecture, LiveForm, Space
from nas.spaces.shape import NetworkShape
from nas.training.recipe import AugmentationSpec, StandAloneRecipe

NAME = "nas-bench-201-small"
NUM_CELLS = 100
NUM_IMAGES = 6400
SEEDS = (0, 1)
RECIPE = StandAloneRecipe(
    epochs=20,
    batch_size=64,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    augmentation=AugmentationSpec(horizontal_flip=True, shift_pixels=2),
)
SHAPE = NetworkShape(width=8, cells_per_stage=1)


def main() -> None:
    """Train what is missing; with all seeds there, write the benchmark. Print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", nargs="+", type=int, default=list(SEEDS), choices=SEEDS)
    parser.add_argument("--processes", type=int, default=1, help="that train at the same time")
    arguments = parser.parse_args()
    table().make(arguments.seed, arguments.processes)


def table() -> StandAloneTable:
    """Return what the benchmark is made of."""
    space = catalogue()["nas-bench-201"]
    return StandAloneTable(
        name=NAME,
        space=space.resized(SHAPE),
        architectures=cells(space),
        dataset="cifar10-16",
        images=images,
        recipe=RECIPE,
        seeds=SEEDS,
        told={
            "network": "width 8, one cell per stage, 16x16 pixels",
            "images": f"{NUM_IMAGES} of the training images, drawn at random",
            "figure": "accuracy in percent on the 10,000 test images",
            "script": "benchmarks/nas_bench_201_small.py",
        },
        kept=RESULTS / "nas_bench_201_small",
        path=SHIPPED / f"{NAME}.json",
    )


def cells(space: Space) -> list[Architecture]:
    """Draw valid cells uniformly, each that computes something else than those before it."""
    rng = Random(0)
    found: dict[LiveForm, Architecture] = {}
    while len(found) < NUM_CELLS:
        cell = space.sample(rng)
        found.setdefault(space.live_form(cell), cell)
    return list(found.values())


def images() -> ImageDataset:
    """Return CIFAR-10 with few training images, of all classes."""
    whole = dataset()
    chosen = np.random.default_rng(0).permutation(len(whole.train))[:NUM_IMAGES]
    train = ImageSplit(whole.train.images[chosen], whole.train.labels[chosen])
    return ImageDataset(train, whole.validation, whole.test, whole.classes, whole.split_seed)


if __name__ == "__main__":
    main()
