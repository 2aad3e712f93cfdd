"""The contract of every strategy, applied to each one found: a new file is under test on arrival."""

import inspect
import json
import math
import random
from collections.abc import Sequence
from typing import Any, Literal, get_origin

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from nas.errors import InfeasibleLandmarks, InfeasibleSearch, ScoreUndefined
from nas.export.formats.base import Format
from nas.landmarks.choices import AnyLandmarkChoice
from nas.landmarks.choices.base import LandmarkChoice
from nas.landmarks.landmark import Landmark
from nas.landmarks.sources import AnyLandmarks
from nas.landmarks.sources.base import LandmarkSource
from nas.latency.sources import AnyLatency
from nas.latency.sources.base import LatencySource
from nas.operations.base import Operation
from nas.partition import AnySplitter
from nas.partition.base import Splitter
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.plugin import Strategy, concrete_subclasses, tagged_union
from nas.ranking.batch_norm import AnyBatchNormPolicy
from nas.ranking.batch_norm.base import BatchNormPolicy
from nas.ranking.evaluation import evaluate
from nas.ranking.reference import Measured
from nas.ranking.scorers import AnyScorer
from nas.ranking.scorers.base import ArchitectureScorer, CombinedScorer, Scorer, SupernetScorer
from nas.ranking.scorers.gradient import GradientScorer
from nas.ranking.scorers.untrained import UntrainedScorer
from nas.search import AnySearcher
from nas.search.base import Searcher
from nas.search.constraints import Constraints
from nas.search.loop import search
from nas.search.state import SearchState
from nas.spaces import AnySpace, catalogue
from nas.spaces.base import Architecture, Space
from nas.training.recipes import AnyRecipe
from nas.training.recipes.base import RetrainRecipe
from nas.training.regularisers import AnyRegulariser
from nas.training.regularisers.base import RegularisedStep, Regulariser, StepLosses
from nas.training.samplers import AnySampler
from nas.training.samplers.base import Sampler
from nas.training.state import fresh_state

SPACE = catalogue()["digits-mini"]
FAMILIES: list[tuple[type[Strategy], str, Any]] = [
    (Splitter, "nas.partition", AnySplitter),
    (Sampler, "nas.training.samplers", AnySampler),
    (Regulariser, "nas.training.regularisers", AnyRegulariser),
    (RetrainRecipe, "nas.training.recipes", AnyRecipe),
    (LandmarkChoice, "nas.landmarks.choices", AnyLandmarkChoice),
    (LandmarkSource, "nas.landmarks.sources", AnyLandmarks),
    (LatencySource, "nas.latency.sources", AnyLatency),
    (BatchNormPolicy, "nas.ranking.batch_norm", AnyBatchNormPolicy),
    (Scorer, "nas.ranking.scorers", AnyScorer),
    (Searcher, "nas.search", AnySearcher),
    (Space, "nas.spaces", AnySpace),
    # No spec holds these, so their packages name no unions.
    (Operation, "nas.operations", tagged_union("nas.operations", Operation)),
    (Format, "nas.export.formats", tagged_union("nas.export.formats", Format)),
]


def members(base: type[Strategy], package: str) -> list[Strategy]:
    """One of every strategy of a family; spaces are data, so theirs come from the catalogue."""
    if base is Space:
        return list(catalogue().values())
    return [strategy() for strategy in concrete_subclasses(base, package)]


def every(base: type[Strategy], package: str, name: str) -> pytest.MarkDecorator:
    found = members(base, package)
    assert found, package
    return pytest.mark.parametrize(name, found, ids=lambda one: one.kind)


ALL = [
    pytest.param(one, union, id=f"{package}:{one.kind}")
    for base, package, union in FAMILIES
    for one in members(base, package)
]


@pytest.mark.parametrize(("strategy", "union"), ALL)
def test_a_strategy_survives_json_and_is_found_by_its_kind(strategy: Strategy, union: Any) -> None:
    stored = json.loads(strategy.model_dump_json())
    loaded = TypeAdapter(union).validate_python(stored)
    assert loaded == strategy
    assert type(loaded) is type(strategy)


@pytest.mark.parametrize(("strategy", "union"), ALL)
def test_a_strategy_is_frozen_final_and_refuses_unknown_fields(
    strategy: Strategy, union: Any
) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        strategy.kind = "other"  # type: ignore[attr-defined]
    assert getattr(type(strategy), "__final__", False)
    stored = {**strategy.model_dump(mode="json"), "misspelt": 1}
    with pytest.raises(ValidationError, match="misspelt"):
        TypeAdapter(union).validate_python(stored)


