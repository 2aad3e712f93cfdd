import pytest
import torch

from nas.errors import InvalidCheckpoint, TrainingDiverged
from nas.pipeline import train_unit
from nas.training.loop import train
from nas.training.state import TrainState, fresh_state, inherit, inherited_state


def momentum(state: TrainState) -> list[torch.Tensor]:
    return [*state.optimizer.stored_momentum(state.supernet).values()]


@pytest.mark.parametrize("subspace", [0, 1, 2])
def test_a_private_supernet_starts_with_the_weights_and_momentum_of_the_warm_up(
    make_experiment, subspace: int
) -> None:
    experiment = make_experiment(warm_up_steps=12)
    warm = fresh_state(experiment, None)
    list(train_unit(experiment, warm))
    child = inherited_state(experiment, warm, subspace)
    for name, weight in warm.supernet.state_dict().items():
        assert torch.equal(child.supernet.state_dict()[name], weight), name
    assert len(momentum(warm)) == len(momentum(child)) > 0
    for mine, inherited in zip(momentum(child), momentum(warm), strict=True):
        assert torch.equal(mine, inherited)
    assert (child.next_step, child.updates, child.subspace) == (12, 0, subspace)


@pytest.mark.parametrize("subspace", [0, 1, 2])
def test_narrower_supernets_start_with_the_first_channels_of_weights_and_momentum(
    make_experiment, subspace: int
) -> None:
    experiment = make_experiment({"width": [3, 2, 1], "parent_width": 6}, warm_up_steps=12)
    width = 3 - subspace
    warm = fresh_state(experiment, None)
    list(train_unit(experiment, warm))
    child = inherited_state(experiment, warm, subspace)
    wide = dict(warm.supernet.named_parameters())
    assert wide["stem.0.weight"].shape == (6, 1, 3, 3)
    for name, weight in child.supernet.named_parameters():
        # One stage of one cell without concatenations: digits-mini's channels are all its width.
        kept = tuple(slice(width if size == 6 else None) for size in wide[name].shape)
        assert torch.equal(weight, wide[name][kept]), name
        mine = child.optimizer.momentum.get(weight)
        theirs = warm.optimizer.momentum.get(wide[name])
        assert (mine is None) == (theirs is None), name
        if mine is not None and theirs is not None:
            assert torch.equal(mine, theirs[kept]), name
    assert warm.optimizer.momentum
    assert (child.next_step, child.updates, child.subspace) == (12, 0, subspace)


def test_narrower_supernets_train_and_continue_bit_by_bit(make_experiment) -> None:
    experiment = make_experiment({"width": "auto", "parent_width": 7}, warm_up_steps=8)
    warm = fresh_state(experiment, None)
    list(train_unit(experiment, warm))
    whole = inherited_state(experiment, warm, 1)
    # A third of seven channels, rounded.
    assert whole.supernet.stem[0].out_channels == 2
    parts = TrainState.from_bytes(experiment, whole.to_bytes())
    for state in (whole, parts):
        list(train_unit(experiment, state))
    assert parts.updates == whole.updates > 0
    for name, weight in whole.supernet.state_dict().items():
        assert torch.equal(parts.supernet.state_dict()[name], weight), name


def test_a_supernet_inherits_weights_but_no_momentum_from_another_run(make_experiment) -> None:
    source = make_experiment({"width": 6})
    theirs = fresh_state(source, 1)
    list(train_unit(source, theirs))
    heir = make_experiment({"width": 4})
    state = fresh_state(heir, 1)
    inherit(state, source.supernets, 1, theirs.to_bytes(), heir.device)
    assert not state.optimizer.momentum
    assert (state.next_step, state.updates) == (0, 0)
    stem = theirs.supernet.stem[0].weight
    assert torch.equal(state.supernet.stem[0].weight, stem[:4])
    again = fresh_state(heir, 1)
    with pytest.raises(InvalidCheckpoint, match="not a checkpoint of this network"):
        inherit(again, heir.supernets, 1, theirs.to_bytes(), heir.device)


def test_training_a_copy_leaves_the_warm_up_as_it_was(make_experiment) -> None:
    experiment = make_experiment(warm_up_steps=12)
    warm = fresh_state(experiment, None)
    list(train_unit(experiment, warm))
    weights = {name: value.clone() for name, value in warm.supernet.state_dict().items()}
    buffers = [buffer.clone() for buffer in momentum(warm)]
    list(train_unit(experiment, inherited_state(experiment, warm, 0)))
    for name, value in warm.supernet.state_dict().items():
        assert torch.equal(value, weights[name]), name
    for buffer, before in zip(momentum(warm), buffers, strict=True):
        assert torch.equal(buffer, before)


