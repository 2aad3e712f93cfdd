"""Cursor paging: a page ends where the next one begins, whatever is inserted in between."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Row, Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from backend.columns import BIG_INTEGER_MAX, is_storable_text
from backend.errors import Unprocessable

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=1000, description="Largest number of items in a page.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]


AnySelect = Select[*tuple[Any, ...]]  # Any: each listing selects its own columns


class Page(BaseModel, Generic[Item]):
    """Some items of a list, and where the rest begins."""

    model_config = ConfigDict(frozen=True)

    items: list[Item]
    next_cursor: str | None  # null at the end


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """A list that the database holds, in a stable order.

    Attributes:
        name: of the list; a cursor is good for the list that gave it out only.
        statement: selects the rows, without an order.
        keys: columns that together are unique and order the list.
        read: turns the selected columns of one row into an item.
        descending: largest key first.
    """

    name: str
    statement: AnySelect
    keys: Sequence[InstrumentedAttribute[Any]]  # Any: numbers or text
    read: Callable[..., Item]
    descending: bool = False

    def all(self, session: Session) -> list[Item]:
        """Return the whole list."""
        return [self.read(*row) for row in session.execute(self._ordered())]

    def page(self, session: Session, limit: int, cursor: str | None = None) -> Page[Item]:
        """Return up to `limit` items after `cursor`.

        Raises:
            Unprocessable: if the cursor is not one that this list has given out.
        """
        statement = self._ordered().add_columns(*self.keys).limit(limit + 1)
        if cursor is not None:
            position = tuple_(*map(literal, decode_cursor(cursor, self.name, *self._key_types())))
            here = tuple_(*self.keys)
            statement = statement.where(here < position if self.descending else here > position)
        rows: Sequence[Row[*tuple[Any, ...]]] = session.execute(statement).all()
        shown = [tuple(row) for row in rows[:limit]]
        num_keys = len(self.keys)
        return Page(
            items=[self.read(*row[:-num_keys]) for row in shown],
            next_cursor=(
                encode_cursor(self.name, shown[-1][-num_keys:]) if len(rows) > limit else None
            ),
        )

    def _key_types(self) -> list[type]:
        return [key.type.python_type for key in self.keys]

    def _ordered(self) -> AnySelect:
        return self.statement.order_by(
            *(key.desc() if self.descending else key.asc() for key in self.keys)
        )


def encode_cursor(name: str, position: Sequence[float | str]) -> str:
    """Return an opaque cursor for the keys of the last item of a page of the list `name`."""
    text = json.dumps([name, *position])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, name: str, *types: type) -> tuple[Any, ...]:  # Any: of these types
    """Return the keys that `encode_cursor` was given.

    Raises:
        Unprocessable: if the text is no cursor of the list `name`, whose keys have these types.
    """
    try:
        decoded = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    # Nested deeper than the parser goes.
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _foreign() from error
    if not isinstance(decoded, list) or [type(key) for key in decoded] != [str, *types]:
        raise _foreign()
    given, *position = decoded
    if given != name or not all(map(_is_storable, position)):
        raise _foreign()
    return tuple(position)


def _is_storable(key: float | str) -> bool:
    """Whether a database can compare the key with its own."""
    if isinstance(key, int):
        return abs(key) <= BIG_INTEGER_MAX
    if isinstance(key, float):
        return isfinite(key)
    return is_storable_text(key)


def _foreign() -> Unprocessable:
    return Unprocessable("cursor", "is not one that this list has given out")
