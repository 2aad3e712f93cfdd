"""Trains the cells of `nas-bench-201-small` alone in networks as deep as those of NAS-Bench-201.

What a list of scorers is to foretell is how cells do in a network of fifteen of them, not in the one
of three that the supernets have. So these have five cells per stage, only half as wide as the
published ones, and train for fewer epochs on the same 6,400 images of CIFAR-10 at 16x16 pixels.

Writes `nas/benchmarks/nas-bench-201-narrow.json`: recipe, test accuracy per seed, noise ceiling. A
cell and seed trained before is read from `results/nas_bench_201_narrow/`, so the script can be stopped
and started; give disjoint seeds to train some in parallel. About eighty minutes per seed on one core.

    python benchmarks/nas_bench_201_narrow.py [--seed 0 ...]

Needs the shared data: `../shared/data`, or the folder that EFSNAS_SHARED_DATA names.
"""

import argparse

import nas_bench_201_small as small
import torch
from measuring.report import RESULTS
from measuring.stand_alone import SHIPPED, StandAloneTable

from nas.spaces import catalogue
from nas.spaces.shape import NetworkShape

NAME = "nas-bench-201-narrow"
SEEDS = (0, 1)
RECIPE = small.RECIPE.model_copy(update={"epochs": 16})
SHAPE = NetworkShape(width=8, cells_per_stage=5)


def main() -> None:
    """Train what is missing; with all seeds there, write the benchmark. Print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", nargs="+", type=int, default=list(SEEDS), choices=SEEDS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table().make(arguments.seed)


def table() -> StandAloneTable:
    """Return what the benchmark is made of."""
    space = catalogue()["nas-bench-201"]
    return StandAloneTable(
        name=NAME,
        space=space.resized(SHAPE),
        architectures=small.cells(space),
        dataset="cifar10-16",
        images=small.images,
        recipe=RECIPE,
        seeds=SEEDS,
        told={
            "network": "width 8, five cells per stage, 16x16 pixels",
            "images": f"{small.NUM_IMAGES} of the training images, drawn at random",
            "figure": "accuracy in percent on the 10,000 test images",
            "script": "benchmarks/nas_bench_201_narrow.py",
        },
        kept=RESULTS / "nas_bench_201_narrow",
        path=SHIPPED / f"{NAME}.json",
    )


if __name__ == "__main__":
    main()
