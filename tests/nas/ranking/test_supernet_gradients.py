"""The supernet's gradients against an optimizer's steps on a copy; the supernet stays untouched."""

import copy
import random

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nas.errors import ScoreUndefined
from nas.ranking.scorers.sigeo import SigeoScorer
from nas.ranking.scorers.zico import ZicoScorer
from nas.ranking.supernet_gradients import gradient_score, gradient_steps
from nas.training.state import fresh_state


@pytest.mark.parametrize("step_size", [0.0, 0.1])
def test_gradients_and_weights_are_those_of_plain_steps(make_experiment, step_size) -> None:
    experiment = make_experiment()
    supernet = fresh_state(experiment, None).supernet
    cell = experiment.space.decode("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|")
    batches = experiment.probe_images.batches(3, 16)
    steps = gradient_steps(supernet, cell, batches, step_size)

    walked = copy.deepcopy(supernet)
    layers = {
        f"{name}.weight": module
        for name, module in walked.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }
    for index, (images, labels) in enumerate(batches):
        walked.zero_grad()
        loss = cross_entropy(walked(images, cell), labels)
        loss.backward()
        assert steps.losses[index] == pytest.approx(loss.item(), rel=1e-5)
        used = {name for name, layer in layers.items() if layer.weight.grad is not None}
        assert used == set(steps.gradients)
        for name in used:
            gradient = layers[name].weight.grad
            assert torch.allclose(steps.gradients[name][index].float(), gradient.flatten())
        with torch.no_grad():
            for weight in walked.parameters():
                if weight.grad is not None:
                    weight -= step_size * weight.grad
    for name in used:
        assert torch.allclose(steps.weights[name].float(), layers[name].weight.flatten())
    # Stem, the two live convolutions of the cell, classifier.
    assert len(used) == 4


def test_the_supernet_is_left_as_it_was(make_experiment) -> None:
    experiment = make_experiment()
    supernet = fresh_state(experiment, None).supernet
    first = next(supernet.parameters())
    first.grad = torch.ones_like(first)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    for scorer in (ZicoScorer(), SigeoScorer(probe_lr=10)):
        gradient_score(experiment, supernet, experiment.space.sample(random.Random(0)), scorer)
    for name, value in supernet.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(first.grad, torch.ones_like(first))
    assert all(weight.grad is None for weight in supernet.parameters() if weight is not first)
    assert all(isinstance(weight, nn.Parameter) for weight in supernet.parameters())


def test_a_diverged_supernet_has_no_score(make_experiment) -> None:
    experiment = make_experiment()
    supernet = fresh_state(experiment, None).supernet
    with torch.no_grad():
        supernet.classifier.weight.fill_(torch.inf)  # type: ignore[union-attr,operator]
    with pytest.raises(ScoreUndefined, match="lower the learning rate"):
        gradient_score(
            experiment, supernet, experiment.space.sample(random.Random(0)), ZicoScorer()
        )
