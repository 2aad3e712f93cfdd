"""Training and scoring on a GPU: near the CPU's numbers, exact under interruption.

Skipped without one; they run as they are on a machine that has one.
"""

from dataclasses import replace

import pytest
import torch

from nas import pipeline
from nas.events import ArchitecturesScored
from nas.landmarks.landmark import Landmark, Landmarks
from nas.seeds import stream
from nas.training.loop import prepare_device, train
from nas.training.state import TrainState, fresh_state

pytestmark = pytest.mark.gpu


def on(experiment, device: str):
    """The same run on another device, with images of its own."""
    return replace(experiment, device=device)


def weights(state: TrainState) -> dict[str, torch.Tensor]:
    return {name: value.cpu() for name, value in state.supernet.state_dict().items()}


def test_a_few_steps_on_a_gpu_are_near_those_on_the_cpu(make_experiment) -> None:
    experiment = make_experiment(learning_rate=0.05)
    found = {}
    for device in ("cpu", "cuda"):
        there = on(experiment, device)
        prepare_device(there)
        state = fresh_state(there, None)
        losses = [event.loss for event in train(there, state, 5)]
        found[device] = (weights(state), losses)
    assert found["cuda"][1] == pytest.approx(found["cpu"][1], rel=1e-3)
    for name, value in found["cpu"][0].items():
        assert torch.allclose(found["cuda"][0][name], value, rtol=1e-2, atol=1e-4), name


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_resumed_from_a_checkpoint_ends_with_the_same_bits(
    make_experiment, precision
) -> None:
    experiment = on(make_experiment(precision=precision), "cuda")
    prepare_device(experiment)
    whole = fresh_state(experiment, 2)
    list(train(experiment, whole, 24))
    first = fresh_state(experiment, 2)
    list(train(experiment, first, 10))
    resumed = TrainState.from_bytes(experiment, first.to_bytes())
    assert {value.device.type for value in resumed.supernet.state_dict().values()} == {"cuda"}
    list(train(experiment, resumed, 24))
    expected = weights(whole)
    for name, value in weights(resumed).items():
        assert torch.equal(value, expected[name]), name


def test_training_with_landmarks_resumed_on_a_gpu_ends_with_the_same_bits(make_experiment) -> None:
    partition = make_experiment().partition
    rng = stream(0, "landmarks of a test")
    landmarks = Landmarks(
        tuple(Landmark(partition.sample(2, rng), 2, accuracy) for accuracy in (60.0, 70.0, 80.0))
    )
    term = {"kind": "landmark", "starts_at": 0.0, "schedule": "constant"}
    experiment = on(make_experiment(landmarks=landmarks, regularisers=[term]), "cuda")
    prepare_device(experiment)
    whole = fresh_state(experiment, 2)
    penalties = [event.penalty for event in train(experiment, whole, 24)]
    assert any(penalties)
    first = fresh_state(experiment, 2)
    list(train(experiment, first, 10))
    resumed = TrainState.from_bytes(experiment, first.to_bytes())
    list(train(experiment, resumed, 24))
    expected = weights(whole)
    for name, value in weights(resumed).items():
        assert torch.equal(value, expected[name]), name


def test_a_checkpoint_of_a_gpu_is_read_on_the_cpu(make_experiment) -> None:
    experiment = on(make_experiment(), "cuda")
    state = fresh_state(experiment, 2)
    list(train(experiment, state, 10))
    there = TrainState.from_bytes(on(experiment, "cpu"), state.to_bytes())
    expected = weights(state)
    for name, value in there.supernet.state_dict().items():
        assert value.device.type == "cpu"
        assert torch.equal(value, expected[name]), name


def test_scores_on_a_gpu_are_near_those_on_the_cpu(make_experiment) -> None:
    experiment = make_experiment()
    trained = fresh_state(experiment, None)
    list(train(experiment, trained, 24))
    sample = pipeline.live_sample(experiment.spec, experiment.space)
    scores = {}
    for device in ("cpu", "cuda"):
        there = on(experiment, device)
        state = TrainState.from_bytes(there, trained.to_bytes())
        events = list(pipeline.rank_unit(there, state, sample))
        assert all(isinstance(event, ArchitecturesScored) for event in events)
        scores[device] = [score.score for event in events for score in event.scores]
    losses = slice(0, None, 2)  # each followed by the accuracy, which jumps
    assert scores["cuda"][losses] == pytest.approx(scores["cpu"][losses], abs=1e-3)
