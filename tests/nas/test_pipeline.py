"""Units of a run: order, resumption and independence, bit by bit."""

import hashlib
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from nas import pipeline
from nas.data.dataset import ImageSplit
from nas.data.digits import digits
from nas.errors import InfeasibleLandmarks, InfeasibleRanking
from nas.events import (
    ArchitecturesScored,
    CandidateEvaluated,
    RoundFinished,
    StandAloneTrained,
    TrainingProgressed,
)
from nas.experiment import Experiment
from nas.landmarks.landmark import NO_LANDMARKS, Landmark, Landmarks
from nas.pipeline import (
    landmarks_unit,
    partition_unit,
    rank_unit,
    search_unit,
    train_unit,
)
from nas.ranking.sample import ranking_sample
from nas.search.loop import search
from nas.search.state import SearchState
from nas.seeds import stream
from nas.spaces import catalogue
from nas.spec import RunSpec, round_boundaries
from nas.training import loop
from nas.training.recipe import StandAloneRecipe
from nas.training.samplers.base import Route
from nas.training.schedule import Schedule
from nas.training.state import TrainState, fresh_state, inherited_state
from nas.training.team import Team


def weights(state: TrainState) -> dict[str, torch.Tensor]:
    found = {f"weight {name}": value for name, value in state.supernet.state_dict().items()}
    momentum = state.optimizer.stored_momentum(state.supernet)
    return found | {f"momentum {name}": value for name, value in momentum.items()}


def assert_equal_states(one: TrainState, other: TrainState) -> None:
    assert weights(one).keys() == weights(other).keys()
    for name, value in weights(one).items():
        assert torch.equal(value, weights(other)[name]), name
    assert one.balance == other.balance
    assert (one.next_step, one.finished_round) == (other.next_step, other.finished_round)


def trained(experiment, state: TrainState) -> TrainState:
    list(train_unit(experiment, state))
    return state


def test_importing_the_pipeline_loads_no_torch() -> None:
    code = "import sys, nas.pipeline; sys.exit(len({'torch', 'sklearn'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_partition_unit_reports_what_the_splitter_made(make_experiment) -> None:
    experiment = make_experiment()
    (event,) = partition_unit(experiment)
    assert [subspace.size.valid for subspace in event.partition.subspaces] == [30, 66, 20]
    assert [size.width for size in event.supernets.subspaces] == [4, 4, 4]


def test_the_ranking_sample_is_distinct_valid_and_its_start_is_the_live_sample(
    make_experiment,
) -> None:
    experiment = make_experiment()
    sample = ranking_sample(experiment.spec, experiment.space)
    assert len(sample) == len(set(sample)) == 40
    assert all(experiment.space.is_valid(member) for member in sample)
    assert experiment.live_sample == sample[:12]


def test_a_sample_as_large_as_the_space_holds_every_valid_architecture(make_experiment) -> None:
    experiment = make_experiment()
    ranking = experiment.spec.ranking.model_copy(update={"num_architectures": 500})
    spec = experiment.spec.model_copy(update={"ranking": ranking})
    sample = ranking_sample(spec, experiment.space)
    assert len(sample) == len(set(sample)) == 116


def test_the_sample_of_a_large_space_has_the_shares_of_its_subspaces() -> None:
    space = catalogue()["nas-bench-201"]
    spec = RunSpec.model_validate(
        {
            "name": "sample",
            "space": space.name,
            "dataset": "digits",
            "training": {"steps": 10},
            "ranking": {"num_architectures": 3000},
        }
    )
    sample = ranking_sample(spec, space)
    assert len(set(sample)) == 3000
    found = Counter(space.nonlinearity_count(member) for member in sample)
    histogram = space.histogram()
    for count, number in histogram.items():
        # Five standard deviations of a draw without replacement, at most.
        expected = 3000 * number.valid / 15284
        assert abs(found[count] - expected) < 5 * expected**0.5