def test_initial_weights_depend_on_the_seed_and_the_subspace_alone(make_experiment) -> None:
    experiment = make_experiment()
    torch.manual_seed(1)
    first = fresh_state(experiment, 0).supernet.stem[0].weight
    torch.manual_seed(2)
    again = fresh_state(make_experiment(steps=99), 0).supernet.stem[0].weight
    other = fresh_state(experiment, 1).supernet.stem[0].weight
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_building_a_supernet_leaves_the_callers_random_numbers_alone(make_experiment) -> None:
    experiment = make_experiment()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    fresh_state(experiment, 0)
    assert torch.equal(torch.rand(3), expected)


def test_a_state_survives_its_bytes(make_experiment) -> None:
    experiment = make_experiment()
    state = fresh_state(experiment, 2)
    list(train_unit(experiment, state))
    restored = TrainState.from_bytes(experiment, state.to_bytes())
    for name, value in state.supernet.state_dict().items():
        assert torch.equal(restored.supernet.state_dict()[name], value), name
    for buffer, before in zip(momentum(restored), momentum(state), strict=True):
        assert torch.equal(buffer, before)
    assert restored.balance == state.balance
    assert (restored.subspace, restored.next_step, restored.finished_round) == (2, 24, 24)


@pytest.mark.parametrize("position", [0, 5, 40, 2000, -1])
def test_one_changed_byte_makes_a_checkpoint_invalid(make_experiment, position: int) -> None:
    experiment = make_experiment()
    data = bytearray(fresh_state(experiment, 0).to_bytes())
    data[position] ^= 1
    with pytest.raises(InvalidCheckpoint, match="do not match their checksum"):
        TrainState.from_bytes(experiment, bytes(data))


@pytest.mark.parametrize("length", [0, 10, 32, 500])
def test_a_truncated_checkpoint_is_invalid(make_experiment, length: int) -> None:
    experiment = make_experiment()
    with pytest.raises(InvalidCheckpoint):
        TrainState.from_bytes(experiment, fresh_state(experiment, 0).to_bytes()[:length])


def test_the_checkpoint_of_another_supernet_is_invalid(make_experiment) -> None:
    data = fresh_state(make_experiment(), 0).to_bytes()
    experiment = make_experiment()
    wider = experiment.spec.model_copy(
        update={"supernet": experiment.spec.supernet.model_copy(update={"width": 6})}
    )
    other = type(experiment)(wider, experiment.space, experiment.partition, experiment.dataset)
    with pytest.raises(InvalidCheckpoint, match="not a checkpoint of this network"):
        TrainState.from_bytes(other, data)


def test_bytes_that_carry_their_own_checksum_but_no_checkpoint_are_invalid(
    make_experiment,
) -> None:
    import hashlib

    with pytest.raises(InvalidCheckpoint, match="not a checkpoint"):
        TrainState.from_bytes(make_experiment(), hashlib.sha256(b"hello").digest() + b"hello")


def test_convolutions_lie_as_image_batches_do_also_after_a_resume(make_experiment) -> None:
    experiment = make_experiment()
    state = fresh_state(experiment, None)
    list(train(experiment, state, 4))
    for trained in (state, TrainState.from_bytes(experiment, state.to_bytes())):
        kernels = [
            weight for weight in trained.supernet.parameters() if weight.shape[2:] == (3, 3)
        ]
        assert kernels
        for kernel in kernels:
            assert kernel.is_contiguous(memory_format=torch.channels_last)
            momentum = trained.optimizer.momentum.get(kernel)
            assert momentum is None or momentum.is_contiguous(memory_format=torch.channels_last)


def test_a_copy_of_the_state_does_not_follow_it(make_experiment) -> None:
    experiment = make_experiment()
    state = fresh_state(experiment, None)
    list(train(experiment, state, 4))
    expected = state.supernet.state_dict()["classifier.weight"].clone()
    frozen = state.frozen()
    list(train(experiment, state, 8))
    restored = TrainState.from_bytes(experiment, frozen())
    assert restored.next_step == 4
    assert torch.equal(restored.supernet.state_dict()["classifier.weight"], expected)
    assert not torch.equal(state.supernet.state_dict()["classifier.weight"], expected)
    list(train(experiment, restored, 8))
    for name, value in restored.supernet.state_dict().items():
        assert torch.equal(value, state.supernet.state_dict()[name]), name


@pytest.mark.parametrize("place", ["weight", "momentum"])
def test_a_state_with_a_number_that_is_not_finite_is_not_stored(make_experiment, place) -> None:
    experiment = make_experiment()
    state = fresh_state(experiment, None)
    list(train(experiment, state, 4))
    bias = state.supernet.classifier.bias
    spoiled = bias if place == "weight" else state.optimizer.momentum[bias]
    with torch.no_grad():
        spoiled[0] = float("inf")
    with pytest.raises(TrainingDiverged, match=r"not finite before global step 4.*not stored"):
        state.to_bytes()
