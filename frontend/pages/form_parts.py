"""What the pages with a form of a spec share: suggestions, values, and where errors stand."""

from collections.abc import Mapping
from typing import Any

from dash import ctx

from backend.benchmarks import service as benchmarks
from backend.datasets import service as datasets
from backend.spaces import service as spaces
from frontend.context import Context
from frontend.forms.fields import Group
from frontend.forms.values import field_of
from frontend.pages.parts import alert

MOST_SUGGESTIONS = 1000

Component = Any  # Dash's components are generated, without a useful common type
Errors = list[dict[str, str]]  # each with `field`, a dotted path, and `message`


def place_errors(
    form: Group, errors: Errors, document: Mapping[str, Any]
) -> tuple[dict[str, str], list[str]]:
    """Sort errors into those that belong to an input of a form, by its key, and the others.

    Args:
        form: the whole form.
        errors: of `document`.
        document: what was refused; of the inputs of several kinds, those of its own are shown.
    """
    placed: dict[str, str] = {}
    rest: list[str] = []
    for error in errors:
        parts = [int(part) if part.isdecimal() else part for part in error["field"].split(".")]
        key = field_of(form, parts, document)
        if key is not None:
            placed[key] = error["message"]
        else:
            rest.append(": ".join(part for part in (error["field"], error["message"]) if part))
    return placed, rest


def suggestions(context: Context) -> dict[str, list[str]]:
    """Return what there is to choose from for the fields that name something stored."""
    with context.db.reading() as session:
        found = {
            "space": [
                (item.name, item.version)
                for item in spaces.list_spaces(session, MOST_SUGGESTIONS).items
            ],
            "dataset": [
                (item.name, item.version)
                for item in datasets.list_datasets(session, MOST_SUGGESTIONS).items
            ],
            "benchmark": [
                (item.name, item.version)
                for item in benchmarks.list_benchmarks(session, MOST_SUGGESTIONS).items
            ],
        }
    return {
        key: [
            *dict.fromkeys(name for name, _ in versions),
            *(f"{name}@{version}" for name, version in versions),
        ]
        for key, versions in found.items()
    }


def input_values(
    fields: list[Any], flags: list[Any], *, state: bool = False
) -> dict[str, Any]:  # Any: JSON values
    """Return the values of a form's inputs by key, inside the callback that was given them.

    Args:
        fields: values of the inputs, the callback's first argument.
        flags: of the switches, its second.
        state: whether the callback was given them as states.
    """
    places = ctx.states_list[:2] if state else ctx.inputs_list[:2]
    return {
        place["id"]["key"]: value
        for group, values in zip(places, (fields, flags), strict=True)
        for place, value in zip(group, values, strict=True)
    }


def problems(title: str, placed: Mapping[str, str], rest: list[str]) -> Component:
    """Return why a form was refused; what stands at its inputs is only counted."""
    marked = f"{len(placed)} field{'s' if len(placed) != 1 else ''} marked in the form."
    lines = [*rest, *([marked] if placed else [])]
    return alert(title, "\n".join(lines))
