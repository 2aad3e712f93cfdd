"""What the columns of every database can hold.

A statement about more fails, instead of finding nothing.
"""

from typing import Annotated

from pydantic import AfterValidator

INTEGER_MAX = 2**31 - 1
"""Of ids, versions and steps: PostgreSQL's INTEGER."""

BIG_INTEGER_MAX = 2**63 - 1
"""Of event ids."""


def is_id(number: int) -> bool:
    """Tell whether a row can have this id."""
    return 0 < number <= INTEGER_MAX


def is_storable_text(text: str) -> bool:
    """Tell whether `text` has neither NUL, which PostgreSQL refuses, nor half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _storable(text: str) -> str:
    if not is_storable_text(text):
        raise ValueError("holds a NUL character, which cannot be stored")
    return text


StorableText = Annotated[str, AfterValidator(_storable)]
"""Text of a request that reaches a statement."""
