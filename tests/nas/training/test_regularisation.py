"""Regularisers inside the loop: their images and streams, and that training stays repeatable."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from nas.data.dataset import ImageSplit
from nas.errors import TrainingDiverged
from nas.events import TrainingProgressed
from nas.landmarks.landmark import Landmark, Landmarks
from nas.pipeline import train_unit
from nas.ranking.scoring import score
from nas.seeds import stream
from nas.spaces import catalogue
from nas.training import loop
from nas.training.loop import update
from nas.training.regularisation import Regularisation
from nas.training.regularisers.landmark import LandmarkRegulariser
from nas.training.schedule import Schedule
from nas.training.state import TrainState, fresh_state, inherited_state
from nas.training.team import Team
from tests.nas.training.test_distributed import digest, together

SPACE = catalogue()["digits-mini"]
BANKS = {"width": 4, "routing": "accumulated", "cells_per_stage": 3, "shared_cells": 1}
TERM = {"kind": "landmark", "starts_at": 0.0, "schedule": "constant"}


def scattered(number: int, partition, subspaces=(0, 1, 2)) -> Landmarks:
    """So many landmarks of each sub-space, their accuracies drawn at random."""
    rng = stream(4, "scattered")
    return Landmarks(
        tuple(
            Landmark(partition.sample(index, rng), index, rng.uniform(20, 95))
            for index in subspaces
            for _ in range(number)
        )
    )


@pytest.fixture
def make_regularised(make_experiment):
    """An experiment with landmarks in every sub-space; keywords change term and training."""

    def make(term=None, number=4, subspaces=(0, 1, 2), supernet=None, **training):
        partition = make_experiment(supernet).partition
        landmarks = scattered(number, partition, subspaces)
        term = TERM | (term or {})
        return make_experiment(supernet, landmarks, regularisers=[term], **training)

    return make


def trained(experiment, state: TrainState) -> TrainState:
    list(train_unit(experiment, state))
    return state


def schedule_of(experiment) -> Schedule:
    return Schedule(experiment.spec, experiment.partition, len(experiment.train_images))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="validation"),
        pytest.param({"term": {"images": "train"}}, id="train"),
        pytest.param({"term": {"pairs": "uniform-pairs", "pairs_per_step": 3}}, id="pairs"),
        pytest.param({"term": {"penalty": "softplus"}}, id="softplus"),
    ],
)
@pytest.mark.parametrize("subspace", [None, 1])
def test_a_regularised_unit_killed_five_times_ends_with_the_bits_of_an_uninterrupted_one(
    make_regularised, monkeypatch, subspace, options
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    changes = {**options, "steps": 48, "warm_up_steps": 20 if subspace is None else 0}
    experiment = make_regularised(**changes)
    whole, penalties, checkpoints = fresh_state(experiment, subspace), [], []
    for event in train_unit(experiment, whole):
        checkpoints.append(whole.to_bytes())
        if isinstance(event, TrainingProgressed):
            penalties.append(event.penalty)
    assert any(penalties)
    chance = random.Random(1)
    for data in chance.sample(checkpoints, 5):
        own = make_regularised(**changes)
        assert digest(trained(own, TrainState.from_bytes(own, data))) == digest(whole)


def test_regularised_supernets_trained_in_turns_equal_units_trained_alone(
    make_regularised, monkeypatch
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    changes = {"warm_up_steps": 6, "steps": 40}
    experiment = make_regularised(**changes)
    warm = trained(experiment, fresh_state(experiment, None))
    together_trained = [inherited_state(experiment, warm, index) for index in range(3)]
    open_units = [train_unit(experiment, state) for state in together_trained]
    while open_units:
        open_units = [unit for unit in open_units if next(unit, None) is not None]
    stored = warm.to_bytes()
    for index in (2, 0, 1):
        own = make_regularised(**changes)
        alone = inherited_state(own, TrainState.from_bytes(own, stored), index)
        assert digest(trained(own, alone)) == digest(together_trained[index])


def paired(experiment, state: TrainState, monkeypatch) -> set[tuple[int, int]]:
    """Train, and return the sub-spaces of both landmarks of every pair."""
    found = set()
    draw = LandmarkRegulariser.draw

    def noted(self, landmarks, rng):
        pairs = draw(self, landmarks, rng)
        found.update((worse.subspace, better.subspace) for worse, better in pairs)
        return pairs

    monkeypatch.setattr(LandmarkRegulariser, "draw", noted)
    trained(experiment, state)
    return found


def test_pairs_span_subspaces_in_the_warm_up_and_lie_inside_one_in_private_training(
    make_regularised, monkeypatch
) -> None:
    experiment = make_regularised(steps=120, warm_up_steps=60)
    warm = fresh_state(experiment, None)
    across = paired(experiment, warm, monkeypatch)
    assert {owner for pair in across for owner in pair} == {0, 1, 2}
    assert any(one != other for one, other in across)
    for index in range(3):
        private = inherited_state(experiment, warm, index)
        assert paired(experiment, private, monkeypatch) == {(index, index)}


def test_pairs_span_subspaces_with_weight_banks(make_experiment, monkeypatch) -> None:
    spec = make_experiment().spec
    splitter = spec.splitter.model_copy(update={"num_subspaces": 2, "thresholds": (3,)})
    changes = {"splitter": splitter.model_dump(), "supernet": BANKS}
    spec = type(spec).model_validate(spec.model_dump() | changes)
    partition = spec.partition(SPACE)
    subspaces = range(len(partition.subspaces))
    landmarks = scattered(3, partition, subspaces)
    training = spec.training.model_copy(
        update={"regularisers": (LandmarkRegulariser(starts_at=0, schedule="constant"),)}
    )
    experiment = replace(
        make_experiment(),
        spec=spec.model_copy(update={"training": training}),
        partition=partition,
        landmarks=landmarks,
    )
    across = paired(experiment, fresh_state(experiment, None), monkeypatch)
    assert {owner for pair in across for owner in pair} == set(subspaces)
    assert any(one != other for one, other in across)


def test_a_subspace_with_fewer_than_two_landmarks_is_trained_as_without_the_term(
    make_regularised, make_experiment
) -> None:
    for experiment in (make_regularised(number=1), make_regularised(subspaces=(0, 2))):
        plain, regularised = make_experiment(), experiment
        states = [trained(one, fresh_state(one, 1)) for one in (plain, regularised)]
        assert digest(states[0]) == digest(states[1])
    full = make_regularised()
    assert digest(trained(full, fresh_state(full, 1))) != digest(states[0])


def noisy(split: ImageSplit) -> ImageSplit:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, split.images.shape, dtype=np.uint8)
    return ImageSplit(images, rng.permutation(split.labels))


@pytest.mark.parametrize(("images", "reads_validation"), [("validation", True), ("train", False)])
def test_the_term_alone_reads_validation_images_and_never_test_images(
    make_regularised, images, reads_validation
) -> None:
    experiment = make_regularised({"images": images})

    def trained_with(**splits) -> str:
        dataset = replace(experiment.dataset, **splits)
        own = replace(experiment, dataset=dataset)
        return digest(trained(own, fresh_state(own, 0)))

    dataset = experiment.dataset
    usual = trained_with()
    assert trained_with(test=noisy(dataset.test)) == usual
    assert (trained_with(validation=noisy(dataset.validation)) != usual) == reads_validation


def test_validation_batches_walk_through_all_images_once_per_epoch(make_regularised) -> None:
    schedule = schedule_of(make_regularised())
    batches = [schedule.validation_indices(step, 397) for step in range(48)]
    # 24 batches of 16 images; 13 are left out of each epoch.
    for epoch in (batches[:24], batches[24:]):
        assert len(torch.cat(epoch).unique()) == 384
    assert not torch.equal(torch.cat(batches[:24]), torch.cat(batches[24:]))
    again = schedule_of(make_regularised())
    assert torch.equal(again.validation_indices(30, 397), batches[30])
    assert not torch.equal(schedule.image_indices(0), batches[0])


def test_small_validation_sets_are_read_whole(make_regularised) -> None:
    schedule = schedule_of(make_regularised(batch_size=64))
    assert sorted(schedule.validation_indices(3, 10).tolist()) == list(range(10))
    shared = schedule_of(make_regularised(batch_size=64, processes=4))
    assert len(shared.validation_indices(3, 10)) == 8


def test_halved_batches_have_the_gradient_of_the_mean_of_their_halves(make_regularised) -> None:
    experiment = make_regularised({"pairs": "all"}, gradient_clip=None, momentum=0, weight_decay=0)
    state = fresh_state(experiment, 1)
    schedule = schedule_of(experiment)
    own = experiment.landmarks.ranked(1)
    validation = experiment.validation_images
    images, labels = validation.plain(schedule.validation_indices(0, len(validation)))
    losses = {
        one: sum(
            cross_entropy(state.supernet(images[part], one.architecture), labels[part]) / 2
            for part in (slice(0, 8), slice(8, 16))
        )
        for one in own
    }
    terms = [
        torch.relu(losses[better] - losses[worse])
        for place, better in enumerate(own)
        for worse in own[:place]
    ]
    (10 * sum(terms)).backward()
    expected = {
        name: weight.grad.clone()
        for name, weight in state.supernet.named_parameters()
        if weight.grad is not None and bool(weight.grad.any())
    }
    assert expected
    state.optimizer.forget_gradients()
    regularisation = Regularisation(experiment, schedule, Team(micro_batches=2), loop.Stopwatch())
    found = regularisation.apply(state, loop.Batch(images, labels))
    assert found == pytest.approx(10 * sum(terms).item(), rel=1e-5)
    for name, weight in state.supernet.named_parameters():
        if name in expected:
            assert torch.allclose(weight.grad, expected[name], rtol=1e-3, atol=1e-5), name


@pytest.mark.parametrize("size", [2, 4])
def test_every_process_of_a_team_agrees_on_which_pairs_are_penalised(
    make_regularised, monkeypatch, size
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.02)
    experiment = make_regularised(processes=size)
    state = fresh_state(experiment, None)
    penalties = []

    def lead(leader) -> None:
        for event in train_unit(experiment, state, leader):
            if isinstance(event, TrainingProgressed):
                penalties.append(event.penalty)

    followers = together(size, lead)
    assert {digest(follower) for follower in followers if follower} == {digest(state)}
    assert any(penalties)


def test_a_loss_that_is_not_finite_names_landmark_and_step(make_regularised) -> None:
    experiment = make_regularised()
    state = fresh_state(experiment, 1)
    schedule = schedule_of(experiment)
    state.next_step = next(step for step in range(24) if state.own(schedule.routes(step)))
    with torch.no_grad():
        state.supernet.get_parameter("classifier.bias").fill_(float("inf"))
    with pytest.raises(
        TrainingDiverged, match=rf"landmark \S+ is nan at global step {state.next_step}"
    ):
        update(experiment, state, schedule, state.own(schedule.routes(state.next_step)), Team())


def test_a_supernet_learns_even_an_order_that_is_the_wrong_way_round(make_experiment) -> None:
    # Convolutions learn the digits, the others hardly do; the accuracies claim the contrary.
    good = [("none", "nor_conv_3x3", "none"), ("nor_conv_3x3", "skip_connect", "nor_conv_3x3")]
    bad = [("none", "skip_connect", "none"), ("none", "avg_pool_3x3", "none")]
    partition = make_experiment().partition
    accuracies = dict(zip([*good, *bad], (20.0, 30.0, 80.0, 90.0), strict=True))
    landmarks = Landmarks(
        tuple(Landmark(one, partition.route(one), value) for one, value in accuracies.items())
    )

    def wrong_pairs(regularisers) -> int:
        experiment = make_experiment(
            landmarks=landmarks, regularisers=regularisers, steps=250, sampler={"kind": "uniform"}
        )
        state = fresh_state(experiment, None)
        loop.prepare_device(experiment)
        list(loop.train(experiment, state, 250))
        scorers = experiment.spec.ranking.scorers[:1]
        found = {
            one: score(state.supernet, one, experiment.scoring_images, scorers)[0]
            for one in accuracies
        }
        return sum(found[worse] >= found[better] for worse in good for better in bad)

    assert wrong_pairs([]) == 4
    assert wrong_pairs([TERM | {"pairs": "uniform-pairs"}]) == 0
