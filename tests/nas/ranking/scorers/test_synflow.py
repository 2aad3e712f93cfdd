"""SynFlow against values worked by hand, and against forward passes alone."""

import copy
import math
import random

import pytest
import torch
from torch import Tensor, nn

from nas.modules import batch_norm, convolution
from nas.ranking.scorers.synflow import SynflowScorer, flow
from nas.spaces.base import Architecture


def test_each_layer_of_a_linear_network_carries_the_whole_flow() -> None:
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 0.0]]))
        network[1].weight.copy_(torch.tensor([[-1.0, 2.0]]))
    # The absolute weights give (3, 3) and then R = 3 + 6; the sum of |w dR/dw| is R in both.
    assert flow(network, torch.zeros(1, 2)) == 18


def test_batch_norm_is_left_out_and_relu6_has_no_bound() -> None:
    first, second = convolution(1, 1, 1), convolution(1, 1, 1)
    norm = batch_norm(1, affine=True)
    network = nn.Sequential(first, norm, nn.ReLU6(), second).train()
    with torch.no_grad():
        first.weight.fill_(-4.0)
        second.weight.fill_(5.0)
        norm.weight.fill_(100.0)  # type: ignore[union-attr]
    image = torch.randn(1, 1, 1, 1)
    # A single pixel: R = 4 * 5, in each of two layers.
    assert flow(network, image) == 40
    # As it was found.
    assert first.weight.item() == -4.0
    assert network(torch.full((1, 1, 1, 2), 9.0)).max() <= 6 * 5
    assert norm.running_mean is not None
    assert norm.running_mean.item() != 0.0


def test_a_bias_adds_no_flow_of_its_own() -> None:
    network = nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.fill_(-1.0)
        network.bias.fill_(7.0)
    assert flow(network, torch.zeros(1, 2)) == 2


def flow_of_passes(network: nn.Module, image: Tensor, architecture: Architecture) -> float:
    """R is linear in the weights of each layer, so w dR/dw sums up to R(2 w) - R(w)."""
    positive = copy.deepcopy(network).double().eval()
    with torch.no_grad():
        for weight in positive.parameters():
            weight.abs_()
        for module in positive.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
                module.reset_parameters()
        ones = torch.ones_like(image, dtype=torch.float64)
        before = float(positive(ones, architecture).sum())
        total = 0.0
        for module in positive.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.weight.mul_(2)
                total += float(positive(ones, architecture).sum()) - before
                module.weight.div_(2)
    return total


def test_the_score_is_the_logarithm_of_the_flow(make_experiment) -> None:
    experiment, scorer = make_experiment(), SynflowScorer(width=3)
    for number in range(5):
        cell = experiment.space.sample(random.Random(number))
        network = experiment.untrained_scores.network(scorer, cell, 0).network
        image = experiment.probe_images.inputs("noise", 2)[:1]
        expected = math.log(flow_of_passes(network, image, cell))
        assert experiment.untrained_scores.of(scorer, cell) == pytest.approx(expected, rel=1e-9)
