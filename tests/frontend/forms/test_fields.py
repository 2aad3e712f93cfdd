from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from frontend.forms.fields import Choice, Leaf, form_of, humanised, leaves, walk
from nas.benchmarks.build import BuildSpec
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.plugin import Strategy
from nas.spec import RunSpec
from tests.nas.search.searching import KINDS


def by_key(model):
    return {node.key: node for node in walk(form_of(model.model_json_schema()))}


def schema_paths(schema, definitions, path=()):
    """Every scalar of a JSON schema by its path, found without the code under test."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    found = set()
    for member in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        found |= schema_paths(member, definitions, path)
    if "items" in schema:
        found |= schema_paths(schema["items"], definitions, path)
    for name, child in schema.get("properties", {}).items():
        found |= schema_paths(child, definitions, (*path, name))
    if schema.get("type") in ("integer", "number", "string", "boolean"):
        found.add(path)
    return found


@pytest.mark.parametrize(("model", "most"), [(RunSpec, 30), (BuildSpec, 15)])
def test_every_field_of_the_spec_has_an_input(model, most):
    schema = model.model_json_schema()
    form = form_of(schema)
    shown = {leaf.path for leaf in leaves(form)}
    shown |= {(*node.path, "kind") for node in walk(form) if isinstance(node, Choice)}
    assert shown == schema_paths(schema, schema["$defs"])
    assert len(shown) > most


def test_every_registered_strategy_can_be_chosen():
    nodes = by_key(RunSpec)
    assert list(nodes["search"].variants) == list(KINDS)
    assert list(nodes["splitter"].variants) == ["none", "nonlinearity", "random", "random-edge"]
    assert list(nodes["training.sampler"].variants) == [
        "fair",
        "sandwich",
        "supernet-balanced",
        "uniform",
    ]
    assert nodes["ranking.scorers"].several
    assert nodes["search"].nullable
    assert not nodes["splitter"].nullable


def test_a_new_splitter_would_appear_with_its_parameters():
    class OtherSplitter(Strategy):
        """Split in another way."""

        kind: Literal["other"] = "other"
        strength: float = Field(0.5, gt=0, description="How strongly.")

    union = Annotated[NonlinearitySplitter | OtherSplitter, Field(discriminator="kind")]
    wider = create_model("Wider", splitter=(union, ...))
    nodes = by_key(wider)
    assert list(nodes["splitter"].variants) == ["nonlinearity", "other"]
    assert nodes["splitter[other]"].description == "Split in another way."
    assert nodes["splitter[other].strength"].path == ("splitter", "strength")
    assert nodes["splitter[other].strength"].bounds == "> 0"


def test_what_all_kinds_have_alike_is_one_input_and_what_differs_is_one_for_each():
    class Slow(Strategy):
        """Take every step."""

        kind: Literal["slow"] = "slow"
        steps: int = Field(5, ge=1)
        seed: int = Field(0, ge=0)

    class Fast(Strategy):
        """Take few steps."""

        kind: Literal["fast"] = "fast"
        seed: int = Field(0, ge=0)
        steps: int = Field(2, ge=1)

    union = Annotated[Slow | Fast, Field(discriminator="kind")]
    nodes = by_key(create_model("Walk", pace=(union, ...), paces=(tuple[union, ...], ...)))
    assert [child.key for child in nodes["pace"].common] == ["pace.seed"]
    # The defaults differ.
    assert [child.key for child in nodes["pace"].own("slow").children] == ["pace[slow].steps"]
    assert [child.key for child in nodes["pace"].own("fast").children] == ["pace[fast].steps"]
    assert nodes["pace[fast].steps"].default == 2
    # Of several that are chosen, each has values of its own.
    assert nodes["paces"].common == ()
    assert {"paces[slow].seed", "paces[fast].seed"} <= nodes.keys()


def test_every_input_of_the_spec_has_a_key_of_its_own():
    form = form_of(RunSpec.model_json_schema())
    keys = [node.kind_key for node in walk(form) if isinstance(node, Choice)]
    keys += [leaf.key for leaf in leaves(form)]
    assert len(keys) == len(set(keys))
    assert "search.budget" in keys
    assert "search[nsga2].population_size" in keys


def test_an_input_knows_type_bounds_and_help():
    nodes = by_key(RunSpec)
    width = nodes["supernet.width"]
    assert (width.scalar, width.minimum, width.maximum) == ("integer", 1, 256)
    assert width.description.startswith("Channels of the first stage, or")
    assert nodes["training.momentum"].bounds == "≥ 0, < 1"
    assert nodes["training.gradient_clip"].nullable
    assert nodes["training.steps"].required
    assert not nodes["training.batch_size"].required
    assert nodes["supernet.routing"].options == ("class", "accumulated")


def test_a_number_or_a_list_or_a_word_is_one_input_that_names_the_words():
    width = by_key(RunSpec)["supernet.width"]
    assert isinstance(width, Leaf)
    assert (width.words, width.repeated, width.bounds) == (("auto",), False, "≥ 1, ≤ 256")
    parent = by_key(RunSpec)["supernet.parent_width"]
    assert (parent.words, parent.nullable) == ((), True)


def test_a_list_of_numbers_is_one_repeated_input():
    thresholds = by_key(RunSpec)["splitter[nonlinearity].thresholds"]
    assert isinstance(thresholds, Leaf)
    assert (thresholds.repeated, thresholds.scalar, thresholds.nullable) == (True, "integer", True)


def test_a_shape_without_an_input_is_an_error_naming_the_field():
    class Odd(BaseModel):
        table: dict[str, int]

    with pytest.raises(TypeError, match="table"):
        form_of(Odd.model_json_schema())


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("warm_up_steps", "Warm-up steps"),
        ("num_parents", "Number of parents"),
        ("num_subspaces", "Number of sub-spaces"),
        ("flops", "FLOPs"),
        ("seed", "Seed"),
    ],
)
def test_names_are_written_for_people(name, title):
    assert humanised(name) == title
