from backend.exports.choosing import chosen
from backend.runs.schemas import RetrainingRead
from nas.training.recipes.digits import DigitsRecipe


def training(number: int, architecture: str, seed: int, accuracy: float | None, **changes):
    return RetrainingRead(
        **{
            "number": number,
            "unit": f"retrain-{number}",
            "state": "done",
            "architecture": architecture,
            "subspace": 0,
            "origin": "winner",
            "seed": seed,
            "recipe": DigitsRecipe(),
            "width": None,
            "cells_per_stage": None,
            "epochs": 1,
            "max_epochs": 1,
            "best_epoch": 1,
            "kept_epoch": 1,
            "validation_accuracy": accuracy,
            # The other way round: it must not decide.
            "test_accuracy": None if accuracy is None else 100 - accuracy,
            "seconds": 1.0,
            "device": "cpu",
            "weights_sha256": None if accuracy is None else "0" * 64,
            "failure": None,
            **changes,
        }
    )


TRAININGS = [
    training(0, "dead end", 0, None),
    training(1, "best", 0, 90.0),
    training(2, "best", 1, 92.0),
    training(3, "best", 2, 91.0),
    training(4, "second", 0, 99.0),
    training(5, "best", 1, 99.5, width=64),
]


def number_of(*asked: object) -> int | None:
    found = chosen(TRAININGS, *asked)
    return None if found is None else found.number


def test_the_best_seed_of_the_first_architecture_with_weights_is_exported():
    assert number_of() == 2
    assert number_of("second") == 4
    assert number_of("best", 0) == 1
    assert number_of(None, 2) == 3


def test_nothing_is_exported_in_place_of_what_was_asked_for():
    assert number_of("dead end") is None
    assert number_of("best", 7) is None
    assert chosen([]) is None
