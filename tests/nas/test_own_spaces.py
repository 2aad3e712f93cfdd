"""Spaces as a user writes them go through training, ranking, search and stand-alone training."""

from typing import Any

import pytest
import torch
import yaml
from pydantic import TypeAdapter

from nas.data.digits import digits
from nas.events import ArchitecturesScored, CandidateEvaluated, RoundFinished
from nas.experiment import Experiment
from nas.pipeline import rank_unit, search_unit, train_unit
from nas.ranking.sample import ranking_sample
from nas.search.state import SearchState
from nas.spaces import AnySpace
from nas.spaces.base import Space
from nas.spec import RunSpec
from nas.training.recipe import AugmentationSpec, StandAloneRecipe
from nas.training.standalone import StandAloneTrainer
from nas.training.state import TrainState, fresh_state, inherited_state

CELL = """
kind: cell
name: my-cell
num_nodes: 5
num_inputs: 2
operations: [none, skip_connect, max_pool_3x3_bn, dil_conv_3x3]
edges:
  - {source: 0, target: 2}
  - {source: 1, target: 2, operations: [nor_conv_1x1, sep_conv_3x3]}
  - {source: 1, target: 3}
  - {source: 2, target: 3}
  - {source: 2, target: 4, operations: [avg_pool_3x3_bn, none]}
  - {source: 0, target: 4}
outputs: [3, 4]
skeleton:
  width: 12
  widths: [12, 20]
  cells_per_stage: 2
  num_stages: 2
  reduction: cell
  stem_multiplier: 2
  image_size: 8
  image_channels: 1
  num_classes: 10
"""
CHAIN = """
kind: layered
name: my-chain
operations: [mbconv_3x3_e3, mbconv_3x3_e3_se, identity]
layers:
  - {channels: 12, operations: [sep_conv_3x3, nor_conv_3x3]}
  - {channels: 12}
  - {channels: 12}
  - {channels: 24, stride: 2, operations: [mbconv_3x3_e3, mbconv_5x5_e3_se]}
  - {channels: 24}
skeleton:
  stem_channels: 8
  stem_stride: 1
  head_channels: 40
  image_size: 8
  image_channels: 1
  num_classes: 10
"""
SPACES: list[Space] = [
    TypeAdapter(AnySpace).validate_python(yaml.safe_load(text)) for text in (CELL, CHAIN)
]
EVERY = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)


def experiment(space: Space, **training: Any) -> Experiment:
    spec = RunSpec.model_validate(
        {
            "name": "own",
            "space": space.name,
            "dataset": "digits",
            "splitter": {"kind": "nonlinearity", "num_subspaces": 2},
            "supernet": {"width": 4},
            "training": {"steps": 12, "batch_size": 16, **training},
            "ranking": {
                "num_architectures": 10,
                "live_architectures": 4,
                "every_steps": 6,
                "num_images": 60,
                "live_images": 60,
                "batch_size": 30,
            },
            "search": {"kind": "evolution", "budget": 6},
        }
    )
    return Experiment(spec, space, spec.partition(space), digits())


def trained(run: Experiment) -> list[TrainState]:
    warm = fresh_state(run, None)
    list(train_unit(run, warm))
    states = [inherited_state(run, warm, subspace) for subspace in range(2)]
    for state in states:
        events = list(train_unit(run, state))
        assert [event.step for event in events if isinstance(event, RoundFinished)] == [12]
    return states


@EVERY
def test_a_run_on_it_trains_ranks_and_searches(space: Space) -> None:
    run = experiment(space, warm_up_steps=6)
    states = trained(run)
    assert sum(state.updates for state in states) == 6
    sample = ranking_sample(run.spec, space)
    for subspace, state in enumerate(states):
        own = [member for member in sample if run.partition.route(member) == subspace]
        (event,) = rank_unit(run, state, own)
        assert isinstance(event, ArchitecturesScored)
        scored = [space.decode(entry.architecture) for entry in event.scores]
        assert scored == sorted(own, key=space.live_form)
        assert len({entry.score for entry in event.scores}) > 1
    found = list(search_unit(run, states, SearchState()))
    assert len(found) == 6
    for candidate in found:
        assert isinstance(candidate, CandidateEvaluated)
        architecture = space.decode(candidate.architecture)
        assert space.is_valid(architecture)
        assert candidate.flops == space.flops(architecture)


@EVERY
def test_an_interrupted_unit_continues_bit_by_bit(space: Space) -> None:
    run = experiment(space)
    whole, parts = fresh_state(run, 1), fresh_state(run, 1)
    list(train_unit(run, whole))
    for event in train_unit(run, parts):
        if isinstance(event, RoundFinished):
            break
    parts = TrainState.from_bytes(run, parts.to_bytes())
    list(train_unit(run, parts))
    for name, weight in whole.supernet.state_dict().items():
        assert torch.equal(parts.supernet.state_dict()[name], weight), name


@EVERY
def test_the_supernet_is_as_wide_as_the_run_asks(space: Space) -> None:
    state = fresh_state(experiment(space), 0)
    # A third of the cell's 12 channels, two times over after the stem; half of the chain's 8.
    stems = {"my-cell": 2 * 4, "my-chain": 4}
    assert state.supernet.stem[0].out_channels == stems[space.name]  # type: ignore[index,union-attr]


@EVERY
def test_its_architectures_train_alone(space: Space) -> None:
    recipe = StandAloneRecipe(epochs=4, augmentation=AugmentationSpec())
    trainer = StandAloneTrainer(space, digits(), recipe)
    architecture = space.counting().unrank(space.size.valid - 1)
    assert trainer.test_accuracy(architecture, seed=0) > 60
