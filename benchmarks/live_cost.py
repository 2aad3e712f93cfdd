"""What does live ranking cost? Its processor time as a share of training, with default settings.

Trains one shared supernet for two rounds of the default length and times the training steps and
the live scores apart. NAS-Bench-201 reads random images of CIFAR-10's shape at 16x16 pixels: time
does not depend on what is in them. A space that was measured before is read from
`results/live_cost/`; delete its file to measure it again. Exits with 1 if a share is above the
limit. Under a minute.

    python benchmarks/live_cost.py
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np
from measuring.report import RESULTS, Row, keep, print_figures, print_table, provenance

from nas.data.dataset import ImageDataset, ImageSplit
from nas.data.digits import digits
from nas.events import ArchitecturesScored
from nas.experiment import Experiment
from nas.pipeline import train_unit
from nas.spaces import catalogue
from nas.spec import RunSpec
from nas.training.state import fresh_state

LIMIT = 0.15
KEPT = RESULTS / "live_cost"


def main() -> None:
    """Measure the spaces that are missing, print their shares, and fail above the limit."""
    for space, images in DATASETS.items():
        path = KEPT / f"{space}.json"
        if not path.exists():
            keep(path, measure(space, images()))
    rows = [json.loads((KEPT / f"{space}.json").read_text()) for space in DATASETS]
    show(rows)
    if any(row["share"] > LIMIT for row in rows):
        sys.exit(f"Live ranking costs more than {LIMIT:.0%} of training.")


def measure(space_name: str, dataset: ImageDataset) -> Row:
    """Time two rounds on one space and return its row."""
    origin = provenance()
    space = catalogue()[space_name]
    spec = RunSpec.model_validate(
        {"name": "live cost", "space": space_name, "dataset": "any", "training": {"steps": 4000}}
    )
    steps = 2 * spec.ranking.every_steps
    spec = spec.model_copy(
        update={"training": spec.training.model_copy(update={"warm_up_steps": steps})}
    )
    experiment = Experiment(spec, space, spec.partition(space), dataset)
    training, scoring = seconds_of(experiment)
    return {
        "space": space_name,
        "seed": spec.seed,
        **origin,
        "steps": steps,
        "training_seconds": round(training, 3),
        "live_scores_seconds": round(scoring, 3),
        "share": round(scoring / training, 4),
        "spec": spec.model_dump(mode="json"),
    }


def seconds_of(experiment: Experiment) -> tuple[float, float]:
    """Return the processor seconds of the warm-up's training steps and of its live scores."""
    training = scoring = 0.0
    began = time.process_time()
    for event in train_unit(experiment, fresh_state(experiment, None)):
        seconds = time.process_time() - began
        if isinstance(event, ArchitecturesScored):
            scoring += seconds
        else:
            training += seconds
        began = time.process_time()
    return training, scoring


def show(rows: list[Row]) -> None:
    """Print one line per space, then the largest share beside the limit."""
    shares = {str(row["space"]): float(str(row["share"])) for row in rows}
    print_table(
        ["space", "training s", "live scores s", "share"],
        [
            [
                str(row["space"]),
                f"{row['training_seconds']:.1f}",
                f"{row['live_scores_seconds']:.2f}",
                f"{row['share']:.1%}",
            ]
            for row in rows
        ],
    )
    print_figures(
        {
            "share_max": max(shares.values()),
            "limit": LIMIT,
            **{f"share_{space}": share for space, share in shares.items()},
        }
    )


def random_images() -> ImageDataset:
    """Return noise of the shape of the first experiment's images."""
    rng = np.random.default_rng(0)

    def split(number: int) -> ImageSplit:
        images = rng.integers(0, 256, (number, 3, 16, 16), dtype=np.uint8)
        return ImageSplit(images, rng.integers(0, 10, number))

    names = tuple(str(index) for index in range(10))
    return ImageDataset(split(5000), split(1000), split(100), names, split_seed=0)


DATASETS: dict[str, Callable[[], ImageDataset]] = {
    "digits-mini": digits,
    "nas-bench-201": random_images,
}
"""Space to the images that its supernet is timed on."""


if __name__ == "__main__":
    main()
