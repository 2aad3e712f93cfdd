"""Validation errors of pydantic -> the fields that a person wrote."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MOST_SHOWN = 40
_FIRST_WORD = re.compile(r"[a-z_]+(\.[a-z_]+)*(?=[ :])")


def field_errors(
    errors: Iterable[Mapping[str, Any]], body: Any = None
) -> list[dict[str, str]]:  # Any: pydantic's own error mappings, JSON values
    """Return one `{"field", "message"}` per error, the field as a dotted path.

    Args:
        errors: of a pydantic `ValidationError`.
        body: what was validated. With it, the tags that pydantic puts into the path of a union
            (`search.evolution.budget`) are left out, and a message that begins with the name of
            a field, as those of our own validators do, is filed under that field.
    """
    return [_field_error(error, body) for error in errors]


def sentence(errors: Sequence[Mapping[str, str]]) -> str:
    """Return the errors as one line for people."""
    return "; ".join(field_sentence(error["field"], error["message"]) for error in errors)


def field_sentence(field: str, message: str) -> str:
    """Return `field: message`, or the message alone if it begins with the field's name."""
    name = field.rpartition(".")[2]
    return message if message.startswith(name) else f"{field}: {message}"


def _field_error(error: Mapping[str, Any], body: Any) -> dict[str, str]:
    parts, value = _written_path(error["loc"], body)
    message = str(error["msg"])
    if error["type"] == "union_tag_not_found":
        parts.append("kind")
        message = "kind is missing: it tells which one is meant"
    if error["type"] == "model_attributes_type":
        message = f"must be an object with named fields, and is {_shown(error.get('input'))}"
    if error["type"] == "value_error":
        message = message.removeprefix("Value error, ")
        named = _FIRST_WORD.match(message)
        if named and isinstance(value, Mapping) and named[0].split(".")[0] in value:
            parts.append(named[0])
    return {"field": ".".join(parts), "message": message}


def _shown(value: Any) -> str:
    """Return the beginning of a value as JSON, in letters that any answer can hold."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _written_path(location: Sequence[int | str], body: Any) -> tuple[list[str], Any]:
    """Follow `location` through `body`; return the path without union tags, and its end."""
    parts: list[str] = []
    value = body
    for part in location:
        if isinstance(part, str) and _is_tag(part, value):
            continue
        parts.append(str(part))
        value = _child(value, part)
    return parts, value


def _is_tag(part: str, value: Any) -> bool:
    """Whether a part of a path names a member of a union, not a field of what was written."""
    if isinstance(value, Mapping):
        return part not in value and bool(value.get("kind") == part)
    # Numbers and lists have no fields.
    return isinstance(value, (list, int, float, str))


def _child(value: Any, part: int | str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
        return value[part]
    return None