def test_no_landmark_and_nothing_that_computes_the_same_is_ranked(make_experiment) -> None:
    experiment = make_experiment()
    spec, space = experiment.spec, experiment.space
    plain = ranking_sample(spec, space)
    # Two of the sample; the second has a dead edge, so that others compute the same.
    dead_edge = next(member for member in plain if not all(space.live(member)))
    landmarks = Landmarks(
        tuple(
            Landmark(member, experiment.partition.route(member), 50.0)
            for member in (next(one for one in plain if one != dead_edge), dead_edge)
        )
    )
    excluded = [
        member
        for member in space.enumerate()
        if space.is_valid(member) and space.live_form(member) in landmarks.forms(space)
    ]
    assert len(excluded) > 2
    for sized in (40, 500):
        ranking = spec.ranking.model_copy(update={"num_architectures": sized})
        changed = spec.model_copy(update={"ranking": ranking})
        sample = ranking_sample(changed, space, landmarks)
        assert len(sample) == len(set(sample)) == min(sized, 116 - len(excluded))
        assert not set(sample) & set(excluded)
    kept = replace(experiment, landmarks=landmarks)
    assert kept.live_sample == ranking_sample(spec, space, landmarks)[:12]
    large = catalogue()["nas-bench-201"]
    first = ranking_sample(spec, large)[0]
    left = ranking_sample(spec, large, Landmarks((Landmark(first, 0, 1.0),)))
    assert len(left) == 40
    assert first not in left


def test_a_sample_among_a_benchmark_is_of_it_and_without_landmarks(make_experiment) -> None:
    plain = make_experiment()
    space = plain.space
    valid = [member for member in space.enumerate() if space.is_valid(member)]
    known = valid[::2]
    codes = [space.encode(member) for member in known]

    def ranked(landmarks: Landmarks = NO_LANDMARKS, **changes: object) -> tuple:
        ranking = plain.spec.ranking.model_copy(update={"among": "benchmark"} | changes)
        spec = plain.spec.model_copy(update={"ranking": ranking})
        return ranking_sample(spec, space, landmarks, codes)

    assert set(ranked(num_architectures=500)) == set(known)
    first = ranked(num_architectures=20)
    assert first == ranked(num_architectures=500)[:20]
    assert len(set(first)) == 20
    assert first != tuple(known[:20])
    codes.reverse()
    assert ranked(num_architectures=20) == first  # the order of the table decides nothing
    landmarks = Landmarks((Landmark(first[0], 0, 50.0),))
    left = ranked(landmarks, num_architectures=500)
    assert first[0] not in left
    assert not {space.live_form(one) for one in left} & landmarks.forms(space)
    del codes[2:]
    with pytest.raises(InfeasibleRanking, match="holds 2 valid architectures"):
        ranked()


def test_landmarks_that_leave_nothing_to_rank_are_refused(make_experiment) -> None:
    experiment = make_experiment()
    space = experiment.space
    valid = [member for member in space.enumerate() if space.is_valid(member)]
    landmarks = Landmarks(tuple(Landmark(member, 0, 1.0) for member in valid))
    with pytest.raises(InfeasibleLandmarks, match="116 landmarks leave 0 architectures"):
        ranking_sample(experiment.spec, space, landmarks)


def test_live_rounds_leave_landmarks_out(make_experiment) -> None:
    plain = make_experiment()
    landmarks = Landmarks(
        tuple(
            Landmark(member, plain.partition.route(member), 50.0)
            for member in plain.live_sample[:6]
        )
    )
    experiment = make_experiment(landmarks=landmarks)
    events = list(train_unit(experiment, fresh_state(experiment, None)))
    seen = {score.architecture for _, score in scored(events)}
    assert len(seen) == 12
    assert not seen & {plain.space.encode(one.architecture) for one in landmarks.chosen}


def test_landmarks_are_trained_to_the_same_accuracy_in_any_order(make_experiment) -> None:
    space = catalogue()["digits-mini"]
    one, other = ("none", "nor_conv_3x3", "none"), ("none", "skip_connect", "none")
    landmarks = Landmarks((Landmark(one, 0), Landmark(other, 0)))
    experiment = make_experiment(landmarks=landmarks)
    source = experiment.spec.landmarks.model_copy(update={"recipe": StandAloneRecipe(epochs=1)})
    experiment = replace(experiment, spec=experiment.spec.model_copy(update={"landmarks": source}))

    def accuracies(*trainings) -> dict:
        return {
            (event.architecture, event.seed): event.accuracy
            for event in landmarks_unit(experiment, trainings)
            if isinstance(event, StandAloneTrained)
        }

    found = accuracies((one, 0), (one, 1), (other, 0))
    assert list(found) == [
        (space.encode(one), 0), (space.encode(one), 1), (space.encode(other), 0),
    ]  # fmt: skip
    assert accuracies((other, 0)) | accuracies((one, 1), (one, 0)) == found
    assert found[space.encode(one), 0] != found[space.encode(one), 1]
    assert accuracies() == {}