@pytest.mark.parametrize(("strategy", "union"), ALL)
def test_a_strategy_declares_its_kind_and_describes_itself(strategy: Strategy, union: Any) -> None:
    kind = type(strategy).model_fields["kind"]
    assert get_origin(kind.annotation) is Literal
    assert kind.default == strategy.kind  # type: ignore[attr-defined]
    assert inspect.getdoc(type(strategy))
    for name, field in type(strategy).model_fields.items():
        documented = field.description or name == "kind"
        assert documented, f"{name} needs a description: the form shows it"


def test_kinds_are_unique_within_a_family() -> None:
    for base, package, _ in FAMILIES:
        classes = list(concrete_subclasses(base, package))
        kinds = [strategy.model_fields["kind"].default for strategy in classes]
        assert len(set(kinds)) == len(kinds)


@every(Splitter, "nas.partition", "splitter")
def test_a_partition_assigns_every_architecture_to_exactly_one_subspace(
    splitter: Splitter,
) -> None:
    partition = splitter.split(SPACE)
    sizes = [0] * len(partition.subspaces)
    valid = [0] * len(partition.subspaces)
    for cell in SPACE.enumerate():
        index = partition.route(cell)
        sizes[index] += 1
        valid[index] += SPACE.is_valid(cell)
    assert sizes == [subspace.size.all for subspace in partition.subspaces]
    assert valid == [subspace.size.valid for subspace in partition.subspaces]
    assert min(valid) > 0
    assert sum(sizes) == 125


@every(Splitter, "nas.partition", "splitter")
def test_splitting_twice_gives_the_same_partition(splitter: Splitter) -> None:
    assert splitter.split(SPACE) == splitter.split(SPACE)


@every(Sampler, "nas.training.samplers", "sampler")
@pytest.mark.parametrize("num_subspaces", [1, 2, 3])
def test_a_sampler_draws_valid_architectures_of_the_subspaces_it_names(
    sampler: Sampler, num_subspaces: int
) -> None:
    partition = NonlinearitySplitter(num_subspaces=num_subspaces).split(SPACE)
    rng = random.Random(0)
    steps = [sampler.draw(partition, step, rng) for step in range(3000)]
    for routes in steps:
        assert len(routes) == sampler.samples_per_step(SPACE, num_subspaces)
        for route in routes:
            assert SPACE.is_valid(route.architecture)
            assert partition.route(route.architecture) == route.subspace
    updates, shares = sampler.target_updates(partition), sampler.target_shares(partition)
    assert (updates is None) == (shares is None)
    if updates is None or shares is None:
        return
    for index, expected in enumerate(updates):
        trained = sum(any(route.subspace == index for route in routes) for routes in steps)
        assert trained / len(steps) == pytest.approx(expected, abs=0.04)
    assert sum(shares) == pytest.approx(1)


@every(Sampler, "nas.training.samplers", "sampler")
@pytest.mark.parametrize("num_subspaces", [1, 3])
def test_a_sampler_trains_operations_as_often_as_it_aims_at(
    sampler: Sampler, num_subspaces: int
) -> None:
    partition = NonlinearitySplitter(num_subspaces=num_subspaces).split(SPACE)
    sampler.check(partition)
    targets = sampler.operation_targets(partition)
    assert len(targets) == num_subspaces
    rng = random.Random(1)
    routes = [route for step in range(3000) for route in sampler.draw(partition, step, rng)]
    for index, shares_by_decision in enumerate(targets):
        members = [route.architecture for route in routes if route.subspace == index]
        for decision, shares in enumerate(shares_by_decision or ()):
            assert list(shares) == list(SPACE.choices[decision])
            for name, share in shares.items():
                observed = sum(member[decision] == name for member in members) / len(members)
                assert observed == pytest.approx(share, abs=0.07)


@every(Sampler, "nas.training.samplers", "sampler")
def test_a_sampler_draws_the_same_from_the_same_seed(sampler: Sampler) -> None:
    partition = NonlinearitySplitter().split(SPACE)
    first, second = random.Random(9), random.Random(9)
    for step in range(50):
        drawn = sampler.draw(partition, step, first)
        assert drawn == sampler.draw(partition, step, second)


