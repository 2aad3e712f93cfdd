"""The tests of the landmark method by name, and what lies between its parts."""

import math
import random
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import cross_entropy

from nas.landmarks.landmark import Landmark, Landmarks
from nas.training.loop import update
from nas.training.regularisers.base import RegularisedStep, StepLosses
from nas.training.regularisers.landmark import LandmarkRegulariser
from nas.training.samplers.base import Route
from nas.training.schedule import Schedule
from nas.training.state import fresh_state
from nas.training.team import Team

GOOD, BAD = ("nor_conv_3x3", "none", "nor_conv_1x1"), ("none", "skip_connect", "none")
OTHER = ("skip_connect", "none", "avg_pool_3x3")
ALWAYS = {"starts_at": 0.0, "schedule": "constant"}


@dataclass
class Table(StepLosses):
    """Losses that are given, and the gradients that were asked for."""

    losses: dict
    factors: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    def loss(self, architecture):
        self.asked.append(architecture)
        return self.losses[architecture]

    def add_gradient(self, architecture, factor):
        assert architecture not in self.factors
        self.factors[architecture] = factor


def ranked(*accuracies: float) -> tuple[Landmark, ...]:
    """Landmarks called by their places, the worst first."""
    return tuple(Landmark((str(place),), 0, value) for place, value in enumerate(accuracies))


def applied(regulariser, landmarks, losses, *, step=0, num_steps=10, seed=0):
    table = Table({(str(place),): loss for place, loss in enumerate(losses)})
    rng = random.Random(seed)
    at = RegularisedStep(step, num_steps, landmarks, rng, lambda images: table)
    return regulariser.apply(at), table


def test_two_landmarks_in_the_right_order_have_loss_zero_and_no_gradient() -> None:
    term, table = applied(LandmarkRegulariser(**ALWAYS), ranked(60, 90), [2.0, 1.5])
    assert term == 0
    assert table.factors == {}


def test_in_the_wrong_order_the_loss_is_lambda_times_the_difference() -> None:
    regulariser = LandmarkRegulariser(**ALWAYS)
    term, table = applied(regulariser, ranked(60, 90), [1.5, 2.0])
    assert regulariser.weight == 10
    assert term == 10 * (2.0 - 1.5)
    # Gradient descent lowers the loss of the better one, 1, and raises that of the worse one, 0.
    assert table.factors == {("1",): 10.0, ("0",): -10.0}


def test_swapping_the_accuracies_flips_which_pair_is_penalised() -> None:
    def term(of_good: float, of_bad: float) -> float:
        landmarks = Landmarks((Landmark(("0",), 0, of_good), Landmark(("1",), 0, of_bad)))
        return applied(LandmarkRegulariser(**ALWAYS), landmarks.ranked(None), [1.0, 3.0])[0]

    assert term(of_good=90, of_bad=60) == 0
    assert term(of_good=60, of_bad=90) == 20


def test_equal_losses_give_zero() -> None:
    term, table = applied(LandmarkRegulariser(**ALWAYS), ranked(60, 90), [1.5, 1.5])
    assert (term, table.factors) == (0, {})


def test_landmarks_of_equal_accuracy_have_no_order() -> None:
    for pairs in ("authors", "uniform-pairs", "all"):
        regulariser = LandmarkRegulariser(**ALWAYS, pairs=pairs)
        term, table = applied(regulariser, ranked(70, 70), [1.0, 3.0])
        assert (term, table.factors, table.asked) == (0, {}, [])


def test_fewer_than_two_landmarks_give_no_term() -> None:
    for landmarks in (ranked(), ranked(80)):
        term, table = applied(LandmarkRegulariser(**ALWAYS), landmarks, [3.0])
        assert (term, table.asked) == (0, [])


def test_the_coefficient_is_zero_before_the_start_and_rises_as_in_the_authors_code() -> None:
    # One step per epoch: 400 epochs, of which the first 150 are without the term.
    regulariser = LandmarkRegulariser()
    values = [regulariser.coefficient(step, 400) for step in range(400)]
    assert regulariser.first_step(400) == 150
    assert values[:150] == [0.0] * 150
    assert all(one < other for one, other in pairwise(values[149:]))
    # 5 (1 - cos(pi t / 400)) with t = 1, 126 and 250.
    assert values[150] == pytest.approx(1.5421e-4, abs=1e-7)
    assert values[275] == pytest.approx(2.2549, abs=1e-3)
    assert values[399] == pytest.approx(6.9134, abs=1e-3)


