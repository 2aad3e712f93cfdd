import json
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

OPERATION = '''
"""Three convolutions in a row."""

from typing import ClassVar, Literal, final

from nas.operations.base import Operation, Place


@final
class TripleConv(Operation):
    """ReLU and 3x3 convolution, three times."""

    kind: Literal["triple_conv"] = "triple_conv"
    nonlinearities: ClassVar[int] = 3

    def fits(self, place: Place) -> bool:
        return place.keeps_shape

    def flops(self, place: Place, height: int, width: int) -> int:
        return self.parameters(place, affine=False) * height * width

    def parameters(self, place: Place, *, affine: bool) -> int:
        return 3 * 9 * place.in_channels**2

    def build(self, place: Place, *, affine: bool):
        from torch import nn

        channels = place.in_channels
        parts = [nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(3)]
        return nn.Sequential(*(one for part in parts for one in (nn.ReLU(), part)))
'''
USE = """
import importlib.util, json, sys

# What a further file in the folder of the package would be: a module that its path leads to.
found = importlib.util.find_spec("nas.operations")
found.submodule_search_locations.append(sys.argv[1])
package = importlib.util.module_from_spec(found)
sys.modules["nas.operations"] = package
found.loader.exec_module(package)

import torch
from pydantic import TypeAdapter
from nas.spaces import AnySpace, catalogue
from nas.supernets.build import build_stand_alone

document = catalogue()["digits-mini"].model_dump(mode="json")
document |= {"name": "mine", "operations": ["none", "triple_conv"]}
space = TypeAdapter(AnySpace).validate_python(document)
architecture = space.decode("|triple_conv~0|+|none~0|triple_conv~1|")
network = build_stand_alone(space, architecture)
ran = []
for module in network.modules():
    if type(module).__module__.startswith("torch.nn.modules.activation"):
        module.register_forward_hook(lambda *_: ran.append(1))
logits = network(torch.zeros(2, 1, 8, 8), architecture)
dead = space.decode("|none~0|+|none~0|none~1|")
fixed, empty = space.parameters(dead), build_stand_alone(space, dead)
plain = []
for module in empty.modules():
    if type(module).__module__.startswith("torch.nn.modules.activation"):
        plain.append(module)
print(json.dumps({
    "histogram": {count: list(number) for count, number in space.histogram().items()},
    "shape": list(logits.shape),
    "activations": len(ran) - len(plain),
    "parameters": sum(one.numel() for one in network.parameters()),
    "expected_parameters": space.parameters(architecture),
    "of_the_operations": space.parameters(architecture) - fixed,
}))
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


def test_one_new_file_is_an_operation_that_is_counted_and_built(tmp_path: Path) -> None:
    (tmp_path / "triple_conv.py").write_text(OPERATION)
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # Edges 0->1, 0->2 and 1->2. Both of the longer way: six; else the direct one: three; else dead.
    assert found["histogram"] == {"0": [3, 0], "3": [3, 3], "6": [2, 2]}
    assert found["shape"] == [2, 10]
    assert found["activations"] == 6
    assert found["parameters"] == found["expected_parameters"]
    # Two operations of three 3x3 convolutions between 8 channels.
    assert found["of_the_operations"] == 2 * 3 * 9 * 8 * 8


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
