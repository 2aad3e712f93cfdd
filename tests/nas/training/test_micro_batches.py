"""A batch cut in two: the gradient of the whole batch's mean loss, with each half's statistics."""

from copy import deepcopy

import pytest
import torch
from torch.nn.functional import cross_entropy

from nas.training.batches import ImageBatches
from nas.training.loop import train, update
from nas.training.samplers.base import Route
from nas.training.schedule import Schedule
from nas.training.state import fresh_state
from nas.training.team import Team

ARCHITECTURE = ("nor_conv_3x3", "none", "nor_conv_1x1")


@pytest.fixture
def images_of_64_bits(monkeypatch):
    plain = ImageBatches.augmented

    def augmented(self, *arguments):
        images, labels = plain(self, *arguments)
        return images.double(), labels

    monkeypatch.setattr(ImageBatches, "augmented", augmented)


def test_the_halves_gradients_add_up_to_the_gradient_of_their_weighted_mean(
    make_experiment, images_of_64_bits
) -> None:
    # Of 17 images the first part has nine, the second eight.
    experiment = make_experiment(batch_size=17, gradient_clip=None, momentum=0, weight_decay=0)
    state = fresh_state(experiment, None)
    state.supernet.double()
    schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
    images, labels = experiment.train_images.augmented(
        schedule.image_indices(0), experiment.spec.training.augmentation, schedule.augmentation(0)
    )
    by_hand = deepcopy(state.supernet)
    losses, sums = [], {}
    for part, share in ((slice(0, 9), 9 / 17), (slice(9, 17), 8 / 17)):
        alone = deepcopy(by_hand)
        loss = cross_entropy(alone(images[part], ARCHITECTURE), labels[part])
        loss.backward()
        losses.append(share * loss.item())
        for name, weight in alone.named_parameters():
            if weight.grad is not None:
                sums[name] = sums.get(name, 0) + share * weight.grad
    route = Route(experiment.partition.route(ARCHITECTURE), ARCHITECTURE)
    found = update(experiment, state, schedule, [route], Team(micro_batches=2))
    assert found == pytest.approx(sum(losses), rel=1e-12)
    gradients = {name: weight.grad for name, weight in state.supernet.named_parameters()}
    assert {name for name, gradient in gradients.items() if gradient is not None} == set(sums)
    for name, gradient in sums.items():
        assert torch.allclose(gradients[name], gradient, rtol=1e-12, atol=1e-15), name
    # One batch, one update, each image counted once.
    (trained,) = (count for count in state.balance if count.updates)
    assert (trained.updates, trained.samples, trained.images) == (1, 1, 17)


def test_without_batch_norm_in_the_way_halves_give_the_gradient_of_the_whole(
    make_experiment, images_of_64_bits, monkeypatch
) -> None:
    # Fixed statistics: then the mean of the halves is exactly the batch's mean.
    monkeypatch.setattr("nas.modules.BatchNorm.forward", lambda self, features: features)
    gradients = []
    for micro_batches in (1, 2):
        experiment = make_experiment(batch_size=17, gradient_clip=None)
        state = fresh_state(experiment, None)
        state.supernet.double()
        schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
        route = Route(experiment.partition.route(ARCHITECTURE), ARCHITECTURE)
        update(experiment, state, schedule, [route], Team(micro_batches=micro_batches))
        gradients.append([weight.grad for weight in state.supernet.parameters()])
    for whole, halved in zip(*gradients, strict=True):
        assert (whole is None) == (halved is None)
        if whole is not None:
            assert torch.allclose(whole, halved, rtol=1e-9, atol=1e-15)


def test_halves_hold_half_the_activations(make_experiment) -> None:
    sizes: set[int] = set()

    def noted(value: torch.Tensor) -> torch.Tensor:
        sizes.update(value.shape[:1])
        return value

    # Numbers that are no layer's width.
    experiment = make_experiment(batch_size=46)
    with torch.autograd.graph.saved_tensors_hooks(noted, lambda value: value):
        list(train(experiment, fresh_state(experiment, None), 1, Team(micro_batches=2)))
    assert 23 in sizes
    assert 46 not in sizes
