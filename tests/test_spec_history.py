"""Specs are stored for good: what a release wrote, every later one must read as the same.

`spec_history/` keeps one file per release with specs of runs and of builds, and search spaces, as that release stored
them, defaults included. A released file is never edited.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from pydantic import BaseModel, TypeAdapter

from nas.benchmarks.build import BuildSpec
from nas.spaces import AnySpace
from nas.spec import RunSpec

FILES = sorted(
    (Path(__file__).parent / "spec_history").glob("*.json"), key=lambda path: Version(path.stem)
)
ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "runs": TypeAdapter(RunSpec),
    "builds": TypeAdapter(BuildSpec),
    "spaces": TypeAdapter(AnySpace),
}
STORED = [
    pytest.param(kind, stored, id=f"{path.stem} {kind} {stored['name']}")
    for path in FILES
    for kind, documents in json.loads(path.read_text()).items()
    for stored in documents
]


def holds(document: Any, part: Any) -> bool:
    """Whether `document` is `part`, perhaps with further keys in its objects."""
    if isinstance(part, dict) and isinstance(document, dict):
        return all(key in document and holds(document[key], part[key]) for key in part)
    if isinstance(part, list) and isinstance(document, list):
        return len(document) == len(part) and all(map(holds, document, part))
    return bool(document == part)


@pytest.mark.parametrize(("kind", "stored"), STORED)
def test_what_a_release_stored_reads_as_the_same(kind: str, stored: dict[str, Any]):
    read = ADAPTERS[kind].validate_json(json.dumps(stored))
    assert holds(ADAPTERS[kind].dump_python(read, mode="json"), stored)


def field_paths(value: Any, prefix: str = "") -> set[str]:
    """Every field in use, a strategy's fields under its kind, lists looked through."""
    if isinstance(value, dict):
        own = f"{prefix}<{value['kind']}>" if "kind" in value else prefix
        return {own}.union(*(field_paths(item, f"{own}.{key}") for key, item in value.items()))
    if isinstance(value, list):
        return {prefix}.union(*(field_paths(item, f"{prefix}[]") for item in value))
    return {prefix}


def strategy_classes(package: str) -> set[str]:
    """The kinds of every concrete strategy of a package."""

    def descend(cls: type[BaseModel]) -> set[str]:
        found = set().union(*map(descend, cls.__subclasses__()))
        if cls.__module__.startswith(package) and "kind" in cls.model_fields:
            kind = cls.model_fields["kind"].default
            found |= {kind} if isinstance(kind, str) else set()
        return found

    return descend(BaseModel)


@pytest.mark.parametrize(
    "package",
    [
        "nas.spaces",
        "nas.partition",
        "nas.landmarks.choices",
        "nas.landmarks.sources",
        "nas.latency.sources",
        "nas.training.samplers",
        "nas.training.recipes",
        "nas.training.regularisers",
        "nas.ranking.batch_norm",
        "nas.ranking.scorers",
        "nas.search",
    ],
)
def test_the_newest_file_shows_every_kind(package: str):
    paths = field_paths(json.loads(FILES[-1].read_text()))
    for kind in strategy_classes(package):
        assert any(path.endswith(f"<{kind}>") for path in paths), kind


@pytest.mark.parametrize(
    ("kind", "stored"), [parameter for parameter in STORED if FILES[-1].stem in parameter.id]
)
def test_the_newest_file_shows_every_field(kind: str, stored: dict[str, Any]):
    now = ADAPTERS[kind].dump_python(ADAPTERS[kind].validate_python(stored), mode="json")
    missing = field_paths(now) - field_paths(stored)
    assert not missing, f"store a file for the next release; new: {sorted(missing)}"


def test_the_comparison_notices_a_changed_value():
    assert holds({"a": [1, {"b": 2, "new": 3}]}, {"a": [1, {"b": 2}]})
    assert not holds({"a": [1, {"b": 3}]}, {"a": [1, {"b": 2}]})
    assert not holds({}, {"a": None})
    assert not holds([1, 2], [1])
