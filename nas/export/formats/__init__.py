"""The formats in which a network is exported, one file each."""

from collections.abc import Mapping
from types import MappingProxyType

from nas.export.formats.base import Format
from nas.plugin import concrete_subclasses, tagged_union

# Joining them imports every module here and refuses two formats of one name.
tagged_union(__name__, Format)

_found = [child() for child in concrete_subclasses(Format, __name__)]
FORMATS: Mapping[str, Format] = MappingProxyType(
    {one.kind: one for one in _found if isinstance(one, Format)}
)
