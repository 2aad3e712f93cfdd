from copy import deepcopy

import pytest
import torch
from torch.nn.functional import cross_entropy

from nas.errors import TrainingDiverged
from nas.events import TrainingProgressed
from nas.pipeline import train_unit
from nas.training import loop
from nas.training.batches import ImageBatches
from nas.training.loop import train, update
from nas.training.samplers.base import Route
from nas.training.schedule import Schedule
from nas.training.state import TrainState, fresh_state
from nas.training.team import Team

LIVE_EDGES_READ = ("nor_conv_3x3", "none", "nor_conv_1x1")


def weights_of(state: TrainState) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in state.supernet.state_dict().items()}


def schedule_of(experiment) -> Schedule:
    return Schedule(experiment.spec, experiment.partition, len(experiment.train_images))


def test_operations_that_a_step_does_not_use_keep_weights_and_momentum_bit_by_bit(
    make_experiment,
) -> None:
    # Weight decay and momentum would move them if their gradients were zero instead of absent.
    experiment = make_experiment(weight_decay=0.1)
    state = fresh_state(experiment, None)
    list(train(experiment, state, 20))
    before = weights_of(state)
    names = [name for name, _ in state.supernet.named_parameters()]
    momentum = state.optimizer.stored_momentum(state.supernet)
    buffers = {name: value.clone() for name, value in momentum.items()}
    route = Route(experiment.partition.route(LIVE_EDGES_READ), LIVE_EDGES_READ)
    update(experiment, state, schedule_of(experiment), [route], Team())
    used = ("0-nor_conv_3x3", "2-nor_conv_1x1")
    after = weights_of(state)
    for name in names:
        expected_to_move = ".operations." not in name or name.split(".")[3] in used
        assert torch.equal(after[name], before[name]) != expected_to_move, name
        if not expected_to_move and name in buffers:
            assert torch.equal(momentum[name], buffers[name]), name
    assert any(".operations." in name and name.split(".")[3] not in used for name in buffers)


def test_a_step_is_sgd_with_nesterov_momentum_decay_and_clipping(make_experiment) -> None:
    experiment = make_experiment(gradient_clip=0.05, weight_decay=0.01, learning_rate=0.3)
    state = fresh_state(experiment, 0)
    schedule = schedule_of(experiment)
    route = Route(0, ("none", "skip_connect", "none"))
    weight = state.supernet.classifier.weight
    buffer = torch.zeros_like(weight)
    for step in range(3):
        state.next_step = step
        before = weight.detach().clone()
        update(experiment, state, schedule, [route], Team())
        gradients = [
            parameter.grad
            for parameter in state.supernet.parameters()
            if parameter.grad is not None
        ]
        norm = torch.sqrt(sum(gradient.square().sum() for gradient in gradients))
        assert norm <= 0.05 + 1e-6
        assert weight.grad is not None
        decayed = weight.grad + 0.01 * before
        buffer = decayed if step == 0 else 0.9 * buffer + decayed
        expected = before - schedule.learning_rate(step) * (decayed + 0.9 * buffer)
        assert torch.allclose(weight, expected, atol=1e-7)


@pytest.fixture
def images_of_64_bits(monkeypatch):
    plain = ImageBatches.augmented

    def augmented(self, *arguments):
        images, labels = plain(self, *arguments)
        return images.double(), labels

    monkeypatch.setattr(ImageBatches, "augmented", augmented)


SEVERAL = [
    ("nor_conv_3x3", "none", "nor_conv_1x1"),
    ("nor_conv_3x3", "nor_conv_3x3", "none"),
    ("none", "skip_connect", "none"),
    ("nor_conv_3x3", "none", "nor_conv_1x1"),
]


@pytest.mark.parametrize("clip", [None, 0.05])
def test_a_step_of_several_architectures_goes_along_the_sum_of_their_gradients_clipped_once(
    make_experiment, images_of_64_bits, clip
) -> None:
    experiment = make_experiment(gradient_clip=clip, momentum=0, weight_decay=0)
    state = fresh_state(experiment, None)
    state.supernet.double()
    schedule = schedule_of(experiment)
    images, labels = experiment.train_images.augmented(
        schedule.image_indices(0), experiment.spec.training.augmentation, schedule.augmentation(0)
    )
    before = dict(deepcopy(state.supernet).named_parameters())
    sums: dict[str, torch.Tensor] = {}
    single_losses = []
    for architecture in SEVERAL:
        alone = deepcopy(state.supernet)
        loss = cross_entropy(alone(images, architecture), labels)
        loss.backward()
        single_losses.append(loss.item())
        for name, weight in alone.named_parameters():
            if weight.grad is not None:
                sums[name] = sums.get(name, 0) + weight.grad
    norm = torch.sqrt(sum(gradient.square().sum() for gradient in sums.values())).item()
    scale = 1.0 if clip is None else clip / (norm + 1e-6)
    assert scale == 1 or scale < 0.5
    routes = [Route(experiment.partition.route(member), member) for member in SEVERAL]
    assert update(experiment, state, schedule, routes, Team()) == pytest.approx(
        sum(single_losses) / 4
    )
    for name, weight in state.supernet.named_parameters():
        moved = schedule.learning_rate(0) * scale * sums.get(name, torch.zeros(()))
        assert torch.allclose(weight, before[name] - moved, rtol=1e-9, atol=1e-12), name
        assert torch.equal(weight, before[name]) == (name not in sums), name
    assert state.updates == 1
    assert sum(count.samples for count in state.balance) == len(SEVERAL)
    assert sum(count.images for count in state.balance) == 16 * len(SEVERAL)


