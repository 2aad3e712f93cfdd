"""What is learned from landmarks: scales, the fit, and its test on landmarks that were left out."""

import json

import numpy as np
import pytest
from scipy.stats import kendalltau

from nas.ranking.calibration import Calibration, calibrate, leave_one_out, scaled, scales
from nas.ranking.regression import Inputs, predict, to_scores
from tests.nas.ranking.test_regression import EVERY, ridge, some_landmarks

IDENTITY = scales(np.array([-1.0, 1.0]), np.array([[-1.0] * 4, [1.0] * 4]))


@EVERY
def test_each_landmark_is_foretold_by_a_regression_on_the_others(fit) -> None:
    inputs, accuracies = some_landmarks(6)
    found = leave_one_out(fit, inputs, accuracies)
    for one in range(6):
        others = np.array([other for other in range(6) if other != one])
        regression = fit(inputs.at(others), accuracies[others])
        expected = to_scores(predict(regression, inputs.at(np.array([one]))), "logit")
        assert found[one] == expected[0]


def test_the_left_out_tau_is_that_of_its_predictions() -> None:
    inputs, accuracies = some_landmarks()
    found = calibrate(ridge, IDENTITY, inputs, accuracies)
    assert found.left_out == leave_one_out(ridge, inputs, accuracies)
    assert found.left_out_tau == kendalltau(found.left_out, accuracies).statistic
    assert found.regression == ridge(inputs, accuracies)


def test_below_three_landmarks_nothing_can_be_left_out() -> None:
    inputs, accuracies = some_landmarks(2)
    found = calibrate(ridge, IDENTITY, inputs, accuracies)
    assert (found.left_out, found.left_out_tau) == ((), None)


def test_a_wrong_accuracy_of_a_landmark_does_not_improve_its_own_left_out_score() -> None:
    inputs, accuracies = some_landmarks()
    changed = accuracies.copy()
    changed[4] += 20
    before, after = (leave_one_out(ridge, inputs, values) for values in (accuracies, changed))
    assert after[4] == before[4]
    assert after[3] != before[3]


@EVERY
def test_what_is_learned_survives_json_to_the_bit(fit) -> None:
    inputs, accuracies = some_landmarks()
    learned = calibrate(fit, IDENTITY, inputs, accuracies)
    stored = Calibration.model_validate(json.loads(json.dumps(learned.model_dump(mode="json"))))
    assert stored == learned
    found, again = (predict(one.regression, inputs) for one in (learned, stored))
    assert found.tobytes() == again.tobytes()


def test_inputs_are_standardised_over_the_reference_and_constants_left_out() -> None:
    known = scales(np.array([2.0, 4.0]), np.array([[1.0, 7.0, 0.1], [5.0, 7.0, 0.1]]))
    assert known.prior == (3.0, 1.0)
    assert known.features[0] == (3.0, 2.0)
    # 0.1 is no binary fraction: its computed deviation may be tiny instead of 0.
    assert [spread for _, spread in known.features[1:]] == [0.0, 0.0]
    found = scaled(known, np.array([5.0]), np.array([[7.0, 9.0, 2.0]]), np.array([0]))
    assert isinstance(found, Inputs)
    assert (found.prior.tolist(), found.features.tolist()) == ([2.0], [[2.0]])


def test_a_reference_of_equal_rank_sums_tells_nothing() -> None:
    known = scales(np.array([2.0, 2.0]), np.zeros((2, 0)))
    found = scaled(known, np.array([5.0]), np.zeros((1, 0)), np.array([0]))
    assert (found.prior.tolist(), found.features.shape) == ([0.0], (1, 0))
    assert pytest.approx(known.prior) == (2.0, 0.0)
