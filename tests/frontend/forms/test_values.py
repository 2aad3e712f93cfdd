import pytest
from pydantic import ValidationError

from frontend.forms.fields import form_of
from frontend.forms.values import assemble, field_of, spread
from nas.spec import RunSpec

FORM = form_of(RunSpec.model_json_schema())
REQUIRED = {"name": "n", "space": "s", "dataset": "d", "training": {"steps": 10}}


def document(**changes):
    return RunSpec.model_validate({**REQUIRED, **changes}).model_dump(mode="json")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"splitter": {"kind": "nonlinearity", "num_subspaces": 3, "thresholds": [1, 2]}},
        {"search": None},
        {"retrain": {"top": 2, "seeds": [0, 4], "recipe": {"kind": "darts", "patience": 3}}},
        {"retrain": {"top": 1}},
        {"supernet": {"width": 7}},
        {"supernet": {"width": [8, 7, 6], "parent_width": 8}},
        {"supernet": {"width": [8]}},
        {"supernet": {"width": "auto"}},
        {"search": {"kind": "random", "budget": 3, "constraints": {"flops": 9}}},
        {"ranking": {"scorers": [{"kind": "accuracy"}, {"kind": "loss"}]}},
        {
            "training": {
                "steps": 9,
                "gradient_clip": None,
                "augmentation": {"horizontal_flip": True},
            }
        },
    ],
)
def test_a_document_survives_the_way_through_the_inputs(changes):
    assert assemble(FORM, spread(FORM, document(**changes))) == document(**changes)


def test_an_empty_input_is_null_where_allowed_and_missing_elsewhere():
    values = spread(FORM, document())
    values |= {"training.gradient_clip": "", "training.steps": ""}
    built = assemble(FORM, values)
    assert built["training"]["gradient_clip"] is None
    assert "steps" not in built["training"]
    with pytest.raises(ValidationError, match=r"training\.steps\n  Field required"):
        RunSpec.model_validate(built)


def test_text_that_is_no_number_reaches_the_validation():
    values = spread(FORM, document())
    values["splitter[nonlinearity].thresholds"] = "1, two"
    assert assemble(FORM, values)["splitter"]["thresholds"] == [1, "two"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("8", 8),
        (8, 8),
        (" auto ", "auto"),
        ("8, 7", [8, 7]),
        ("8,", [8]),
        ("8, wide", [8, "wide"]),
        ("wide", "wide"),
    ],
)
def test_one_input_takes_a_number_a_list_or_a_word(written, read):
    values = spread(FORM, document()) | {"supernet.width": written}
    assert assemble(FORM, values)["supernet"]["width"] == read


def test_an_input_of_a_number_or_a_word_may_be_empty():
    values = spread(FORM, document()) | {"supernet.width": ""}
    assert "width" not in assemble(FORM, values)["supernet"]


def test_another_kind_keeps_what_both_have():
    values = spread(FORM, document()) | {"search.budget": 77, "search[evolution].num_parents": 3}
    assert assemble(FORM, values)["search"]["num_parents"] == 3
    other = assemble(FORM, values | {"search.kind": "local-search"})["search"]
    assert (other["kind"], other["budget"]) == ("local-search", 77)
    assert "num_parents" not in other


def test_only_the_chosen_kinds_parameters_are_sent():
    values = spread(FORM, document()) | {"search.kind": "random", "search.budget": 5}
    assert assemble(FORM, values)["search"] == {
        "kind": "random",
        "scorer": "loss",
        "objectives": None,
        "budget": 5,
        "budget_seconds": None,
        "evaluators": 3,
        "constraints": {
            "flops": None,
            "parameters": None,
            "nonlinearity_count": None,
            "latency": None,
        },
        "latency": None,
    }


def test_the_source_of_latencies_is_chosen_inside_of_the_searcher():
    chosen = {
        "search.kind": "nsga2",
        "search.objectives": "loss, latency",
        "search.latency.kind": "measured",
        "search.latency[measured].batch_size": 8,
        "search.latency[table].benchmark": "not chosen",
    }
    built = assemble(FORM, spread(FORM, document()) | chosen)["search"]
    assert built["latency"] == {"kind": "measured", "batch_size": 8, "warm_up": 3, "repeats": 20}
    assert (
        spread(FORM, document() | {"search": built}).items()
        >= {
            "search.latency.kind": "measured",
            "search.latency[measured].batch_size": 8,
        }.items()
    )


def test_a_kind_taken_back_is_null_where_allowed():
    assert assemble(FORM, spread(FORM, document()) | {"search.kind": None})["search"] is None


@pytest.mark.parametrize(
    ("location", "key"),
    [
        (("training", "steps"), "training.steps"),
        (("search", "evolution", "budget"), "search.budget"),
        (("search", "budget"), "search.budget"),
        (("splitter", "thresholds", 0), "splitter[nonlinearity].thresholds"),
        (("ranking", "scorers"), "ranking.scorers.kind"),
        (("ranking", "scorers", 0, "loss"), "ranking.scorers.kind"),
        (("search",), "search.kind"),
        (
            ("search", "random", "latency", "table", "benchmark"),
            "search.latency[table].benchmark",
        ),
        (("search", "random", "latency"), "search.latency.kind"),
        (("search", "random", "constraints", "latency"), "search.constraints.latency"),
        (("search", "evolution"), "search.kind"),
        (("training",), None),
        ((), None),
        (("no such field",), None),
    ],
)
def test_an_error_finds_its_input(location, key):
    assert field_of(FORM, location) == key


@pytest.mark.parametrize(
    ("chosen", "location", "key"),
    [
        (
            {"landmarks": {"kind": "stand-alone", "choice": {"kind": "fixed"}}},
            ("landmarks", "choice", "architectures"),
            "landmarks.choice[fixed].architectures",
        ),
        (
            {"landmarks": {"kind": "benchmark", "choice": {"kind": "random", "count": 999}}},
            ("landmarks", "choice", "count"),
            "landmarks.choice[random].count",
        ),
        (
            {"landmarks": {"kind": "stand-alone"}},
            ("landmarks", "choice"),
            "landmarks.choice.kind",
        ),
        (
            {"ranking": {"scorers": [{"kind": "loss"}, {"kind": "rank-sum", "of": ["x"]}]}},
            ("ranking", "scorers", 1, "of"),
            "ranking.scorers[rank-sum].of",
        ),
        ({"search": {"kind": "exhaustive"}}, ("search", "budget"), "search.budget"),
        ({"search": {"kind": "no such"}}, ("search",), "search.kind"),
        ({"search": None}, ("search", "budget"), "search.budget"),
    ],
)
def test_an_error_without_kinds_finds_the_input_of_the_kind_that_was_chosen(chosen, location, key):
    assert field_of(FORM, location, chosen) == key


def test_a_nullable_group_is_null_until_something_is_filled_in():
    values = spread(FORM, document(retrain=None))
    assert assemble(FORM, values)["retrain"] is None
    built = assemble(FORM, {**values, "retrain.top": 3})
    spec = RunSpec.model_validate(built)
    assert (spec.retrain.top, spec.retrain.seeds) == (3, (0, 1, 2))
    assert spec.retrain.recipe is None


@pytest.mark.parametrize("kind", ["digits", "cifar10", "efs-nas-mobilenet", "darts"])
def test_a_strategy_that_is_chosen_next_begins_with_its_defaults(kind):
    values = spread(FORM, document(retrain=None))
    built = assemble(FORM, {**values, "retrain.top": 1, "retrain.recipe.kind": kind})
    chosen = RunSpec.model_validate(built).retrain.recipe
    assert chosen == type(chosen)()
