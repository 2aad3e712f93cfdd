"""Search spaces: data, with exact arithmetic on it."""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import TypeAdapter

from nas.plugin import tagged_union
from nas.spaces.base import Space

if TYPE_CHECKING:
    AnySpace = Space
else:
    AnySpace = tagged_union(__name__, Space)


def catalogue() -> dict[str, Space]:
    """Return the built-in search spaces by name, one YAML file each."""
    adapter: TypeAdapter[Space] = TypeAdapter(AnySpace)
    spaces = [adapter.validate_python(document) for document in _documents()]
    return {space.name: space for space in spaces}


@cache
def _documents() -> tuple[Any, ...]:  # Any: what YAML holds
    """Read the files once: parsing them takes ten times as long as all that follows."""
    folder = files(__name__) / "catalogue"
    paths = sorted(
        (path for path in folder.iterdir() if path.name.endswith(".yaml")),
        key=lambda path: path.name,
    )
    return tuple(yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths)
