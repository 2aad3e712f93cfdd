"""On a device that is not the CPU everything lies on that device, told without a GPU.

Torch's device `meta` has shapes and no values, and refuses to mix them with tensors of the CPU as a
GPU does. What is read back from it is replaced by zeros.
"""

from random import Random
from typing import Any

import pytest
import torch

from nas.training.loop import train
from nas.training.state import TrainState, fresh_state, inherit, inherited_state
from nas.training.team import Team
from tests.nas.training.networks import NETWORKS, experiment_on

SEVERAL = {"kind": "supernet-balanced", "architectures_per_step": "one-per-subspace"}


@pytest.fixture(autouse=True)
def _zeros_are_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = torch.Tensor.tolist

    def tolist(tensor: torch.Tensor) -> Any:  # Any: as in torch
        return plain(torch.zeros(tensor.shape) if tensor.is_meta else tensor)

    monkeypatch.setattr(torch.Tensor, "tolist", tolist)


def devices_of(state: TrainState) -> set[str]:
    weights = [*state.supernet.state_dict().values(), *state.optimizer.momentum.values()]
    return {weight.device.type for weight in weights}


# Torch clips the gradients of a `meta` device in another way than those of a real one.
UNCLIPPED = {"gradient_clip": None}


@pytest.mark.parametrize(("space", "network"), NETWORKS)
def test_a_step_mixes_no_tensors_of_two_devices(space, network) -> None:
    experiment = experiment_on("meta", space, network, sampler=SEVERAL, **UNCLIPPED)
    state = fresh_state(experiment, None)
    assert [event.step for event in train(experiment, state, 2)][-1] == 2
    assert state.optimizer.momentum
    assert devices_of(state) == {"meta"}
    assert all(weight.grad is None or weight.grad.is_meta for weight in state.optimizer.weights)


@pytest.mark.parametrize(("space", "network"), NETWORKS)
def test_scoring_images_lie_on_the_device_and_pass_through_the_network(space, network) -> None:
    experiment = experiment_on("meta", space, network)
    supernet = fresh_state(experiment, None).supernet
    architecture = experiment.partition.sample(0, Random(0))
    images = experiment.scoring_images
    assert images.labels.is_meta
    with torch.no_grad():
        shapes = [supernet(batch, architecture).shape for batch in images.batches]
    assert shapes == [(10, 10), (10, 10)]


def test_halves_of_a_batch_lie_on_the_device() -> None:
    experiment = experiment_on("meta", "nas-bench-201", {}, **UNCLIPPED)
    state = fresh_state(experiment, None)
    list(train(experiment, state, 2, Team(micro_batches=2)))
    assert (state.updates, devices_of(state)) == (2, {"meta"})


@pytest.mark.parametrize("space", ["nas-bench-201", "mobilenet-proxyless-se"])
def test_narrower_heirs_of_a_warm_up_lie_on_the_device(space) -> None:
    narrow = {"supernet": {"width": [3, 2], "parent_width": 4}}
    experiment = experiment_on("meta", space, narrow, warm_up_steps=3, **UNCLIPPED)
    warm = fresh_state(experiment, None)
    list(train(experiment, warm, 3))
    for subspace in (0, 1):
        heir = inherited_state(experiment, warm, subspace)
        assert heir.optimizer.momentum
        list(train(experiment, heir, 5))
        assert devices_of(heir) == {"meta"}


def test_the_weights_of_another_run_are_put_on_the_device() -> None:
    source = experiment_on("cpu", "nas-bench-201", {})
    heir = experiment_on("meta", "nas-bench-201", {"supernet": {"width": 3}})
    state = fresh_state(heir, 1)
    inherit(state, source.supernets, 1, fresh_state(source, 1).to_bytes(), heir.device)
    assert devices_of(state) == {"meta"}
