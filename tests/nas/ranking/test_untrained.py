"""Untrained networks: how they begin, what scorers share, and that every score is finite."""

import gc
import math
import random
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas.data.dataset import ImageDataset, ImageSplit
from nas.experiment import Experiment
from nas.partition.none import NoneSplitter
from nas.plugin import concrete_subclasses
from nas.ranking import untrained
from nas.ranking.evaluation import evaluate
from nas.ranking.scorers.base import Scorer
from nas.ranking.scorers.expressivity import ExpressivityScorer
from nas.ranking.scorers.gradient import GradientScorer
from nas.ranking.scorers.naswot import NaswotScorer
from nas.ranking.scorers.ntk_min_eigenvalue import NtkMinEigenvalueScorer
from nas.ranking.scorers.progressivity import ProgressivityScorer
from nas.ranking.scorers.synflow import SynflowScorer
from nas.ranking.scorers.trainability import TrainabilityScorer
from nas.ranking.scorers.untrained import BatchScorer, UntrainedScorer
from nas.ranking.untrained import UntrainedNetwork, initialise
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Space
from nas.spaces.chain import ChainSkeleton, Layer
from nas.spaces.layered import LayeredSpace
from nas.spec import RunSpec
from nas.supernets.build import build_supernet
from nas.training.state import fresh_state

PROXIES = (
    ExpressivityScorer(),
    ProgressivityScorer(),
    TrainabilityScorer(),
    NaswotScorer(),
    SynflowScorer(),
    NtkMinEigenvalueScorer(),
)
CHAIN = LayeredSpace(
    name="short-chain",
    operations=("identity", "mbconv_3x3_e3", "nor_conv_1x1"),
    layers=(
        Layer(channels=8),
        Layer(channels=12, stride=2, operations=("mbconv_3x3_e3_se", "sep_conv_3x3")),
        Layer(channels=12),
    ),
    skeleton=ChainSkeleton(
        stem_channels=8, stem_stride=1, image_size=8, image_channels=1, num_classes=10
    ),
)
HOLLOW = LayeredSpace(
    name="hollow-chain",
    operations=("identity", "nor_conv_1x1"),
    layers=(Layer(channels=8),),
    skeleton=CHAIN.skeleton,
)
"""A chain that may leave out all of its layers, and then has its stem alone."""


def experiment_on(experiment: Experiment, space: Space) -> Experiment:
    """The same run on another space, in one supernet."""
    spec = RunSpec.model_validate(
        experiment.spec.model_dump()
        | {"space": space.name, "splitter": {"kind": "none"}, "search": None}
    )
    return replace(experiment, spec=spec, space=space, partition=NoneSplitter().split(space))


def small(scorer: Scorer) -> Scorer:
    """The same scorer at sizes that take little time."""
    sizes: dict[str, int] = {}
    if isinstance(scorer, UntrainedScorer):
        sizes |= {"width": 4, "cells_per_stage": 1, "num_initialisations": 1}
    if isinstance(scorer, (BatchScorer, GradientScorer)):
        sizes |= {"batch_size": 8}
    return scorer.model_copy(update=sizes)


def every_scorer() -> list[Scorer]:
    """One of each kind whose score takes no scores of others."""
    found = [scorer() for scorer in concrete_subclasses(Scorer, "nas.ranking.scorers")]
    bases = (UntrainedScorer, GradientScorer)
    return [small(scorer) for scorer in found if isinstance(scorer, bases)]


def check_all_finite(experiment: Experiment, architectures: list[Architecture]) -> None:
    scorers = every_scorer()
    assert {"synflow", "naswot", "zico", "ntk-min-eigenvalue"} < {one.kind for one in scorers}
    supernet = fresh_state(experiment, None).supernet
    for architecture in architectures:
        scores = evaluate(experiment, supernet, architecture, experiment.scoring_images, scorers)
        for scorer, score in zip(scorers, scores, strict=True):
            assert isinstance(score, float)
            assert math.isfinite(score), (scorer.kind, architecture)


def test_every_valid_cell_of_digits_mini_has_every_score(make_experiment: Any) -> None:
    experiment = make_experiment()
    valid = [cell for cell in experiment.space.enumerate() if experiment.space.is_valid(cell)]
    assert len(valid) == 116
    check_all_finite(experiment, valid)


def test_cells_of_nas_bench_201_have_every_score(make_experiment: Any) -> None:
    space = catalogue()["nas-bench-201"]
    rng = random.Random(0)
    without_convolution = [
        ("none", "none", "none", "skip_connect", "none", "none"),
        ("none", "none", "none", "avg_pool_3x3", "none", "none"),
        ("skip_connect",) * 6,
        ("avg_pool_3x3",) * 6,
    ]
    check_all_finite(
        experiment_on(make_experiment(), space),
        [*without_convolution, *(space.sample(rng) for _ in range(30))],
    )


