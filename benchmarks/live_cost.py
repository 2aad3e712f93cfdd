"""What does live ranking cost? Its processor time as a share of training, with default settings.

Trains one shared supernet for two rounds of the default length and times the training steps and
the live scores apart. NAS-Bench-201 reads random images of CIFAR-10's shape at 16x16 pixels: time
does not depend on what is in them. Under a minute.

    python benchmarks/live_cost.py
"""

import time

import numpy as np
from measuring.report import print_figures, print_table

from nas.data.dataset import ImageDataset, ImageSplit
from nas.data.digits import digits
from nas.events import ArchitecturesScored
from nas.experiment import Experiment
from nas.pipeline import train_unit
from nas.spaces import catalogue
from nas.spec import RunSpec
from nas.training.state import fresh_state

LIMIT = 0.15


def main() -> None:
    """Time both spaces and print their shares."""
    rows, shares = [], {}
    for space, dataset in (("digits-mini", digits()), ("nas-bench-201", random_images())):
        training, scoring = measure(space, dataset)
        shares[space] = scoring / training
        rows.append([space, f"{training:.1f}", f"{scoring:.2f}", f"{shares[space]:.1%}"])
    print_table(["space", "training s", "live scores s", "share"], rows)
    print_figures(
        {
            "share_max": round(max(shares.values()), 4),
            "limit": LIMIT,
            **{f"share_{space}": round(share, 4) for space, share in shares.items()},
        }
    )


def measure(space_name: str, dataset: ImageDataset) -> tuple[float, float]:
    """Return the processor seconds of two rounds' training steps and of their live scores."""
    space = catalogue()[space_name]
    spec = RunSpec.model_validate(
        {"name": "live cost", "space": space_name, "dataset": "any", "training": {"steps": 4000}}
    )
    steps = 2 * spec.ranking.every_steps
    spec = spec.model_copy(
        update={"training": spec.training.model_copy(update={"warm_up_steps": steps})}
    )
    experiment = Experiment(spec, space, spec.partition(space), dataset)
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


def random_images() -> ImageDataset:
    """Return noise of the shape of the first experiment's images."""
    rng = np.random.default_rng(0)

    def split(number: int) -> ImageSplit:
        images = rng.integers(0, 256, (number, 3, 16, 16), dtype=np.uint8)
        return ImageSplit(images, rng.integers(0, 10, number))

    names = tuple(str(index) for index in range(10))
    return ImageDataset(split(5000), split(1000), split(100), names, split_seed=0)


if __name__ == "__main__":
    main()
