"""The model card: every fact, and none that is not known."""

from dataclasses import replace

import pytest
import yaml

from nas.export.card import Sizes, model_card
from nas.export.facts import CardFacts, DataFacts, SupernetFacts, TrainingFacts
from tests.nas.export.models import FACTS

CODE = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"
SIZES = Sizes(flops=1_234_567, parameters=8_901, nonlinearities=2)


def card(**changes) -> str:
    return model_card(replace(FACTS, **changes), CODE, SIZES)


def header(text: str) -> dict:
    _, found, _ = text.split("---\n", 2)
    return yaml.safe_load(found)


def test_the_header_is_that_of_a_model_collection_with_the_accuracies_of_the_exported_seed():
    told = header(card())
    assert told["pipeline_tag"] == "image-classification"
    assert told["datasets"] == ["digits"]
    (entry,) = told["model-index"]
    (result,) = entry["results"]
    assert {one["name"]: one["value"] for one in result["metrics"]} == {
        "test accuracy": 97.5,
        "validation accuracy": 98.0,
    }


@pytest.mark.parametrize(
    "line",
    [
        # Mean and sample deviation of 97.5 and 96.5.
        "- test images: 97.00 % ± 0.71 (standard deviation of 2 seeds)",
        "- validation images: 97.50 % ± 0.71 (standard deviation of 2 seeds)",
        "| 1 | 97.50 | 98.00 |",
        "| 2 | 96.50 | 97.00 |",
        "The weights are those of seed 1.",
        "| multiply-adds per image, at the image size of the search space | 1,234,567 |",
        "| trainable parameters | 8,901 |",
        "| nonlinearity count | 2 |",
        "| dataset | digits@1 |",
        f"| SHA-256 | {'ab' * 32} |",
        "| train images | 1000 |",
        "| epochs | 10 |",
        '| augmentation | {"shift\\_pixels": 1} |',
        "| loss | -0.3125 |",
        "| Kendall's tau-b | 0.61 |",
        "| run | first |",
        "| kind | evolution |",
        "| commit | 052336d |",
        CODE,
    ],
)
def test_the_card_tells(line: str):
    assert line in card().splitlines()


def test_one_seed_has_no_spread_and_an_accuracy_that_is_missing_is_not_invented():
    told = card(trainings=(TrainingFacts(1, {"validation": 98.0}),))
    assert "- validation images: 98.00 % (one seed, so its spread is not known)" in told
    assert "- test images" not in told
    assert "| 1 | not measured | 98.00 |" in told


def test_without_truth_the_card_says_that_the_ranking_was_not_measured():
    told = card(supernet=SupernetFacts("loss", None))
    assert "| loss | unknown |" in told
    assert "how far this score ranks rightly was not measured" in told
    assert "## Score of the supernet" not in card(supernet=None)


def test_names_of_users_stay_text():
    told = card(run="a | b <script>\n# c", data=DataFacts("[x](y)@1"))
    assert "| run | a \\| b &lt;script&gt; # c |" in told
    assert header(told)["datasets"] == ["[x](y)"]
    assert "trained on \\[x\\](y)@1" in told


def test_spreads_of_the_facts():
    facts: CardFacts = FACTS
    assert facts.accuracies("test") == [97.5, 96.5]
    assert facts.spread("train") is None