def test_the_whole_cosine_ends_at_lambda_and_the_constant_is_lambda_throughout() -> None:
    whole = LandmarkRegulariser(schedule="whole-cosine-increase")
    assert whole.coefficient(399, 400) == pytest.approx(10)
    # Half of the 250 steps: t = 125.
    assert whole.coefficient(274, 400) == pytest.approx(5)
    assert whole.coefficient(149, 400) == 0
    constant = LandmarkRegulariser(schedule="constant", weight=3, starts_at=0.5)
    assert [constant.coefficient(step, 4) for step in range(4)] == [0, 0, 3, 3]


def test_a_coefficient_of_zero_computes_nothing() -> None:
    for regulariser in (LandmarkRegulariser(), LandmarkRegulariser(weight=0, **ALWAYS)):
        term, table = applied(regulariser, ranked(60, 90), [1.5, 2.0])
        assert (term, table.asked) == (0, [])


def drawn(regulariser, number: int, draws: int) -> Counter:
    landmarks = ranked(*range(number))
    rng = random.Random(3)
    found: Counter = Counter()
    for _ in range(draws):
        for worse, better in regulariser.draw(landmarks, rng):
            found[int(worse.architecture[0]), int(better.architecture[0])] += 1
    return found


def test_the_authors_pairs_are_ordered_and_have_their_frequencies_for_four_landmarks() -> None:
    found = drawn(LandmarkRegulariser(), 4, 20_000)
    # i uniformly of 0, 1, 2, then j uniformly of those above it.
    expected = {
        (0, 1): 1 / 9, (0, 2): 1 / 9, (0, 3): 1 / 9, (1, 2): 1 / 6, (1, 3): 1 / 6, (2, 3): 1 / 3,
    }  # fmt: skip
    assert set(found) == set(expected)
    for pair, share in expected.items():
        # Four standard deviations of a share of 20,000 draws are at most 0.0134.
        assert found[pair] / 20_000 == pytest.approx(share, abs=0.0134)


def test_uniform_pairs_are_alike_and_all_pairs_are_all() -> None:
    found = drawn(LandmarkRegulariser(pairs="uniform-pairs"), 4, 12_000)
    assert set(found) == {(i, j) for j in range(4) for i in range(j)}
    for number in found.values():
        assert number / 12_000 == pytest.approx(1 / 6, abs=0.0137)
    assert set(drawn(LandmarkRegulariser(pairs="all"), 4, 1).values()) == {1}
    assert len(drawn(LandmarkRegulariser(pairs="all"), 4, 1)) == 6
    several = LandmarkRegulariser(pairs_per_step=7)
    assert len(several.draw(ranked(1, 2, 3), random.Random(0))) == 7


def test_uniform_pairs_are_alike_among_those_that_have_an_order() -> None:
    regulariser, rng = LandmarkRegulariser(pairs="uniform-pairs"), random.Random(5)
    landmarks = ranked(60, 70, 70, 70)
    found = Counter(
        (int(worse.architecture[0]), int(better.architecture[0]))
        for _ in range(6000)
        for worse, better in regulariser.draw(landmarks, rng)
    )
    assert set(found) == {(0, 1), (0, 2), (0, 3)}
    # Four standard deviations of a share of 6,000 draws are 0.0244.
    assert all(number / 6000 == pytest.approx(1 / 3, abs=0.0244) for number in found.values())


def test_all_pairs_compute_each_landmark_once_and_add_up() -> None:
    regulariser = LandmarkRegulariser(**ALWAYS, pairs="all", weight=2)
    term, table = applied(regulariser, ranked(50, 60, 70), [1.0, 3.0, 2.0])
    # (0, 1): 2, (0, 2): 1, (1, 2): right order.
    assert term == 2 * (2 + 1)
    assert table.factors == {("0",): -4.0, ("1",): 2.0, ("2",): 2.0}
    assert sorted(table.asked) == [("0",), ("1",), ("2",)]


