"""Search spaces: data, with exact arithmetic on it."""

from importlib.resources import files
from typing import TYPE_CHECKING

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
    folder = files(__name__) / "catalogue"
    paths = sorted(
        (path for path in folder.iterdir() if path.name.endswith(".yaml")),
        key=lambda path: path.name,
    )
    spaces = [
        adapter.validate_python(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in paths
    ]
    return {space.name: space for space in spaces}
