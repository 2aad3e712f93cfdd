"""Every kind of network, on random colour images, for what must hold on whatever device."""

from typing import Any

import numpy as np
import pytest

from nas.data.dataset import ImageDataset, ImageSplit
from nas.experiment import Experiment
from nas.spaces import catalogue
from nas.spec import RunSpec

SIDE = 32

BANKS = {
    "splitter": {"kind": "nonlinearity", "num_subspaces": 3, "thresholds": [2, 4]},
    "supernet": {"routing": "accumulated", "cells_per_stage": 3, "shared_cells": 1},
}

NETWORKS = [
    pytest.param("digits-mini", {}, id="one stage"),
    pytest.param("nas-bench-201", {}, id="pooled reductions"),
    pytest.param("nas-bench-201", {"supernet": {"reduction": "residual"}}, id="residual"),
    pytest.param("darts-cell", {}, id="two inputs"),
    pytest.param("mobilenet-proxyless-se", {}, id="chain"),
    pytest.param("digits-mini", BANKS, id="weight banks"),
]
"""Names of spaces, and what a spec says of their supernets."""


def colour_images() -> ImageDataset:
    """Return a few images of ten classes."""
    rng = np.random.default_rng(0)

    def split(number: int) -> ImageSplit:
        images = rng.integers(0, 256, (number, 3, SIDE, SIDE), dtype=np.uint8)
        return ImageSplit(images, np.arange(number, dtype=np.int64) % 10)

    return ImageDataset(split(64), split(20), split(20), tuple("abcdefghij"), split_seed=0)


def document(space: str, network: dict[str, Any], **training: Any) -> dict[str, Any]:
    """Return the spec of a short run with two sub-spaces or more."""
    changes = {"width": 4, **network.get("supernet", {})}
    return {
        "name": "short",
        "space": space,
        "dataset": "colour",
        "splitter": network.get("splitter", {"kind": "nonlinearity", "num_subspaces": 2}),
        "supernet": changes,
        "training": {
            "steps": 6,
            "batch_size": 8,
            "learning_rate": 0.05,
            "augmentation": {"horizontal_flip": True, "shift_pixels": 2, "gaussian_noise": 0.1},
            **training,
        },
        "ranking": {
            "scorers": [{"kind": "loss"}, {"kind": "accuracy"}],
            "num_architectures": 6,
            "live_architectures": 4,
            "every_steps": 3,
            "num_images": 20,
            "live_images": 10,
            "batch_size": 10,
        },
        "search": {"kind": "random", "budget": 3},
    }


def experiment_on(device: str, space: str, network: dict[str, Any], **training: Any) -> Experiment:
    """Return that run on a device, with images of its own."""
    spec = RunSpec.model_validate(document(space, network, **training))
    found = catalogue()[space]
    return Experiment(spec, found, spec.partition(found), colour_images(), device=device)
