import pytest
from pydantic import ValidationError

from backend.validation import field_errors, field_sentence
from nas.spec import RunSpec

BODY = {"name": "x", "space": "digits-mini", "dataset": "digits", "training": {"steps": 5}}


def _fields(body: dict) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        RunSpec.model_validate(body)
    errors = field_errors(refused.value.errors(include_url=False), body)
    return [error["field"] for error in errors]


def test_the_tag_of_a_union_is_left_out_of_the_path():
    assert _fields(BODY | {"search": {"kind": "evolution", "budget": 0}}) == ["search.budget"]


@pytest.mark.parametrize(
    ("width", "field"),
    [(999, "supernet.width"), ([8, 999], "supernet.width.1"), ({"wide": 1}, "supernet.width")],
)
def test_neither_a_number_nor_a_list_has_the_tag_of_its_union_as_a_field(width, field: str):
    assert _fields(BODY | {"supernet": {"width": width}}) == [field]


def test_a_misspelt_parameter_of_a_strategy_is_named():
    assert _fields(BODY | {"search": {"kind": "evolution", "bugdet": 1}}) == ["search.bugdet"]


def _error(body: dict) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        RunSpec.model_validate(body)
    (error,) = field_errors(refused.value.errors(include_url=False), body)
    return error


def test_a_strategy_without_a_kind_is_told_that_it_needs_one():
    error = _error(BODY | {"training": {"steps": 5, "sampler": {"num_random": 3}}})
    assert error["field"] == "training.sampler.kind"
    assert error["message"].startswith("kind is missing")


@pytest.mark.parametrize(
    ("sampler", "shown"),
    [
        ("fair", '"fair"'),
        (None, "null"),
        (["fair"], '["fair"]'),
        ("a" * 99, f'"{"a" * 39}...'),
        ("\ud800", r'"\ud800"'),
    ],
)
def test_what_is_no_object_where_one_is_needed_is_shown(sampler: object, shown: str):
    error = _error(BODY | {"training": {"steps": 5, "sampler": sampler}})
    assert error == {
        "field": "training.sampler",
        "message": f"must be an object with named fields, and is {shown}",
    }


def test_an_item_of_a_list_is_named_by_its_place():
    scorers = {"ranking": {"scorers": [{"kind": "loss"}, {"kind": "loss", "x": 1}]}}
    assert _fields(BODY | scorers) == ["ranking.scorers.1.x"]


def test_a_validators_message_about_a_field_is_filed_under_it():
    assert _fields(BODY | {"search": {"kind": "random", "scorer": "accuracy"}}) == [
        "search.scorer"
    ]


def test_a_sentence_names_the_field_once():
    assert field_sentence("a.steps", "steps 0 is too few") == "steps 0 is too few"
    assert field_sentence("a.steps", "too few") == "a.steps: too few"
