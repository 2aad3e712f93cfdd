"""Trains every cell of `digits-mini` alone, with several seeds: the benchmark of the demo.

Writes `nas/benchmarks/digits-mini.json`: recipe, test accuracy per seed, noise ceiling. A cell and
seed trained before is read from `var/benchmarks/`, so the script can be stopped and started.
About one minute per seed on one core.

    python benchmarks/digits_mini.py [--seed 0 1 ...] [--processes 2]
"""

import argparse
from pathlib import Path

from measuring.stand_alone import SHIPPED, StandAloneTable

from nas.data.digits import digits
from nas.spaces import catalogue
from nas.training.recipe import AugmentationSpec, StandAloneRecipe

NAME = "digits-mini"
SEEDS = tuple(range(10))
# Noise on the training images and few epochs keep the cells apart: without them most reach 97 %,
# and their order is that of the seeds.
RECIPE = StandAloneRecipe(
    epochs=12,
    batch_size=64,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    augmentation=AugmentationSpec(gaussian_noise=0.5),
)


def main() -> None:
    """Train what is missing; with all seeds there, write the benchmark. Print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", nargs="+", type=int, default=list(SEEDS), choices=SEEDS)
    parser.add_argument("--processes", type=int, default=1, help="that train at the same time")
    arguments = parser.parse_args()
    table().make(arguments.seed, arguments.processes)


def table() -> StandAloneTable:
    """Return what the benchmark is made of."""
    space = catalogue()[NAME]
    return StandAloneTable(
        name=NAME,
        space=space,
        architectures=list(space.enumerate()),
        dataset="digits",
        images=digits,
        recipe=RECIPE,
        seeds=SEEDS,
        told={
            "figure": "accuracy in percent on the 400 test images, without noise",
            "script": "benchmarks/digits_mini.py",
        },
        kept=Path(__file__).parent.parent / "var" / "benchmarks",
        path=SHIPPED / f"{NAME}.json",
    )


if __name__ == "__main__":
    main()
