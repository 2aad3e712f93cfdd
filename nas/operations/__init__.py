"""The operations that a decision can choose, found in this package and keyed by their `kind`."""

from collections.abc import Mapping
from types import MappingProxyType

from nas.operations.base import Operation
from nas.plugin import concrete_subclasses, tagged_union

# Joining them imports every module here and refuses two operations of one name.
tagged_union(__name__, Operation)

_found = [child() for child in concrete_subclasses(Operation, __name__)]
OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {operation.kind: operation for operation in _found if isinstance(operation, Operation)}
)