@pytest.mark.parametrize("space", [CHAIN, HOLLOW], ids=lambda space: space.name)
def test_every_chain_has_every_score(make_experiment: Any, space: Space) -> None:
    check_all_finite(experiment_on(make_experiment(), space), list(space.enumerate()))


@pytest.mark.parametrize("name", ["darts-cell", "mobilenet-proxyless-se"])
def test_large_spaces_have_every_score(make_experiment: Any, name: str) -> None:
    space = catalogue()[name]
    rng = random.Random(1)
    check_all_finite(
        experiment_on(make_experiment(), space), [space.sample(rng) for _ in range(2)]
    )


def test_images_of_odd_sizes_have_every_score(make_experiment: Any) -> None:
    generator = np.random.default_rng(0)
    split = ImageSplit(
        generator.integers(0, 256, (64, 2, 7, 5), dtype=np.uint8),
        np.arange(64, dtype=np.int64) % 3,
    )
    dataset = ImageDataset(split, split, split, ("a", "b", "c"), split_seed=0)
    space = catalogue()["nas-bench-201"]
    experiment = experiment_on(make_experiment(), space)
    rng = random.Random(2)
    check_all_finite(replace(experiment, dataset=dataset), [space.sample(rng) for _ in range(5)])


def test_weights_have_the_variance_of_their_number_of_inputs() -> None:
    network = nn.Sequential(nn.Conv2d(50, 60, 3), nn.BatchNorm2d(60), nn.Linear(400, 100))
    initialise(network, torch.Generator().manual_seed(0))
    convolution, norm, linear = network
    # A convolution reads 50 channels at nine places.
    assert convolution.weight.var().item() == pytest.approx(2 / 450, rel=0.05)
    assert linear.weight.var().item() == pytest.approx(2 / 400, rel=0.05)
    assert not convolution.bias.any()
    assert not linear.bias.any()
    assert bool((norm.weight == 1).all())


def test_dead_decisions_change_neither_network_nor_score(make_experiment: Any) -> None:
    experiment = make_experiment()
    # Node 1 leads nowhere in both.
    busy = experiment.space.decode("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|")
    idle = experiment.space.decode("|none~0|+|nor_conv_1x1~0|none~1|")
    other = experiment.space.decode("|none~0|+|nor_conv_3x3~0|none~1|")
    scores = experiment.untrained_scores
    for scorer in PROXIES:
        assert scores.of(scorer, busy) == scores.of(scorer, idle) != scores.of(scorer, other)
    networks = [
        make_experiment().untrained_scores.network(PROXIES[0], cell, 0).network
        for cell in (busy, idle)
    ]
    for one, two in zip(*(network.parameters() for network in networks), strict=True):
        assert torch.equal(one, two)


def test_the_runs_seed_decides_the_weights(make_experiment: Any) -> None:
    experiment = make_experiment()
    cell = experiment.space.decode("|none~0|+|nor_conv_1x1~0|none~1|")
    other = replace(experiment, spec=experiment.spec.model_copy(update={"seed": 6}))
    for scorer in PROXIES:
        assert experiment.untrained_scores.of(scorer, cell) != other.untrained_scores.of(
            scorer, cell
        )


def test_scores_do_not_depend_on_what_was_scored_before(make_experiment: Any) -> None:
    cells = [make_experiment().space.sample(random.Random(number)) for number in range(3)]
    one, other = make_experiment(), make_experiment()
    forwards = {
        (scorer.kind, cell): one.untrained_scores.of(scorer, cell)
        for cell in cells
        for scorer in PROXIES
    }
    # The other way round, and one scorer of all cells after the other.
    for scorer in reversed(PROXIES):
        for cell in reversed(cells):
            assert other.untrained_scores.of(scorer, cell) == forwards[scorer.kind, cell]


def test_the_global_generator_is_left_alone(make_experiment: Any) -> None:
    experiment = make_experiment()
    before = torch.get_rng_state()
    for scorer in PROXIES:
        experiment.untrained_scores.of(scorer, experiment.space.sample(random.Random(0)))
    assert torch.equal(torch.get_rng_state(), before)


