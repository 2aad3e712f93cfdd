import pytest

from backend.spaces.documents import (
    MAX_BYTES,
    BadDefinition,
    line_of,
    parse_json,
    parse_yaml,
    yaml_text,
)
from nas.spaces import catalogue

TEXT = """\
# comment
kind: cell
edges:
- {source: 0, target: 1}
- source: 1
  target: 9
skeleton:
  width: 8
"""


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_a_definition_is_read_back_from_its_text(name: str):
    space = catalogue()[name]
    text = yaml_text(space)
    assert parse_yaml(text) == space
    assert "null" not in text
    assert parse_json(space.model_dump_json()) == space


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("", 1),
        ("kind", 2),
        ("edges", 3),
        ("edges.0", 4),
        ("edges.1.target", 6),
        ("edges.1.operations", 5),
        ("edges.7", 3),
        ("skeleton.width", 8),
        ("skeleton.image_size", 7),
        ("name", 1),
    ],
)
def test_an_error_is_shown_at_its_line_or_at_what_is_around_it(field: str, line: int):
    assert line_of(TEXT, field) == line


def test_text_that_cannot_be_read_has_a_line():
    with pytest.raises(BadDefinition) as caught:
        parse_yaml("kind: cell\nname: [")
    assert caught.value.line == 2
    assert line_of("kind: [", "kind") == 1


def test_aliases_stand_for_what_they_name():
    text = yaml_text(catalogue()["digits-mini"])
    names = "[none, skip_connect]"
    aliased = text.replace(
        "num_nodes: 3",
        "num_nodes: 3\nedges:\n"
        + (
            f"- {{source: 0, target: 1, operations: &few {names}}}\n"
            "- {source: 1, target: 2, operations: *few}"
        ),
    )
    assert parse_yaml(aliased).choices == (("none", "skip_connect"),) * 2


def test_long_text_is_refused_before_it_is_read():
    with pytest.raises(BadDefinition, match="1 MiB"):
        parse_yaml("#" * (MAX_BYTES + 1))
    with pytest.raises(BadDefinition, match="mapping"):
        parse_yaml("#" * MAX_BYTES)
