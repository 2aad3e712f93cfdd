import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from nas.plugin import Strategy, tagged_union

BASE = """
from abc import ABC, abstractmethod
from nas.plugin import Strategy

class Shape(Strategy, ABC):
    kind: str

    @abstractmethod
    def corners(self) -> int: ...
"""
LEAF = """
from typing import Literal
from {package}.base import Shape

class {name}(Shape):
    kind: Literal["{kind}"] = "{kind}"
    size: int = 1

    def corners(self) -> int:
        return {corners}
"""


def family(
    folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, *leaves: tuple[str, str, int]
) -> type[Strategy]:
    """Write a package of strategies, make it importable and return its base."""
    home = folder / package
    home.mkdir()
    (home / "__init__.py").write_text("")
    (home / "base.py").write_text(BASE)
    for position, (name, kind, corners) in enumerate(leaves):
        source = LEAF.format(package=package, name=name, kind=kind, corners=corners)
        (home / f"leaf_{position}.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    base: type[Strategy] = __import__(f"{package}.base", fromlist=["Shape"]).Shape
    return base


def test_a_new_file_is_usable_by_its_kind(tmp_path, monkeypatch) -> None:
    leaves = (("Square", "square", 4), ("Triangle", "triangle", 3))
    base = family(tmp_path, monkeypatch, "shapes_found", *leaves)
    union = TypeAdapter(tagged_union("shapes_found", base))
    assert union.validate_python({"kind": "triangle", "size": 2}).corners() == 3
    assert union.validate_python({"kind": "square"}).corners() == 4
    with pytest.raises(ValidationError, match="'square', 'triangle'"):
        union.validate_python({"kind": "circle"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        union.validate_python({"kind": "square", "sise": 2})


def test_a_kind_used_twice_is_refused(tmp_path, monkeypatch) -> None:
    leaves = (("Square", "square", 4), ("Quadrangle", "square", 4))
    base = family(tmp_path, monkeypatch, "shapes_twice", *leaves)
    with pytest.raises(TypeError, match=r"shapes_twice: .* reuses the kind 'square'"):
        tagged_union("shapes_twice", base)


def test_a_family_without_strategies_is_refused(tmp_path, monkeypatch) -> None:
    base = family(tmp_path, monkeypatch, "shapes_none")
    with pytest.raises(TypeError, match="shapes_none: no strategy found"):
        tagged_union("shapes_none", base)


def test_the_spec_and_the_events_load_no_torch() -> None:
    script = (
        "import sys, nas.spec, nas.events, nas.search.loop, nas.spaces, nas.operations\n"
        "nas.spec.RunSpec.model_json_schema(); nas.spaces.catalogue()\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] == 'torch'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
