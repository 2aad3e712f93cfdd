"""The plug-in mechanism: a strategy is one frozen pydantic model in one file of its family.

A family is a package. Every module in it is imported, its concrete strategies are found by
walking subclasses, and they are joined into a union tagged by `kind`. The union is at once the
validation, the JSON schema, the stored form and the discovery.
"""

import importlib
import inspect
import pkgutil
from abc import ABC
from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Part = TypeVar("Part")


class Strategy(BaseModel):
    """One choice of a family; its fields are its parameters, its methods its behaviour.

    Strategies are immutable and hold no state of a run: what changes during a run is a value that
    is passed in and returned. `kind` and the field names are a stored format, never renamed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def refused_at(place: tuple[str | int, ...], reason: str) -> ValidationError:
    """Return an error to raise in a validator of a whole, about one place inside it.

    Args:
        place: field names and positions, from what is validated inwards.
        reason: for people.
    """
    error = InitErrorDetails(
        type=PydanticCustomError("value_error", "{reason}", {"reason": reason}),
        loc=place,
        input=None,
    )
    return ValidationError.from_exception_data("refused", [error])


def one_of_each(package: str, base: type[Part]) -> tuple[Part, ...]:
    """Import every module of `package` and return one of each direct subclass, ordered by name.

    For families whose members are recognised by what they are given, and have no parameters.
    """
    _import_all(package)
    found = [made for made in base.__subclasses__() if made.__module__.startswith(f"{package}.")]
    return tuple(made() for made in sorted(found, key=lambda made: made.__name__))


def concrete_subclasses(base: type[Strategy], package: str) -> Iterator[type[Strategy]]:
    """Yield the concrete descendants of `base` that are defined inside `package`.

    Abstract are those that leave a method open or name `ABC` among their own bases.
    """
    for child in base.__subclasses__():
        abstract = inspect.isabstract(child) or ABC in child.__bases__
        if not abstract and child.__module__.startswith(f"{package}."):
            yield child
        yield from concrete_subclasses(child, package)


def tagged_union(package: str, base: type[Strategy]) -> Any:  # Any: a runtime type expression
    """Import every module of `package` and join its strategies into a union tagged by `kind`.

    Raises:
        TypeError: if two strategies share a `kind`, or if the package holds none.
    """
    _import_all(package)
    found: dict[str, type[Strategy]] = {}
    for strategy in concrete_subclasses(base, package):
        kind = strategy.model_fields["kind"].default
        if kind in found:
            raise TypeError(f"{package}: {strategy.__name__} reuses the kind {kind!r}")
        found[kind] = strategy
    if not found:
        raise TypeError(f"{package}: no strategy found")
    ordered = [found[kind] for kind in sorted(found)]
    if len(ordered) == 1:
        return ordered[0]
    union: Any = reduce(or_, ordered)  # Any: the union is built at run time
    return Annotated[union, Field(discriminator="kind")]


def _import_all(package: str) -> None:
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
