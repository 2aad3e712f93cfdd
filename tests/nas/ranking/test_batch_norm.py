"""Policies of BatchNorm: whose statistics a score is made with."""

import random
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from nas.experiment import Experiment
from nas.pipeline import rank_unit, train_unit
from nas.ranking.batch_norm.base import BatchNormPolicy
from nas.ranking.batch_norm.batch_stats import BatchStats
from nas.ranking.batch_norm.recalibrate import Recalibrate
from nas.ranking.batch_norm.running import Running
from nas.ranking.scorers.loss import LossScorer
from nas.ranking.scoring import ScoringImages, score, scores, scoring_images
from nas.spaces.base import Architecture
from nas.supernets.network import Network
from nas.supernets.statistics import estimate_statistics, keeps_statistics, with_statistics
from nas.training.loop import train
from nas.training.state import TrainState, fresh_state, inherit, inherited_state

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
POLICIES = pytest.mark.parametrize(
    "policy", [BatchStats(), Recalibrate(batches=2), Running()], ids=lambda policy: policy.kind
)


def under(experiment: Experiment, policy: BatchNormPolicy) -> Experiment:
    ranking = experiment.spec.ranking.model_copy(update={"batch_norm": policy})
    return replace(experiment, spec=experiment.spec.model_copy(update={"ranking": ranking}))


def trained(experiment: Experiment, subspace: int = 0, until: int = 24) -> TrainState:
    state = fresh_state(experiment, subspace)
    for _ in train(experiment, state, until):
        pass
    return state


def images_of(experiment: Experiment, batch_size: int) -> ScoringImages:
    return scoring_images(
        experiment.dataset, num_images=120, batch_size=batch_size, device=experiment.device
    )


def members(experiment: Experiment, number: int = 6) -> list[Architecture]:
    rng = random.Random(1)
    labels = experiment.partition.subspaces[0].labels
    return [experiment.space.sample(rng, labels) for _ in range(number)]


def statistics(network: Network) -> dict[str, Tensor]:
    return {
        name: value
        for name, value in network.state_dict().items()
        if name.rpartition(".")[2] in STATISTICS
    }


def test_the_conditions_name_a_policy_with_its_parameters() -> None:
    labels = [policy.label for policy in (BatchStats(), Recalibrate(batches=3), Running())]
    assert labels == ["batch-stats", "recalibrate(3)", "running"]


@POLICIES
def test_only_statistics_of_the_batch_depend_on_how_images_are_batched(
    make_experiment, policy: BatchNormPolicy
) -> None:
    experiment = under(make_experiment(), policy)
    supernet = trained(experiment).supernet
    member = members(experiment)[0]
    # The same images, and the same calibration, in batches of another size.
    whole = images_of(experiment, 60)
    halved = replace(whole, batches=tuple(half for one in whole.batches for half in one.split(30)))
    one, other = (
        score(supernet, member, images, [LossScorer()], policy)[0] for images in (whole, halved)
    )
    assert (one == pytest.approx(other, rel=1e-5)) == (policy.kind != "batch-stats")


@POLICIES
def test_scores_are_a_function_of_the_architecture_alone(
    make_experiment, policy: BatchNormPolicy
) -> None:
    experiment = under(make_experiment(), policy)
    supernet = trained(experiment).supernet
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    images, own = experiment.scoring_images, members(experiment)
    together = dict(scores(supernet, own, images, [LossScorer()], policy))
    assert set(together) == set(own)
    for member in own[3:]:
        assert score(supernet, member, images, [LossScorer()], policy) == together[member]
    after = supernet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], value) for name, value in after.items())
    assert supernet.training


def test_recalibrated_statistics_are_means_over_the_batches(make_experiment) -> None:
    experiment = make_experiment()
    supernet = fresh_state(experiment, 0).supernet
    judge = with_statistics(supernet)
    images = experiment.scoring_images
    one, other = members(experiment)[:2]
    estimate_statistics(judge, other, [images.calibration(7)])
    batches = [images.calibration(number) for number in range(3)]
    estimate_statistics(judge, one, batches)
    weight = supernet.state_dict()["stem.0.weight"]
    convolved = [conv2d(batch, weight, padding=1).transpose(0, 1).flatten(1) for batch in batches]
    found = judge.state_dict()
    assert int(found["stem.1.num_batches_tracked"]) == 3
    torch.testing.assert_close(
        found["stem.1.running_mean"], sum(x.mean(dim=1) for x in convolved) / 3
    )
    torch.testing.assert_close(
        found["stem.1.running_var"], sum(x.var(dim=1, unbiased=True) for x in convolved) / 3
    )
    assert not statistics(supernet)