def test_methods_4_2_the_order_of_a_steps_architectures_changes_neither_loss_nor_weights(
    make_experiment, images_of_64_bits
) -> None:
    experiment = make_experiment(gradient_clip=0.5)
    routes = [Route(experiment.partition.route(member), member) for member in SEVERAL]
    found = []
    for ordered in (routes, routes[::-1]):
        state = fresh_state(experiment, None)
        state.supernet.double()
        loss = update(experiment, state, schedule_of(experiment), ordered, Team())
        found.append((loss, weights_of(state)))
    (one, weights), (other, reversed_weights) = found
    assert one == pytest.approx(other, rel=1e-12)
    for name, weight in weights.items():
        assert torch.allclose(weight, reversed_weights[name], rtol=1e-9, atol=1e-12), name


@pytest.mark.parametrize("threads", [1, 2])
def test_a_unit_computes_with_the_stored_number_of_threads(make_experiment, threads: int) -> None:
    before = torch.get_num_threads()
    experiment = make_experiment(threads=threads)
    try:
        torch.set_num_threads(3 - threads)
        next(train_unit(experiment, fresh_state(experiment, 0)))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_a_supernet_trains_its_own_architectures_of_a_step_and_skips_a_step_without_any(
    make_experiment,
) -> None:
    experiment = make_experiment()
    state = fresh_state(experiment, 2)
    routes = [Route(experiment.partition.route(member), member) for member in SEVERAL]
    assert [route.subspace for route in routes] == [2, 1, 0, 2]
    assert state.own(routes) == (routes[0], routes[3])
    assert fresh_state(experiment, 2).own(routes[1:3]) == ()
    assert fresh_state(experiment, None).own(routes) == tuple(routes)


@pytest.mark.parametrize("subspace", [None, 0])
def test_a_step_of_every_subspace_is_one_update_of_each_unit(make_experiment, subspace) -> None:
    sampler = {"kind": "supernet-balanced", "architectures_per_step": "one-per-subspace"}
    experiment = make_experiment(sampler=sampler)
    state = fresh_state(experiment, subspace)
    events = list(train(experiment, state, 10))
    assert state.updates == events[-1].updates == 10
    expected = [(10, 10, 160)] * (3 if subspace is None else 1)
    counts = [(count.updates, count.samples, count.images) for count in events[-1].balance]
    assert counts == expected


def test_the_loss_falls(make_experiment) -> None:
    experiment = make_experiment(steps=600, batch_size=64, learning_rate=0.3, augmentation={})
    state = fresh_state(experiment, 2)
    losses = [event.loss for until in (60, 600) for event in train(experiment, state, until)]
    assert losses[-1] < 0.8 * losses[0]


def test_the_last_event_tells_the_whole_balance(make_experiment) -> None:
    experiment = make_experiment()
    state = fresh_state(experiment, None)
    events = list(train(experiment, state, 24))
    assert events
    last = events[-1]
    assert isinstance(last, TrainingProgressed)
    assert (last.step, last.updates) == (24, 24)
    assert last.learning_rate == schedule_of(experiment).learning_rate(23)
    expected = [0, 0, 0]
    for step in range(24):
        (route,) = schedule_of(experiment).routes(step)
        expected[route.subspace] += 1
    assert [count.updates for count in last.balance] == expected
    assert [count.images for count in last.balance] == [16 * number for number in expected]
    for count in last.balance:
        for per_decision in count.operation_updates:
            assert sum(per_decision.values()) == count.updates


def test_units_report_often_enough_to_be_stopped(make_experiment, monkeypatch) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    experiment = make_experiment()
    events = list(train(experiment, fresh_state(experiment, None), 24))
    assert [event.step for event in events] == list(range(1, 25))


@pytest.mark.parametrize(("bias", "loss"), [(float("nan"), "nan"), (float("-inf"), "inf")])
def test_a_diverged_loss_stops_the_unit_at_once_and_names_step_architecture_and_remedy(
    make_experiment, monkeypatch, bias: float, loss: str
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    experiment = make_experiment()
    state = fresh_state(experiment, None)
    events = train(experiment, state, 5)
    assert [next(events).step, next(events).step] == [1, 2]
    with torch.no_grad():
        # A class that cannot be; its images make the mean infinite.
        state.supernet.classifier.bias[:5] = bias
    schedule = schedule_of(experiment)
    architecture = experiment.space.encode(schedule.routes(2)[0].architecture)
    with pytest.raises(TrainingDiverged) as raised:
        next(events)
    assert str(raised.value) == (
        f"the training loss is {loss} at global step 2, architecture {architecture}; "
        "lower training.learning_rate or set training.gradient_clip"
    )
