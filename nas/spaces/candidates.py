"""The list of candidate operations that every kind of space has."""

from typing import Annotated

from pydantic import AfterValidator, Field

from nas.operations import OPERATIONS


def _known_and_different(operations: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in operations if name not in OPERATIONS]
    if unknown:
        raise ValueError(f"unknown operations {unknown}; known are {sorted(OPERATIONS)}")
    if len(set(operations)) != len(operations):
        raise ValueError(f"each operation may be named once, got {list(operations)}")
    return operations


OperationNames = Annotated[
    tuple[str, ...], Field(min_length=1, max_length=32), AfterValidator(_known_and_different)
]
"""Names of operations, each known and named once."""
