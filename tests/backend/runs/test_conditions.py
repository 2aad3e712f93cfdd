from backend.runs.conditions import further_conditions, unusual_conditions


def test_conditions_beside_the_measures_are_left_out_and_the_others_are_words():
    found = further_conditions(
        {
            "n": 50,
            "score_ties": 1,
            "truth_ties": 2,
            "noise_ceiling": "unknown",
            "split": "validation",
            "batch_norm": {"kind": "batch-stats"},
            "batch_size": 250,
            "bootstrap": {"resamples": 1000, "confidence": 0.95, "seed": "12"},
        }
    )
    assert found == {
        "split": "validation",
        "batch norm": "batch-stats",
        "batch size": "250",
        "bootstrap": "1000 resamples",
    }


def test_a_policy_is_named_with_its_parameters():
    policy = {"batch_size": 64, "kind": "recalibrated", "num_batches": 20}
    assert further_conditions({"batch_norm": policy}) == {
        "batch norm": "recalibrated (batch size 64, num batches 20)"
    }


def test_numbers_are_short_and_what_is_undefined_is_called_so():
    learned = {"left_out_tau": 0.19611613513818404, "landmarks": 12345}
    assert further_conditions(learned) == {"left out tau": "0.1961", "landmarks": "12345"}
    assert further_conditions({"left_out_tau": None}) == {"left out tau": "undefined"}


def test_only_what_differs_from_the_usual_training_is_unusual():
    usual = {"micro_batches": 1, "precision": "float32", "processes": 1}
    assert unusual_conditions(usual) == ()
    assert unusual_conditions({**usual, "micro_batches": 2}) == ("micro batches 2",)
    assert unusual_conditions({}) == ()
