"""A run on the digits that trains in a second."""

from collections.abc import Callable
from typing import Any

import pytest

from nas.data.digits import digits
from nas.experiment import Experiment
from nas.landmarks.landmark import NO_LANDMARKS, Landmarks
from nas.spaces import catalogue
from nas.spec import RunSpec

MakeExperiment = Callable[..., Experiment]


@pytest.fixture(scope="session")
def make_experiment() -> MakeExperiment:
    """Build an experiment; keywords change the training part of its spec, `supernet` that part.

    `landmarks` are those of the run.
    """
    space, dataset = catalogue()["digits-mini"], digits()

    def make(
        supernet: dict[str, Any] | None = None,
        landmarks: Landmarks = NO_LANDMARKS,
        **training: Any,
    ) -> Experiment:
        spec = RunSpec.model_validate(
            {
                "name": "tiny",
                "space": space.name,
                "dataset": "digits",
                "seed": 5,
                "landmarks": {"kind": "stand-alone"} if landmarks.chosen else None,
                "splitter": {"kind": "nonlinearity", "num_subspaces": 3},
                "supernet": supernet or {"width": 4},
                "training": {
                    "steps": 24,
                    "batch_size": 16,
                    "augmentation": {"shift_pixels": 1, "gaussian_noise": 0.3},
                    **training,
                },
                "ranking": {
                    "scorers": [{"kind": "loss"}, {"kind": "accuracy"}],
                    "num_architectures": 40,
                    "live_architectures": 12,
                    "every_steps": 8,
                    "num_images": 120,
                    "live_images": 60,
                    "batch_size": 50,
                },
                "search": {"kind": "evolution", "budget": 12},
            }
        )
        partition = spec.splitter.split(space)
        return Experiment(spec, space, partition, dataset, landmarks=landmarks)

    return make
