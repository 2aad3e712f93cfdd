"""The regression onto accuracies, against fits written out in full and against scikit-learn."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from scipy.special import logit
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

from nas.ranking.places import Values
from nas.ranking.regression import (
    PENALTIES,
    GaussianProcess,
    Inputs,
    fit_average,
    fit_gaussian_process,
    fit_ridge,
    predict,
    targets,
    to_scores,
)

NUM_SUBSPACES = 3


def some_landmarks(number: int = 12, seed: int = 0) -> tuple[Inputs, Values]:
    """Accuracies that rise with the rank sum and a feature; those of sub-space 2 are higher."""
    rng = np.random.default_rng(seed)
    features, subspaces = rng.normal(size=(number, 4)), rng.integers(0, NUM_SUBSPACES, number)
    prior = features[:, 0] + 0.3 * rng.normal(size=number)
    accuracies = 70 + 4 * prior + 2 * features[:, 1] + 3 * (subspaces == 2)
    return Inputs(prior, features, subspaces), accuracies + rng.normal(size=number)


ridge = partial(fit_ridge, num_subspaces=NUM_SUBSPACES, target="logit")
gaussian = partial(
    fit_gaussian_process,
    num_subspaces=NUM_SUBSPACES,
    target="logit",
    kernel="matern",
    noise=None,
)
average = partial(fit_average, parts=tuple(product((2, 4), (ridge, gaussian))))
EVERY = pytest.mark.parametrize(
    "fit", [ridge, gaussian, average], ids=["ridge", "gaussian-process", "average"]
)


def design(inputs: Inputs) -> Values:
    one_hot = inputs.subspaces[:, None] == np.arange(NUM_SUBSPACES)
    return np.column_stack([np.ones(len(inputs)), inputs.features, one_hot])


def solved(x: Values, y: Values, penalty: float) -> Values:
    """The normal equations of a ridge whose first column is not penalised."""
    penalties = np.diag([0.0] + [penalty] * (x.shape[1] - 1))
    return np.linalg.solve(x.T @ x + penalties, x.T @ y)


def test_ridge_solves_the_normal_equations_with_the_penalty_that_leaves_out_best() -> None:
    inputs, accuracies = some_landmarks()
    x, y = design(inputs), logit(accuracies / 100)

    def error(penalty: float) -> float:
        everyone = np.arange(len(y))
        return sum(
            (y[one] - x[one] @ solved(x[everyone != one], y[everyone != one], penalty)) ** 2
            for one in everyone
        )

    found = ridge(inputs, accuracies)
    assert found.penalty == min(PENALTIES, key=error)
    assert PENALTIES[0] < found.penalty < PENALTIES[-1]
    expected = solved(x, y, found.penalty)
    learned = [found.intercept, *found.coefficients, *found.offsets]
    assert learned == pytest.approx(expected.tolist(), rel=1e-9)
    assert predict(found, inputs).tolist() == pytest.approx((x @ expected).tolist())


@pytest.mark.parametrize("kernel", ["matern", "rbf"])
def test_a_process_predicts_what_scikit_learn_does_with_the_same_kernel(kernel) -> None:
    inputs, accuracies = some_landmarks()
    fitted = gaussian(inputs, accuracies, kernel=kernel)
    process = fitted.process
    assert isinstance(process, GaussianProcess)
    shape = RBF if kernel == "rbf" else partial(Matern, nu=2.5)
    known = GaussianProcessRegressor(
        ConstantKernel(process.amplitude) * shape(process.length_scale)
        + WhiteKernel(process.noise),
        optimizer=None,
    )
    mean = fitted.model_copy(update={"process": None})
    left_over = targets(accuracies, "logit") - predict(mean, inputs)
    assert process.scale == pytest.approx(left_over.std())
    known.fit(inputs.features, left_over / process.scale)
    others, _ = some_landmarks(seed=1)
    expected = predict(mean, others) + process.scale * known.predict(others.features)
    assert predict(fitted, others).tolist() == pytest.approx(expected.tolist(), rel=1e-8)


def test_the_prior_mean_is_penalised_least_squares_with_free_intercept_and_slope() -> None:
    inputs, accuracies = some_landmarks()
    found = gaussian(inputs, accuracies)
    one_hot = inputs.subspaces[:, None] == np.arange(NUM_SUBSPACES)
    x = np.column_stack([np.ones(len(inputs)), inputs.prior, one_hot])
    penalties = np.diag([0.0, 0.0, 1.0, 1.0, 1.0])
    y = logit(accuracies / 100)
    expected = np.linalg.solve(x.T @ x + penalties, x.T @ y)
    learned = [found.intercept, found.prior_slope, *found.offsets]
    assert learned == pytest.approx(expected.tolist())
    assert found.offsets[2] == max(found.offsets)


def test_a_rank_sum_that_is_backwards_has_no_say() -> None:
    inputs, accuracies = some_landmarks()
    found = gaussian(Inputs(-inputs.prior, inputs.features, inputs.subspaces), accuracies)
    assert found.prior_slope == 0.0


def test_an_average_is_the_mean_of_regressions_on_fewer_and_on_all_features() -> None:
    inputs, accuracies = some_landmarks(20)
    fewer = Inputs(inputs.prior, inputs.features[:, :2], inputs.subspaces)
    found = average(inputs, accuracies)
    parts = [
        (some, fit(some, accuracies)) for some in (fewer, inputs) for fit in (ridge, gaussian)
    ]
    assert found.members == tuple(part for _, part in parts)
    expected = np.mean([predict(part, some) for some, part in parts], axis=0)
    assert predict(found, inputs) == pytest.approx(expected)
    assert found.target == "logit"
    assert found.offsets == pytest.approx(np.mean([part.offsets for _, part in parts], axis=0))


@EVERY
def test_a_subspace_without_landmarks_has_no_offset(fit) -> None:
    inputs, accuracies = some_landmarks()
    here = inputs.subspaces != 1
    found = fit(inputs.at(np.flatnonzero(here)), accuracies[here])
    assert found.offsets[1] == pytest.approx(0, abs=1e-12)
    assert abs(found.offsets[2]) > 1e-4


@EVERY
def test_a_prediction_is_the_same_to_the_bit_alone_and_among_others(fit) -> None:
    inputs, accuracies = some_landmarks(40)
    fitted = fit(inputs, accuracies)
    together = predict(fitted, inputs)
    alone = [predict(fitted, inputs.at(np.array([one])))[0] for one in range(40)]
    assert together.tolist() == alone


@EVERY
def test_the_same_landmarks_give_the_same_regression(fit) -> None:
    inputs, accuracies = some_landmarks()
    assert fit(inputs, accuracies) == fit(inputs, accuracies)


@EVERY
def test_equal_accuracies_are_no_failure_and_are_predicted(fit) -> None:
    inputs, _ = some_landmarks()
    fitted = fit(inputs, np.full(len(inputs), 80.0))
    found = to_scores(predict(fitted, inputs), "logit")
    assert found.tolist() == pytest.approx([80.0] * len(inputs))


@EVERY
def test_noisy_scores_are_averaged_away(fit) -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(200, 4))
    truth = 70 + 5 * features[:, 0] + 3 * features[:, 1]
    noisy = truth + 4 * rng.normal(size=200)
    inputs = Inputs(features[:, 0], features, np.zeros(200, dtype=np.int64))
    fitted = fit(inputs.at(np.arange(60)), noisy[:60])
    left_out = to_scores(predict(fitted, inputs.at(np.arange(60, 200))), "logit")
    assert np.corrcoef(left_out, truth[60:])[0, 1] > np.corrcoef(noisy[60:], truth[60:])[0, 1]
    assert abs(np.mean(left_out - noisy[60:])) < 1.0


def test_targets_are_logits_with_limits_or_quantiles_of_ranks() -> None:
    accuracies = np.array([50.0, 90.0, 100.0])
    expected = [0.0, np.log(9), np.log(0.9995 / 0.0005)]
    assert targets(accuracies, "logit").tolist() == pytest.approx(expected)
    assert to_scores(np.array(expected[:2]), "logit").tolist() == pytest.approx([50, 90])
    ranked = targets(accuracies, "rank-normal")
    assert ranked.tolist() == pytest.approx([-0.6744897501960817, 0, 0.6744897501960817])