@pytest.mark.parametrize(
    "regulariser",
    [
        LandmarkRegulariser(),
        LandmarkRegulariser(margin=0.7),
        LandmarkRegulariser(penalty="softplus"),
        LandmarkRegulariser(penalty="softplus", sharpness=5),
    ],
    ids=lambda one: f"{one.penalty}-{one.margin}-{one.sharpness}",
)
@pytest.mark.parametrize("difference", [-800.0, -2.0, -0.3, 0.4, 3.0, 800.0])
def test_the_slope_of_a_penalty_is_its_derivative(regulariser, difference) -> None:
    value, slope = regulariser.penalised(difference)
    width = 1e-5
    above, below = (regulariser.penalised(difference + sign * width)[0] for sign in (1, -1))
    assert slope == pytest.approx((above - below) / (2 * width), abs=1e-5)
    assert value >= 0


def test_the_penalties_have_the_values_of_their_formulas() -> None:
    assert LandmarkRegulariser(margin=0.5).penalised(-0.2) == (pytest.approx(0.3), 1.0)
    softplus = LandmarkRegulariser(penalty="softplus", sharpness=5).penalised(0.4)[0]
    assert softplus == pytest.approx(math.log(1 + math.exp(5 * 0.4)) / 5)
    # -ln(1 - sigmoid(d)), the form of RankNet, is softplus of sharpness 1.
    sigmoid = 1 / (1 + math.exp(-0.4))
    ranknet = LandmarkRegulariser(penalty="softplus").penalised(0.4)[0]
    assert ranknet == pytest.approx(-math.log(1 - sigmoid))


def test_only_a_hinge_takes_a_margin() -> None:
    with pytest.raises(ValidationError, match="margin 1"):
        LandmarkRegulariser(penalty="softplus", margin=1)


def experiment_with(make_experiment, landmarks: Landmarks, regulariser=None, **training):
    terms = [] if regulariser is None else [{"kind": "landmark", **regulariser}]
    return make_experiment(landmarks=landmarks, regularisers=terms, **training)


def landmarks_of(experiment, accuracies: dict) -> Landmarks:
    route = experiment.partition.route
    return Landmarks(tuple(Landmark(one, route(one), value) for one, value in accuracies.items()))


@torch.no_grad()
def loss_of(experiment, state, architecture, step=0) -> float:
    schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
    validation = experiment.validation_images
    images, labels = validation.plain(schedule.validation_indices(step, len(validation)))
    return cross_entropy(state.supernet(images, architecture), labels).item()


def one_step(experiment, state, architecture=OTHER) -> float:
    schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
    route = Route(experiment.partition.route(architecture), architecture)
    return update(experiment, state, schedule, [route], Team())


@pytest.mark.parametrize("clip", [None, 0.05])
def test_a_step_goes_along_the_sum_of_both_gradients_clipped_once(make_experiment, clip) -> None:
    plain = make_experiment()
    untrained = fresh_state(plain, None)
    losses = {one: loss_of(plain, untrained, one) for one in (GOOD, BAD)}
    worse, better = sorted((GOOD, BAD), key=losses.__getitem__)  # the wrong order
    landmarks = landmarks_of(plain, {worse: 10.0, better: 90.0})
    options = {"gradient_clip": clip, "momentum": 0, "weight_decay": 0}
    experiment = experiment_with(make_experiment, landmarks, ALWAYS, **options)
    state = fresh_state(experiment, None)
    before = deepcopy(state.supernet)
    schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
    images, labels = experiment.train_images.augmented(
        schedule.image_indices(0), experiment.spec.training.augmentation, schedule.augmentation(0)
    )
    total = cross_entropy(before(images, OTHER), labels)
    validation = experiment.validation_images
    images, labels = validation.plain(schedule.validation_indices(0, len(validation)))
    difference = cross_entropy(before(images, better), labels) - cross_entropy(
        before(images, worse), labels
    )
    (total + 10 * torch.relu(difference)).backward()
    gradients = {name: weight.grad for name, weight in before.named_parameters()}
    known = [gradient for gradient in gradients.values() if gradient is not None]
    norm = torch.sqrt(sum(gradient.square().sum() for gradient in known)).item()
    scale = 1.0 if clip is None else clip / (norm + 1e-6)
    assert scale == 1 or scale < 0.5

    one_step(experiment, state)
    assert state.penalty == pytest.approx(10 * difference.item(), rel=1e-4)
    old = dict(before.named_parameters())
    for name, weight in state.supernet.named_parameters():
        gradient = gradients[name]
        moved = (
            0 if gradient is None else scale * experiment.spec.training.learning_rate * gradient
        )
        assert torch.allclose(weight, old[name] - moved, rtol=1e-4, atol=1e-6), name
        assert torch.equal(weight, old[name]) == (gradient is None), name