def test_an_architecture_is_recalibrated_without_a_trace_of_the_one_before(
    make_experiment,
) -> None:
    experiment = make_experiment()
    judge = with_statistics(fresh_state(experiment, 0).supernet)
    one, other = members(experiment)[:2]
    batches = [experiment.scoring_images.calibration(number) for number in range(2)]
    estimate_statistics(judge, one, batches)
    alone = {name: value.clone() for name, value in judge.state_dict().items()}
    estimate_statistics(judge, other, batches)
    estimate_statistics(judge, one, batches)
    again = judge.state_dict()
    assert all(torch.equal(again[name], value) for name, value in alone.items())


def test_calibration_images_come_from_training_by_their_number_alone(make_experiment) -> None:
    experiment = make_experiment()
    first, second = (images_of(experiment, 50) for _ in range(2))
    assert first.calibration(0).shape == first.batches[0].shape
    assert torch.equal(first.calibration(3), second.calibration(3))
    assert not torch.equal(first.calibration(0), first.calibration(1))
    every, _ = experiment.train_images.augmented(
        torch.arange(len(experiment.train_images)),
        experiment.spec.training.augmentation.model_copy(
            update={"shift_pixels": 0, "gaussian_noise": 0.0}
        ),
        torch.Generator(),
    )
    rows = {tuple(image.flatten().tolist()) for image in every}
    drawn = [tuple(image.flatten().tolist()) for image in first.calibration(0)]
    assert rows.issuperset(drawn)
    # Digits repeat hardly ever, and no image is drawn twice.
    assert len(set(drawn)) == 50


def test_supernets_keep_running_statistics_only_for_the_policy_that_needs_them(
    make_experiment,
) -> None:
    plain = make_experiment()
    for policy in (BatchStats(), Recalibrate()):
        assert not statistics(fresh_state(under(plain, policy), 0).supernet)
    supernet = trained(under(plain, Running())).supernet
    assert keeps_statistics(supernet)
    updates = [int(v) for name, v in statistics(supernet).items() if name.endswith("tracked")]
    # Every update passes the stem; an operation only those of architectures that have it.
    assert max(updates) == int(supernet.state_dict()["stem.1.num_batches_tracked"]) > 0
    assert min(updates) < max(updates)


def test_running_statistics_survive_a_checkpoint_bit_by_bit(make_experiment) -> None:
    experiment = under(make_experiment(), Running())
    whole = trained(experiment)
    stopped = TrainState.from_bytes(experiment, trained(experiment, until=10).to_bytes())
    for _ in train(experiment, stopped, 24):
        pass
    expected, found = whole.supernet.state_dict(), stopped.supernet.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], value) for name, value in found.items())


def test_live_scoring_changes_no_running_statistics(make_experiment) -> None:
    experiment = under(make_experiment(), Running())
    scored, unscored = fresh_state(experiment, 0), trained(experiment)
    for _ in train_unit(experiment, scored):
        pass
    expected, found = unscored.supernet.state_dict(), scored.supernet.state_dict()
    assert all(torch.equal(expected[name], value) for name, value in found.items())


@pytest.mark.parametrize("width", [4, 3])
def test_a_warm_up_hands_over_statistics_of_features_as_wide(make_experiment, width: int) -> None:
    experiment = under(
        make_experiment({"width": width, "parent_width": 4}, warm_up_steps=8), Running()
    )
    warm = fresh_state(experiment, None)
    for _ in train(experiment, warm, 8):
        pass
    heir = inherited_state(experiment, warm, 0).supernet
    given, taken = statistics(warm.supernet), statistics(heir)
    assert given.keys() == taken.keys()
    means = [name for name in taken if name.endswith("running_mean")]
    if width == 4:
        assert all(torch.equal(given[name], taken[name]) for name in means)
    else:
        assert not any(bool(taken[name].any()) for name in means)


@pytest.mark.parametrize("policies", [(Running(), BatchStats()), (BatchStats(), Running())])
def test_weights_are_inherited_from_another_run_without_its_statistics(
    make_experiment, policies: tuple[BatchNormPolicy, BatchNormPolicy]
) -> None:
    theirs, ours = (under(make_experiment(), policy) for policy in policies)
    parent, heir = trained(theirs), fresh_state(ours, 0)
    inherit(heir, theirs.supernets, 0, parent.to_bytes(), "cpu")
    weights = dict(parent.supernet.named_parameters())
    assert all(torch.equal(weights[name], w) for name, w in heir.supernet.named_parameters())
    means = [v for name, v in statistics(heir.supernet).items() if name.endswith("mean")]
    assert not any(bool(mean.any()) for mean in means)


@POLICIES
def test_ranking_goes_by_the_policy_of_the_spec(make_experiment, policy: BatchNormPolicy) -> None:
    experiment = under(make_experiment(), policy)
    state = trained(experiment)
    own = members(experiment)
    events = list(rank_unit(experiment, state, own))
    found = {
        entry.architecture: entry.score
        for event in events
        for entry in event.scores
        if entry.scorer == "loss"
    }
    (expected,) = score(state.supernet, own[0], experiment.scoring_images, [LossScorer()], policy)
    assert found[experiment.space.encode(own[0])] == expected
