"""Training and scoring on a GPU: near the CPU's numbers, exact under interruption.

Skipped without one; they run as they are on a machine that has one.
"""

from dataclasses import replace

import pytest
import torch
from torch import distributed as dist

from nas import pipeline
from nas.events import ArchitecturesScored, CandidateEvaluated
from nas.landmarks.landmark import Landmark, Landmarks
from nas.search.state import SearchState
from nas.seeds import stream
from nas.training import loop
from nas.training.distributed import Leader, Links
from nas.training.loop import prepare_device, train
from nas.training.recipe import StandAloneRecipe
from nas.training.recipes.cifar10 import Cifar10Recipe
from nas.training.retrained import weights_sha256
from nas.training.retraining import RetrainState
from nas.training.standalone import StandAloneTrainer
from nas.training.state import TrainState, fresh_state, inherit, inherited_state
from nas.training.team import Team
from tests.nas.training.networks import NETWORKS, colour_images, experiment_on

pytestmark = pytest.mark.gpu

SAMPLERS = [
    pytest.param({"kind": "uniform"}, id="uniform"),
    pytest.param(
        {"kind": "supernet-balanced", "architectures_per_step": "one-per-subspace"},
        id="one-per-subspace",
    ),
    pytest.param({"kind": "fair"}, id="fair"),
    pytest.param({"kind": "sandwich"}, id="sandwich"),
]


@pytest.fixture(autouse=True)
def _a_loss_for_every_step(monkeypatch) -> None:
    # A report after some time would cover more steps on one device than on the other.
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)


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
    sample = experiment.live_sample
    scores = {}
    for device in ("cpu", "cuda"):
        there = on(experiment, device)
        state = TrainState.from_bytes(there, trained.to_bytes())
        events = list(pipeline.rank_unit(there, state, sample))
        assert all(isinstance(event, ArchitecturesScored) for event in events)
        scores[device] = [score.score for event in events for score in event.scores]
    losses = slice(0, None, 2)  # each followed by the accuracy, which jumps
    assert scores["cuda"][losses] == pytest.approx(scores["cpu"][losses], abs=1e-3)


def steps_on(device: str, space: str, network: dict, team: Team | None = None, **training):
    """Train the warm-up's supernet, or the one of all sub-spaces, for three steps."""
    experiment = experiment_on(device, space, network, **training)
    prepare_device(experiment)
    state = fresh_state(experiment, None)
    return state, [event.loss for event in train(experiment, state, 3, team)]


@pytest.mark.parametrize(("space", "network"), NETWORKS)
def test_every_kind_of_network_trains_on_a_gpu(space, network) -> None:
    (there, losses), (_, expected) = (
        steps_on(device, space, network) for device in ("cuda", "cpu")
    )
    # Deep chains of BatchNorm over few pixels make much of the least difference after a step.
    assert losses[0] == pytest.approx(expected[0], rel=1e-2)
    assert len(losses) == 3
    assert {value.device.type for value in there.optimizer.momentum.values()} == {"cuda"}
    assert there.to_bytes(), "every number is finite"


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_trains_on_a_gpu_as_on_the_cpu(sampler) -> None:
    (there, losses), (here, expected) = (
        steps_on(device, "nas-bench-201", {}, sampler=sampler) for device in ("cuda", "cpu")
    )
    assert losses == pytest.approx(expected, rel=1e-2)
    for name, value in weights(here).items():
        assert torch.allclose(weights(there)[name], value, rtol=5e-2, atol=1e-2), name


def test_halves_of_a_batch_are_trained_on_a_gpu_as_on_the_cpu() -> None:
    there, here = (
        steps_on(device, "nas-bench-201", {}, Team(micro_batches=2)) for device in ("cuda", "cpu")
    )
    assert there[1] == pytest.approx(here[1], rel=1e-2)


