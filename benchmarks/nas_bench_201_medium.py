"""Trains the first cells of `nas-bench-201-small` alone in deeper networks, on all images.

What a list of scorers is to foretell is how cells do in networks much larger than the supernets, and
trained for longer. The networks of this table are the nearest to those that a few hours of two cores
can train: six cells instead of three, and six epochs of all 49,000 training images of CIFAR-10 at
16x16 pixels, more than twice as many steps as in `nas-bench-201-small`.

Writes `nas/benchmarks/nas-bench-201-medium.json`: recipe and test accuracy of one seed, so there is
no noise ceiling. A cell trained before is read from `results/nas_bench_201_medium/`, so the script can
be stopped and started. About two hours on one core.

    python benchmarks/nas_bench_201_medium.py [--processes 2]

Needs the shared data: `../shared/data`, or the folder that EFSNAS_SHARED_DATA names.
"""

import argparse

import nas_bench_201_small as small
from first_experiment import dataset
from measuring.report import RESULTS
from measuring.stand_alone import SHIPPED, StandAloneTable

from nas.spaces import catalogue
from nas.spaces.shape import NetworkShape

NAME = "nas-bench-201-medium"
NUM_CELLS = 60
SEEDS = (0,)
RECIPE = small.RECIPE.model_copy(update={"epochs": 6})
SHAPE = NetworkShape(width=8, cells_per_stage=2)


def main() -> None:
    """Train what is missing; with all cells there, write the benchmark. Print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=1, help="that train at the same time")
    table().make(SEEDS, parser.parse_args().processes)


def table() -> StandAloneTable:
    """Return what the benchmark is made of."""
    space = catalogue()["nas-bench-201"]
    return StandAloneTable(
        name=NAME,
        space=space.resized(SHAPE),
        architectures=small.cells(space)[:NUM_CELLS],
        dataset="cifar10-16",
        images=dataset,
        recipe=RECIPE,
        seeds=SEEDS,
        told={
            "network": "width 8, two cells per stage, 16x16 pixels",
            "images": "all 49,000 training images",
            "figure": "accuracy in percent on the 10,000 test images",
            "script": "benchmarks/nas_bench_201_medium.py",
        },
        kept=RESULTS / "nas_bench_201_medium",
        path=SHIPPED / f"{NAME}.json",
    )


if __name__ == "__main__":
    main()