def test_a_step_on_a_wrong_order_lowers_the_better_loss_and_raises_the_worse_one(
    make_experiment,
) -> None:
    plain = make_experiment()
    untrained = fresh_state(plain, None)
    worse, better = sorted((GOOD, BAD), key=lambda one: loss_of(plain, untrained, one))
    landmarks = landmarks_of(plain, {worse: 10.0, better: 90.0})
    options = {"learning_rate": 1e-4, "gradient_clip": None, "momentum": 0}
    without = make_experiment(**options)
    with_term = experiment_with(make_experiment, landmarks, ALWAYS, **options)
    states = [fresh_state(experiment, None) for experiment in (without, with_term)]
    one_step(without, states[0])
    one_step(with_term, states[1])
    for architecture, sign in ((worse, 1), (better, -1)):
        alone, both = (loss_of(plain, state, architecture) for state in states)
        assert sign * (both - alone) > 0


def test_in_the_right_order_the_weights_are_those_of_a_step_without_the_term(
    make_experiment,
) -> None:
    plain = make_experiment(weight_decay=0.1)
    untrained = fresh_state(plain, None)
    better, worse = sorted((GOOD, BAD), key=lambda one: loss_of(plain, untrained, one))
    landmarks = landmarks_of(plain, {worse: 10.0, better: 90.0})
    experiment = experiment_with(make_experiment, landmarks, ALWAYS, weight_decay=0.1)
    states = [fresh_state(one, None) for one in (plain, experiment)]
    for one, state in zip((plain, experiment), states, strict=True):
        one_step(one, state)
    assert states[1].penalty == 0
    first, second = (state.supernet.state_dict() for state in states)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


class Toy(torch.nn.Module):
    """A shared input layer, and one linear layer per operation."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.stem = torch.nn.Linear(6, 5)
        self.layers = torch.nn.ModuleDict({str(name): torch.nn.Linear(5, 3) for name in range(2)})

    def forward(self, inputs, architecture):
        return self.layers[architecture[0]](torch.relu(self.stem(inputs)))


@dataclass
class ToyLosses(StepLosses):
    network: Toy
    inputs: torch.Tensor
    labels: torch.Tensor

    def of(self, architecture):
        return cross_entropy(self.network(self.inputs, architecture), self.labels)

    def loss(self, architecture):
        return self.of(architecture).item()

    def add_gradient(self, architecture, factor):
        (factor * self.of(architecture)).backward()


def order_learnt_within(steps: int, weight: float) -> bool:
    """Train two operations alike, whose order is planted wrong; tell whether it gets right."""
    network = Toy()
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(48, 6, generator=generator)
    labels = torch.randint(3, (48,), generator=generator)
    losses = ToyLosses(network, inputs, labels)
    with torch.no_grad():
        network.layers["1"].bias[labels.mode().values] -= 2.0
    assert losses.loss(("1",)) > losses.loss(("0",)) + 0.5
    regulariser = LandmarkRegulariser(**ALWAYS, weight=weight)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    rng = random.Random(1)
    for step in range(steps):
        optimizer.zero_grad()
        losses.of((str(step % 2),)).backward()
        at = RegularisedStep(step, steps, ranked(60, 90), rng, lambda images: losses)
        regulariser.apply(at)
        optimizer.step()
        if losses.loss(("1",)) < losses.loss(("0",)):
            return True
    return False


def test_a_planted_wrong_order_is_corrected_in_under_200_steps_and_stays_without_the_term() -> (
    None
):
    assert order_learnt_within(199, weight=10)
    assert not order_learnt_within(199, weight=0)