def test_scorers_of_equal_sizes_share_one_network_and_one_pass(
    make_experiment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = make_experiment()
    built: list[Architecture] = []
    passes: list[int] = []
    build = untrained.build_stand_alone

    def counted_build(space: Any, architecture: Any, shape: Any) -> Any:
        built.append(architecture)
        network = build(space, architecture, shape)
        network.register_forward_hook(lambda module, given, output: passes.append(1))
        return network

    monkeypatch.setattr(untrained, "build_stand_alone", counted_build)
    busy, idle = (
        experiment.space.decode(code)
        for code in (
            "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|",
            "|avg_pool_3x3~0|+|nor_conv_1x1~0|none~1|",
        )
    )
    az_nas = PROXIES[:3]
    for cell in (busy, idle):
        for scorer in az_nas:
            experiment.untrained_scores.of(scorer, cell)
    assert (len(built), len(passes)) == (1, 1)
    # Images are another input, synflow reads ones; the network is the same.
    for scorer in (NaswotScorer(), SynflowScorer()):
        experiment.untrained_scores.of(scorer, busy)
    assert (len(built), len(passes)) == (1, 3)
    experiment.untrained_scores.of(ExpressivityScorer(width=3), busy)
    assert len(built) == 2


def test_networks_of_other_architectures_are_let_go_at_once(make_experiment: Any) -> None:
    experiment = make_experiment()
    one, other = (experiment.space.sample(random.Random(number)) for number in (0, 1))
    gc.disable()
    try:
        for scorer in PROXIES:
            experiment.untrained_scores.of(scorer, one)
        network = weakref.ref(experiment.untrained_scores.network(PROXIES[0], one, 0).network)
        assert network() is not None
        experiment.untrained_scores.of(SynflowScorer(), other)
        assert network() is None
    finally:
        gc.enable()


def test_features_lead_from_the_stem_to_the_output(make_experiment: Any) -> None:
    experiment = make_experiment()
    cell = experiment.space.decode("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|")
    found: UntrainedNetwork = experiment.untrained_scores.network(PROXIES[0], cell, 0)
    batch = found.read("noise", 8)
    stem, _, last = batch.features
    network: Any = found.network
    images = batch.images_NCHW
    assert torch.equal(stem, network.stem(images))
    pooled = torch.relu(network.tail(last)).mean(dim=(2, 3))
    assert torch.equal(network.classifier(pooled), network(images, cell))
    assert network.training
    assert stem.is_leaf
    assert last.requires_grad


def test_features_of_weight_banks_are_those_of_the_banks_that_are_read(
    make_experiment: Any,
) -> None:
    experiment = make_experiment()
    spec = RunSpec.model_validate(
        experiment.spec.model_dump()
        | {
            "splitter": {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [3]},
            "supernet": {"routing": "accumulated", "cells_per_stage": 3, "shared_cells": 1},
        }
    )
    network = build_supernet(
        experiment.space, spec.supernet.shape(), spec.partition(experiment.space)
    )
    images = experiment.probe_images.inputs("noise", 4)
    banks = set()
    called: list[nn.Module] = []

    def note(module: nn.Module, given: Any, output: Any) -> None:
        called.append(module)

    for cell in filter(experiment.space.is_valid, experiment.space.enumerate()):
        banks.add(network.banks_read(cell))
        expected = list(network.feature_modules(cell))
        called.clear()
        handles = [module.register_forward_hook(note) for module in expected]
        network(images, cell)
        for handle in handles:
            handle.remove()
        assert called == expected
        # The stem and three cells.
        assert len(called) == 4
    assert len(banks) > 1


def test_a_layer_that_a_chain_leaves_out_has_no_features(make_experiment: Any) -> None:
    experiment = experiment_on(make_experiment(), CHAIN)
    scores, scorer = experiment.untrained_scores, PROXIES[0]
    short = ("identity", "sep_conv_3x3", "identity")
    long = ("nor_conv_1x1", "mbconv_3x3_e3_se", "mbconv_3x3_e3")
    # The stem, and the layers that are there.
    assert len(scores.network(scorer, short, 0).read("noise", 4).features) == 2
    batch = scores.network(scorer, long, 0).read("noise", 4)
    assert len(batch.features) == 4
    # ReLU6 of the stem; a ReLU; two ReLU6 and the ReLU of squeeze-and-excitation; two ReLU6.
    assert len(batch.rectified) == 1 + 1 + 3 + 2


@pytest.mark.gpu
def test_scores_on_a_gpu_are_near_those_on_the_cpu(make_experiment: Any) -> None:
    on_cpu = make_experiment()
    on_gpu = replace(on_cpu, device="cuda")
    supernets = [fresh_state(experiment, None).supernet for experiment in (on_cpu, on_gpu)]
    rng = random.Random(0)
    for _ in range(3):
        cell = on_cpu.space.sample(rng)
        for scorer in every_scorer():
            one, two = (
                evaluate(experiment, supernet, cell, experiment.scoring_images, [scorer])[0]
                for experiment, supernet in zip((on_cpu, on_gpu), supernets, strict=True)
            )
            assert two == pytest.approx(one, rel=2e-2, abs=1e-2), scorer.kind