@pytest.mark.parametrize(("split", "matters"), [("test", False), ("validation", True)])
def test_landmarks_are_measured_on_validation_images_alone(
    make_experiment, split, matters
) -> None:
    member = ("none", "nor_conv_3x3", "none")
    experiment = make_experiment(landmarks=Landmarks((Landmark(member, 0),)))
    source = experiment.spec.landmarks.model_copy(update={"recipe": StandAloneRecipe(epochs=1)})
    experiment = replace(experiment, spec=experiment.spec.model_copy(update={"landmarks": source}))

    def accuracy(changed) -> float:
        *_, trained = landmarks_unit(changed, [(member, 0)])
        return trained.accuracy

    usual, noisy = accuracy(experiment), accuracy(with_noise_instead(experiment, split))
    assert (noisy != usual) == matters


def test_rounds_end_with_the_live_scores_of_the_units_subspace(make_experiment) -> None:
    experiment = make_experiment(warm_up_steps=12)
    warm = fresh_state(experiment, None)
    events = list(train_unit(experiment, warm))
    finished = [event.step for event in events if isinstance(event, RoundFinished)]
    assert finished == [8, 12]
    assert round_boundaries(experiment.spec) == (8, 12, 16, 24)
    live = {experiment.space.encode(member) for member in experiment.live_sample}
    for boundary in finished:
        scored = [
            score.architecture
            for event in events
            if isinstance(event, ArchitecturesScored) and event.step == boundary
            for score in event.scores
            if score.scorer == "loss"
        ]
        assert sorted(scored) == sorted(live)
    child_events = list(train_unit(experiment, inherited_state(experiment, warm, 1)))
    assert [e.step for e in child_events if isinstance(e, RoundFinished)] == [16, 24]
    owners = {
        score.subspace
        for event in child_events
        if isinstance(event, ArchitecturesScored)
        for score in event.scores
    }
    assert owners == {1}