class CountedLosses(StepLosses):
    """Losses of any architecture, and a note of every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def loss(self, architecture: Architecture) -> float:
        self.calls.append(("loss", architecture))
        return 1.0 + random.Random(str(architecture)).random()

    def add_gradient(self, architecture: Architecture, factor: float) -> None:
        assert math.isfinite(factor)
        assert factor
        self.calls.append(("gradient", architecture, factor))


@every(Regulariser, "nas.training.regularisers", "regulariser")
def test_a_regulariser_repeats_itself_and_its_term_is_finite(regulariser: Regulariser) -> None:
    partition = NonlinearitySplitter().split(SPACE)
    rng = random.Random(0)
    landmarks = [Landmark(partition.sample(0, rng), 0, float(value)) for value in range(6)]

    def applied(step: int) -> tuple[float, list[tuple[Any, ...]]]:
        losses = CountedLosses()
        at = RegularisedStep(step, 40, landmarks, random.Random(step), lambda images: losses)
        return regulariser.apply(at), losses.calls

    for step in range(40):
        term, calls = applied(step)
        assert math.isfinite(term)
        assert applied(step) == (term, calls)
    assert any(applied(step)[0] for step in range(40))


@every(LandmarkChoice, "nas.landmarks.choices", "choice")
def test_landmarks_are_distinct_valid_as_many_as_said_and_the_same_from_the_same_seed(
    choice: LandmarkChoice,
) -> None:
    valid = [member for member in SPACE.enumerate() if SPACE.is_valid(member)]
    known = {member: float(place) for place, member in enumerate(valid)}
    partition = NonlinearitySplitter().split(SPACE)
    if not choice.number:  # a list that is empty until somebody fills it
        with pytest.raises(InfeasibleLandmarks):
            choice.choose(partition, known, random.Random(0))
        return
    for pool in (known,) if choice.needs_accuracies else (known, None):
        small = choice.model_copy(update={"count": 12})
        chosen = small.choose(partition, pool, random.Random(0))
        assert len(chosen) == len(set(chosen)) == small.number == 12
        assert set(chosen) <= set(valid)
        assert chosen == small.choose(partition, pool, random.Random(0))


@every(SupernetScorer, "nas.ranking.scorers", "scorer")
def test_a_scorer_prefers_right_answers_to_wrong_ones(scorer: SupernetScorer) -> None:
    labels = torch.tensor([0, 1, 2, 0])
    right = torch.nn.functional.one_hot(labels, 3).float() * 4
    good, bad = scorer.from_logits(right, labels), scorer.from_logits(-right, labels)
    assert isinstance(good, float)
    assert math.isfinite(good)
    assert math.isfinite(bad)
    assert good > bad
    assert scorer.from_logits(right, labels) == good


@every(SupernetScorer, "nas.ranking.scorers", "scorer")
def test_a_scorer_never_turns_undefined_outputs_into_a_number(scorer: SupernetScorer) -> None:
    with pytest.raises(ScoreUndefined):
        scorer.from_logits(torch.full((4, 3), math.nan), torch.tensor([0, 1, 2, 0]))


@every(ArchitectureScorer, "nas.ranking.scorers", "scorer")
def test_a_scorer_of_architectures_ignores_what_is_dead(scorer: ArchitectureScorer) -> None:
    # Node 1 is reached but leads nowhere in the first; the second has nothing there.
    busy = SPACE.decode("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|")
    idle = SPACE.decode("|none~0|+|nor_conv_1x1~0|none~1|")
    score = scorer.of_architecture(SPACE, busy)
    assert isinstance(score, float)
    assert math.isfinite(score)
    assert score == scorer.of_architecture(SPACE, idle)


@every(UntrainedScorer, "nas.ranking.scorers", "scorer")
def test_a_scorer_of_untrained_networks_repeats_itself_and_ignores_what_is_dead(
    scorer: UntrainedScorer, make_experiment: Any
) -> None:
    # As for scorers of architectures.
    busy, idle, other = (
        SPACE.decode(code)
        for code in (
            "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|",
            "|none~0|+|nor_conv_1x1~0|none~1|",
            "|none~0|+|skip_connect~0|none~1|",
        )
    )
    first, second = (make_experiment().untrained_scores for _ in range(2))
    scores = [first.of(scorer, cell) for cell in (busy, other)]
    assert all(isinstance(score, float) and math.isfinite(score) for score in scores)
    assert scores[0] != scores[1]
    # In another order, by another process.
    assert [second.of(scorer, cell) for cell in (other, idle)] == scores[::-1]


@every(GradientScorer, "nas.ranking.scorers", "scorer")
def test_a_scorer_of_gradients_repeats_itself_and_leaves_the_supernet_alone(
    scorer: GradientScorer, make_experiment: Any
) -> None:
    experiment = make_experiment()
    supernet = fresh_state(experiment, None).supernet
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    cells = [SPACE.sample(random.Random(number)) for number in range(3)]

    def scores(members: list[Any]) -> list[float]:
        images = experiment.scoring_images
        return [evaluate(experiment, supernet, cell, images, [scorer])[0] for cell in members]

    found = scores(cells)
    assert all(isinstance(score, float) and math.isfinite(score) for score in found)
    assert scores(cells[::-1]) == found[::-1]
    for name, value in supernet.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(weight.grad is None for weight in supernet.parameters())


@every(CombinedScorer, "nas.ranking.scorers", "scorer")
def test_a_combined_scorer_gives_an_architecture_one_score_that_follows_its_components(
    scorer: CombinedScorer,
) -> None:
    valid = [member for member in SPACE.enumerate() if SPACE.is_valid(member)]
    rng = np.random.default_rng(0)
    quality = rng.normal(size=len(valid))
    values = quality[:, None] + 0.2 * rng.normal(size=(len(valid), 4))
    owners = np.array([NonlinearitySplitter().split(SPACE).route(member) for member in valid])

    def measured(chosen: slice) -> Measured:
        return Measured(SPACE, valid[chosen], owners[chosen], values[chosen])

    reference, landmarks = measured(slice(100)), measured(slice(20))
    accuracies = 80 + 5 * quality[:20]
    learned = scorer.calibrated(reference, landmarks, accuracies, int(owners.max()) + 1)
    assert (learned is not None) == scorer.needs_landmarks
    found = scorer.combined(reference, learned, measured(slice(None)))
    assert np.isfinite(found).all()
    assert np.corrcoef(found, quality)[0, 1] > 0.8
    for one in (0, 50, 110):
        alone = scorer.combined(reference, learned, measured(slice(one, one + 1)))
        assert alone.tolist() == [found[one]]


@every(Searcher, "nas.search", "searcher")
def test_a_searcher_keeps_budget_and_constraints_and_repeats_itself(searcher: Searcher) -> None:
    constraints = Constraints(flops=240_000)
    limited = searcher.model_copy(update={"budget": 45, "constraints": constraints})
    feasible = sum(
        SPACE.is_valid(cell) and constraints.allow(SPACE, cell) for cell in SPACE.enumerate()
    )
    try:
        limited.check(SPACE)
    except InfeasibleSearch as error:
        # The exhaustive one searches all or nothing.
        if error.parameter != "budget":
            raise
        limited = limited.model_copy(update={"budget": feasible})
    partition = NonlinearitySplitter().split(SPACE)

    def trajectory(seed: int) -> list[str]:
        def score_by_flops(cells: Sequence[Architecture]) -> list[list[float]]:
            return [[float(SPACE.flops(cell))] * len(limited.scorers) for cell in cells]

        events = search(limited, partition, score_by_flops, SearchState(), seed)
        return [event.architecture for event in events]

    visited = trajectory(0)
    assert len(visited) == len(set(visited)) == limited.budget <= feasible
    for code in visited:
        assert SPACE.is_valid(SPACE.decode(code))
        assert SPACE.flops(SPACE.decode(code)) <= 240_000
    assert trajectory(0) == visited


@every(Space, "nas.spaces", "space")
def test_a_space_agrees_with_itself(space: Space) -> None:
    histogram = space.histogram()
    assert list(histogram) == sorted(histogram)
    assert all(0 <= count.valid <= count.all for count in histogram.values())
    rng = random.Random(0)
    for count, number in histogram.items():
        if number.valid:
            cell = space.sample(rng, [count])
            assert space.is_valid(cell)
            assert space.nonlinearity_count(cell) == count
            assert space.decode(space.encode(cell)) == cell
            assert all(name in choices for name, choices in zip(cell, space.choices, strict=True))
            assert space.flops(cell) > 0
            assert space.parameters(cell) > 0
