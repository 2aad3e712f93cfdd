import pytest

from backend.runs.progress import kind_costs, run_progress
from nas.spec import RunSpec


def _spec(**changes) -> RunSpec:
    return RunSpec.model_validate(
        {
            "name": "x",
            "space": "digits-mini",
            "dataset": "digits",
            # One score of 192 images costs as much as one step of 64.
            "training": {"steps": 300, "warm_up_steps": 100, "batch_size": 64},
            "ranking": {"num_architectures": 99, "num_images": 192},
            "search": None,
        }
        | changes
    )


def test_costs_are_counted_in_samples_of_training():
    assert kind_costs(_spec(), 1) == {
        "partition": 1.0,
        "warm-up": 100.0,
        "train": 200.0,
        "rank": 99.0,
    }


def test_a_searching_run_costs_its_evaluations_too():
    spec = _spec(search={"kind": "random", "budget": 50})
    assert kind_costs(spec, 1)["search"] == 50.0


def test_a_combined_scorer_costs_the_scores_of_its_reference_sample():
    scorers = [{"kind": "loss"}, {"kind": "rank-sum"}]
    ranking = {"num_architectures": 99, "num_images": 192, "reference_architectures": 400}
    costs = kind_costs(_spec(ranking={"scorers": scorers, **ranking}), 1)
    assert (costs["rank"], costs["combine"]) == (499.0, 1.0)


def test_landmarks_cost_the_images_that_their_trainings_see():
    landmarks = {
        "kind": "stand-alone",
        "choice": {"kind": "random", "count": 4},
        "seeds": 3,
        "recipe": {"epochs": 2},
    }
    # 4 x 3 trainings of 2 epochs of 640 images, 64 of which are one sample's.
    assert kind_costs(_spec(landmarks=landmarks), 1, 640)["landmarks"] == 240.0
    known = _spec(landmarks={"kind": "benchmark"}, benchmark="known")
    assert "landmarks" not in kind_costs(known, 1, 640)


RETRAIN = {
    "search": {"kind": "random", "budget": 1},
    "retrain": {"top": 2, "seeds": [0, 1, 2], "recipe": {"kind": "digits", "epochs": 4}},
}


def test_retraining_costs_the_images_that_it_sees():
    # 2 x 3 trainings of 4 epochs of 640 images, 64 of which are one sample's.
    assert kind_costs(_spec(**RETRAIN), 1, 640)["retrain"] == 240.0


def test_retrainings_that_were_asked_for_later_are_progress_too():
    done = {
        "partition": (1, 1),
        "warm-up": (100, 100),
        "train": (200, 200),
        "rank": (99, 99),
    }
    assert run_progress(_spec(), "running", done) == 1.0
    assert run_progress(_spec(), "running", done | {"retrain": (50, 200)}) == pytest.approx(
        450 / 600
    )


def test_progress_is_the_finished_share_of_the_cost():
    units = {"partition": (1, 1), "warm-up": (50, 100)}
    assert run_progress(_spec(), "running", units) == pytest.approx(51 / 400)


def test_training_weighs_as_much_as_its_steps_train_architectures():
    assert kind_costs(_spec(), 5)["warm-up"] == 500.0
    units = {"partition": (1, 1), "warm-up": (100, 100), "train": (50, 200)}
    progress = run_progress(_spec(), "running", units, samples_per_step=5)
    assert progress == pytest.approx((1 + 500 + 250) / (1 + 500 + 1000 + 99))


def test_progress_counts_parallel_units_of_a_kind_together():
    units = {"partition": (1, 1), "warm-up": (100, 100), "train": (100, 400)}
    assert run_progress(_spec(), "running", units) == pytest.approx(151 / 400)


def test_a_succeeded_run_is_finished_even_if_its_search_found_fewer_candidates():
    assert run_progress(_spec(), "succeeded", {"partition": (1, 1)}) == 1.0


def test_a_run_without_planned_units_is_at_zero():
    assert run_progress(_spec(), "queued", {}) == 0.0