@pytest.mark.parametrize("subspace", [None, 1])
def test_a_unit_resumed_at_any_event_ends_bit_identical(
    make_experiment, monkeypatch, subspace
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    experiment = make_experiment(warm_up_steps=12 if subspace is None else 0)
    whole = fresh_state(experiment, subspace)
    checkpoints, events = [], []
    for event in train_unit(experiment, whole):
        events.append(event)
        checkpoints.append(whole.to_bytes())
    assert len(checkpoints) > 8
    for position, data in enumerate(checkpoints):
        resumed = TrainState.from_bytes(experiment, data)
        rest = list(train_unit(experiment, resumed))
        assert_equal_states(resumed, whole)
        # No finished round is reported twice, and the scores of an open one come again equal.
        rounds = [event for event in events[position + 1 :] if isinstance(event, RoundFinished)]
        assert [event for event in rest if isinstance(event, RoundFinished)] == rounds
        assert set(scored(rest)) <= set(scored(events))
        assert set(scored(events[position + 1 :])) <= set(scored(rest))


def scored(events) -> list[tuple[int, object]]:
    return [
        (event.step, score)
        for event in events
        if isinstance(event, ArchitecturesScored)
        for score in event.scores
    ]


def test_units_trained_in_turns_equal_units_trained_alone(make_experiment) -> None:
    experiment = make_experiment(warm_up_steps=6, steps=60)
    warm = trained(experiment, fresh_state(experiment, None))
    together = [inherited_state(experiment, warm, index) for index in range(3)]
    open_units = [train_unit(experiment, state) for state in together]
    while open_units:
        open_units = [unit for unit in open_units if next(unit, None) is not None]
    stored = warm.to_bytes()
    for index in (2, 0, 1):
        # As on another worker: from the warm-up's checkpoint, alone, in another order.
        own = make_experiment(warm_up_steps=6, steps=60)
        alone = inherited_state(own, TrainState.from_bytes(own, stored), index)
        assert_equal_states(trained(own, alone), together[index])
    assert sum(state.updates for state in together) == 54


SAMPLERS = [
    pytest.param({"kind": "supernet-balanced"}, id="balanced"),
    pytest.param(
        {"kind": "supernet-balanced", "architectures_per_step": "one-per-subspace"},
        id="one-per-subspace",
    ),
    pytest.param({"kind": "uniform"}, id="uniform"),
    pytest.param({"kind": "fair"}, id="fair"),
    pytest.param({"kind": "sandwich"}, id="sandwich"),
]


def sha256_of(state: TrainState) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(weights(state).items()):
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def alone_from(experiment, warm_bytes: bytes, subspace: int) -> TrainState:
    """Train one supernet from the stored warm-up, as a unit of its own."""
    warm = TrainState.from_bytes(experiment, warm_bytes)
    return trained(experiment, inherited_state(experiment, warm, subspace))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_supernets_trained_step_by_step_in_one_process_equal_units_of_their_own(
    make_experiment, monkeypatch, sampler
) -> None:
    # An event after every step, so that each step of one supernet is followed by another's.
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    changes = {"sampler": sampler, "warm_up_steps": 6, "steps": 30}
    experiment = make_experiment(**changes)
    warm = trained(experiment, fresh_state(experiment, None))
    stored = warm.to_bytes()
    together = [inherited_state(experiment, warm, index) for index in range(3)]
    open_units = [train_unit(experiment, state) for state in together]
    while open_units:
        open_units = [unit for unit in open_units if next(unit, None) is not None]
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.25)
    for index in (2, 0, 1):
        alone = alone_from(make_experiment(**changes), stored, index)
        assert alone.updates > 0
        assert_equal_states(alone, together[index])
        assert sha256_of(alone) == sha256_of(together[index])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_supernet_killed_five_times_at_random_steps_ends_with_the_same_weights(
    make_experiment, monkeypatch, sampler
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    changes = {"sampler": sampler, "warm_up_steps": 6, "steps": 40}
    experiment = make_experiment(**changes)
    warm = trained(experiment, fresh_state(experiment, None))
    whole = trained(experiment, inherited_state(experiment, warm, 1))
    chance = random.Random(4)
    data = inherited_state(experiment, warm, 1).to_bytes()
    starts = []
    for _ in range(5):
        state = TrainState.from_bytes(make_experiment(**changes), data)
        starts.append(state.next_step)
        stored_after, killed_after = sorted(chance.sample(range(1, 8), 2))
        updates = (
            event
            for event in train_unit(experiment, state)
            if isinstance(event, TrainingProgressed)
        )
        for position, _ in zip(range(killed_after), updates, strict=False):
            if position + 1 == stored_after:
                data = state.to_bytes()
        # What came after the checkpoint is lost with the process.
    assert len(set(starts)) == 5
    assert starts[-1] > 10
    resumed = trained(experiment, TrainState.from_bytes(experiment, data))
    assert_equal_states(resumed, whole)
    assert sha256_of(resumed) == sha256_of(whole)


def test_methods_2_11_7_outputs_are_unchanged_by_training_steps_of_another_class(
    make_experiment,
) -> None:
    experiment = make_experiment(warm_up_steps=6, steps=300)
    warm = trained(experiment, fresh_state(experiment, None))
    states = [inherited_state(experiment, warm, index) for index in range(3)]
    schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
    images = experiment.scoring_images.batches[0]
    rng = stream(0, "observed")
    observed = [
        experiment.partition.sample(subspace.index, rng)
        for subspace in experiment.partition.subspaces
        for _ in range(3)
    ]

    def outputs() -> list[torch.Tensor]:
        with torch.no_grad():
            return [
                states[experiment.partition.route(member)].supernet(images, member)
                for member in observed
            ]

    for owner, subspace in enumerate(experiment.partition.subspaces):
        before = outputs()
        for _ in range(4):
            architecture = experiment.partition.sample(subspace.index, rng)
            route = Route(owner, architecture)
            loop.update(experiment, states[owner], schedule, [route], Team())
        for member, old, new in zip(observed, before, outputs(), strict=True):
            same_class = experiment.partition.route(member) == owner
            assert torch.equal(old, new) != same_class


def test_final_scores_are_those_of_the_ranked_supernet_in_chunks(make_experiment) -> None:
    experiment = make_experiment()
    state = trained(experiment, fresh_state(experiment, 1))
    own = [
        member
        for member in experiment.space.enumerate()
        if experiment.space.is_valid(member) and experiment.partition.route(member) == 1
    ]
    events = list(rank_unit(experiment, state, own))
    assert [len(event.scores) for event in events] == [40, 40, 40, 12]
    scores = [score for event in events for score in event.scores]
    assert {event.step for event in events} == {24}
    assert [score.architecture for score in scores if score.scorer == "accuracy"] == [
        experiment.space.encode(member) for member in sorted(own, key=experiment.space.live_form)
    ]
    assert all(score.score < 0 for score in scores if score.scorer == "loss")
    restored = TrainState.from_bytes(experiment, state.to_bytes())
    assert list(rank_unit(experiment, restored, own)) == events


def test_ranking_refuses_architectures_of_another_subspace(make_experiment) -> None:
    experiment = make_experiment()
    foreign = experiment.space.sample(stream(0, "foreign"), {2})
    with pytest.raises(ValueError, match="belongs to sub-space 2, not to 0"):
        list(rank_unit(experiment, fresh_state(experiment, 0), [foreign]))


def test_search_scores_each_candidate_with_its_own_supernet_and_resumes(make_experiment) -> None:
    experiment = make_experiment()
    states = [trained(experiment, fresh_state(experiment, index)) for index in range(3)]
    whole = list(search_unit(experiment, states, SearchState()))
    assert [event.evaluation for event in whole] == list(range(1, 13))
    for event in whole:
        assert isinstance(event, CandidateEvaluated)
        member = experiment.space.decode(event.architecture)
        (ranked,) = rank_unit(experiment, states[event.subspace], [member])
        assert event.score == ranked.scores[0].score
    for stop in (1, 5, 11):
        state = SearchState()
        first = []
        for event in search_unit(experiment, states, state):
            first.append(event)
            if len(first) == stop:
                break
        stored = SearchState.model_validate_json(state.model_dump_json())
        assert first + list(search_unit(experiment, states, stored)) == whole


def test_a_search_spends_under_a_twentieth_of_its_time_outside_of_scoring(monkeypatch) -> None:
    space = catalogue()["nas-bench-201"]
    spec = RunSpec.model_validate(
        {
            "name": "overhead",
            "space": space.name,
            "dataset": "digits",
            "training": {"steps": 10},
            "search": {"kind": "evolution", "budget": 50},
        }
    )
    experiment = Experiment(spec, space, spec.splitter.split(space), digits())
    states = [
        fresh_state(experiment, index) for index in range(len(experiment.partition.subspaces))
    ]
    list(search_unit(experiment, states, SearchState()))  # what is loaded and counted once
    scoring = 0.0

    def timed_search(searcher, partition, evaluate, *rest, **named):
        def timed(architectures):
            nonlocal scoring
            before = time.process_time()
            scores = evaluate(architectures)
            scoring += time.process_time() - before
            return scores

        yield from search(searcher, partition, timed, *rest, **named)

    monkeypatch.setattr(pipeline, "search", timed_search)
    before = time.process_time()
    assert len(list(search_unit(experiment, states, SearchState()))) == 50
    whole = time.process_time() - before
    assert (whole - scoring) / whole < 0.05


def executed(experiment) -> tuple[list[TrainState], list[tuple], list[CandidateEvaluated]]:
    """Train, rank and search as a run does; return supernets, all scores, candidates."""
    scores: list[tuple] = []

    def train(state: TrainState) -> TrainState:
        scores.extend(scored(train_unit(experiment, state)))
        return state

    warm = train(fresh_state(experiment, None))
    states = [train(inherited_state(experiment, warm, index)) for index in range(3)]
    for member in ranking_sample(experiment.spec, experiment.space):
        owner = states[experiment.partition.route(member)]
        scores.extend(scored(rank_unit(experiment, owner, [member])))
    return states, scores, list(search_unit(experiment, states, SearchState()))


def with_noise_instead(experiment, split: str) -> Experiment:
    """The same experiment on a dataset one of whose splits is replaced."""
    rng = np.random.default_rng(0)
    old: ImageSplit = getattr(experiment.dataset, split)
    images = rng.integers(0, 256, old.images.shape, dtype=np.uint8)
    noise = ImageSplit(images, rng.permutation(old.labels))
    return replace(experiment, dataset=replace(experiment.dataset, **{split: noise}))


def test_a_run_trains_on_train_scores_on_validation_and_never_reads_test(make_experiment) -> None:
    experiment = make_experiment(warm_up_steps=8)
    states, scores, found = executed(experiment)

    def weights_differ(others: list[TrainState]) -> bool:
        return any(
            not torch.equal(value, weights(other)[name])
            for state, other in zip(states, others, strict=True)
            for name, value in weights(state).items()
        )

    test_changed = executed(with_noise_instead(experiment, "test"))
    assert not weights_differ(test_changed[0])
    assert test_changed[1:] == (scores, found)
    validation_changed = executed(with_noise_instead(experiment, "validation"))
    assert not weights_differ(validation_changed[0])
    losses = {(step, score) for step, score in scores if score.scorer == "loss"}
    assert losses.isdisjoint(validation_changed[1])
    assert validation_changed[2] != found
    assert weights_differ(executed(with_noise_instead(experiment, "train"))[0])


def test_training_progress_is_cumulative(make_experiment) -> None:
    experiment = make_experiment()
    events = [
        event
        for event in train_unit(experiment, fresh_state(experiment, 0))
        if isinstance(event, TrainingProgressed)
    ]
    assert [event.step for event in events] == sorted(event.step for event in events)
    assert events[-1].updates == events[-1].balance[0].updates
    assert {count.subspace for event in events for count in event.balance} == {0}
