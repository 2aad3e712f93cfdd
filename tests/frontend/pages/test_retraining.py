import pytest
from dash import html
from pydantic import ValidationError

from backend.runs.schemas import RetrainRequest
from frontend.pages.run.retraining import asked_for, retrained_tables
from tests.frontend import made
from tests.frontend.pages.test_panels import words


def shown(retrained, trainings=()):
    parts = made.subspaces(30, 20)
    return words(
        retrained_tables(
            made.run(), subspaces=parts, retrained=retrained, retrainings=list(trainings)
        )
    )


def test_the_best_architecture_comes_first_with_its_spread_score_and_truth():
    text = shown(
        [
            made.retrained("a", [0, 1], test_accuracy=80.0),
            made.retrained(
                "b",
                [2, 3],
                subspace=1,
                num_done=2,
                test_accuracy=91.234,
                test_deviation=0.456,
                score=-0.25,
                true_accuracy=90.5,
            ),
        ]
    )
    place = text.index("b")
    assert place < text.index("a")
    assert text[place + 1 : place + 9] == [
        "count 1",
        "winner",
        "digits",
        "91.23 ± 0.46 %",
        "–",
        "2 of 2",
        "-0.2500",
        "90.50 %",
    ]


def test_every_architecture_with_weights_has_one_download_that_of_its_best_seed():
    tables = retrained_tables(
        made.run(),
        subspaces=made.subspaces(30, 20),
        retrained=[made.retrained("a", [0, 1]), made.retrained("b", [2])],
        retrainings=[
            made.retraining(0, "a", seed=0, validation_accuracy=90.0, weights_sha256="0" * 64),
            made.retraining(1, "a", seed=1, validation_accuracy=91.0, weights_sha256="1" * 64),
            made.retraining(2, "b", failure="The training diverged in epoch 2."),
        ],
    )
    assert [link.href for link in found_links(tables)] == [
        f"/api/v1/runs/{made.run().id}/retrainings/1/export"
    ]
    assert "ZIP, seed 1" in words(tables)


def found_links(component):
    return [part for _, part in component._traverse_with_paths() if isinstance(part, html.A)]


def test_a_diverged_training_is_named_with_its_reason():
    text = shown(
        [made.retrained("a", [0], num_diverged=1)],
        [made.retraining(0, "a", failure="The training diverged in epoch 2.")],
    )
    assert "0 of 1, 1 diverged" in text
    assert "diverged" in text
    assert "retrain-0: The training diverged in epoch 2." in text


def test_nothing_is_shown_where_nothing_is_retrained():
    assert shown([]) == []


@pytest.mark.parametrize(
    ("inputs", "asked"),
    [
        ((None, 2, "", None), {"top": 2}),
        ((" a \n\nb", 2, None, "cifar10"), {"architectures": ["a", "b"], "kind": "cifar10"}),
        (("a", 1, "3", None), {"architectures": ["a"], "seeds": (0, 1, 2)}),
        (("a", 1, "3,", None), {"architectures": ["a"], "seeds": (3,)}),
        (("a", 1, "0, 5", None), {"architectures": ["a"], "seeds": (0, 5)}),
    ],
)
def test_the_inputs_make_a_request(inputs, asked):
    request = RetrainRequest.model_validate(asked_for(*inputs))
    assert request.architectures == asked.get("architectures")
    assert request.top == asked.get("top")
    assert request.seeds == asked.get("seeds")
    assert (request.recipe.kind if request.recipe else None) == asked.get("kind")


def test_words_in_place_of_seeds_reach_the_validation():
    with pytest.raises(ValidationError, match="seeds"):
        RetrainRequest.model_validate(asked_for("a", 1, "many", None))
    with pytest.raises(ValidationError, match="seeds"):
        RetrainRequest.model_validate(asked_for("a", 1, ",", None))