@pytest.mark.parametrize(("space", "network"), NETWORKS)
def test_a_unit_on_a_gpu_trains_scores_searches_and_repeats_itself_bit_by_bit(
    space, network
) -> None:
    found = []
    torch.use_deterministic_algorithms(True)
    try:
        for _ in range(2):
            experiment = experiment_on("cuda", space, network)
            state = fresh_state(experiment, None)
            events = list(pipeline.train_unit(experiment, state))
            scores = [event for event in events if isinstance(event, ArchitecturesScored)]
            states = [state] * len(experiment.partition.subspaces)
            candidates = list(pipeline.search_unit(experiment, states, SearchState()))
            assert len(candidates) == 3
            assert all(isinstance(event, CandidateEvaluated) for event in candidates)
            found.append((weights(state), scores, candidates))
    finally:
        torch.use_deterministic_algorithms(False)
    (one, *reported), (other, *again) = found
    assert reported == again
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_narrower_heirs_of_a_warm_up_and_of_another_run_train_on_a_gpu() -> None:
    narrow = {"supernet": {"width": [3, 2], "parent_width": 4}}
    experiment = experiment_on("cuda", "nas-bench-201", narrow, warm_up_steps=3)
    warm = fresh_state(experiment, None)
    list(pipeline.train_unit(experiment, warm))
    heir = inherited_state(experiment, warm, 1)
    assert heir.optimizer.momentum
    list(pipeline.train_unit(experiment, heir))
    assert heir.next_step == 6
    other = experiment_on("cuda", "nas-bench-201", {"supernet": {"width": 2}})
    state = fresh_state(other, 1)
    inherit(state, experiment.supernets, 1, heir.to_bytes(), "cuda")
    expected = weights(heir)
    assert all(torch.equal(value, expected[name]) for name, value in weights(state).items())
    list(pipeline.train_unit(other, state))
    assert {value.device.type for value in state.supernet.state_dict().values()} == {"cuda"}


def test_a_team_of_one_on_a_gpu_is_a_process_alone(tmp_path) -> None:
    store = dist.FileStore(str(tmp_path / "store"), 1)
    torch.cuda.set_device(0)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        orders = dist.group.WORLD
        leader = Leader(Links(0, 1, orders, dist.new_group(backend="nccl"), store))
        experiment = experiment_on("cuda", "nas-bench-201", {})
        alone, led = fresh_state(experiment, None), fresh_state(experiment, None)
        list(pipeline.train_unit(experiment, alone))
        list(pipeline.train_unit(experiment, led, leader))
        leader.end()
    finally:
        dist.destroy_process_group()
    expected = weights(alone)
    assert all(torch.equal(value, expected[name]) for name, value in weights(led).items())


def test_an_architecture_is_trained_alone_on_a_gpu() -> None:
    experiment = experiment_on("cuda", "nas-bench-201", {})
    recipe = StandAloneRecipe(epochs=1, batch_size=16)
    trainer = StandAloneTrainer(experiment.space, colour_images(), recipe, device="cuda")
    architecture = experiment.space.decode(
        "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    )
    accuracy = trainer.test_accuracy(architecture, seed=0)
    assert 0 <= accuracy <= 100
    assert trainer.test_accuracy(architecture, seed=0) == accuracy


def test_a_retraining_on_a_gpu_goes_on_bit_by_bit() -> None:
    experiment = experiment_on("cuda", "nas-bench-201", {})
    recipe = Cifar10Recipe(epochs=3, batch_size=16, patience=1, gradient_clip=5.0)
    trainer = StandAloneTrainer(experiment.space, colour_images(), recipe, device="cuda")
    architecture = experiment.space.decode(
        "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    )
    state = RetrainState.fresh(trainer, architecture, 0)
    stored = [state.frozen()() for _ in pipeline.retrain_unit(experiment, trainer, state)]
    whole = weights_sha256(state.training.network.state_dict())
    for data in stored[:-1]:
        resumed = RetrainState.from_bytes(trainer, architecture, 0, data)
        (*_, end) = pipeline.retrain_unit(experiment, trainer, resumed)
        assert end.model.weights_sha256 == whole
