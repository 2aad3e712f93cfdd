"""What has changed in a figure since a browser last saw it, so that only that travels.

A browser keeps a `Mark` beside each figure: hashes of what it holds. From the newly drawn figure
and the mark, `changes` gives nothing, or the points that were appended and the traces and layout
keys that differ. What a viewer has changed, such as a zoomed axis, is in the browser's layout and
stays there, because the layout is never sent whole again.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from dash import Patch, no_update
from plotly.utils import PlotlyJSONEncoder

Mark = dict[str, Any]  # Any: JSON kept by the browser, built and read only here
SERIES = ("x", "y", "text", "customdata")


@dataclass(frozen=True, slots=True)
class Update:
    """What to send.

    Attributes:
        content: `no_update`, a `Patch`, or the whole.
        mark: what the browser keeps; `no_update` when nothing changed.
    """

    content: Any  # Any: one of Dash's three ways to answer
    mark: Any


UNCHANGED = Update(no_update, no_update)


def mark_of(figure: dict[str, Any]) -> Mark:
    """Summarise a figure given as JSON."""
    return {
        "traces": [_trace_mark(trace) for trace in figure["data"]],
        "layout": {key: _hash(value) for key, value in figure["layout"].items()},
    }


def changes(figure: go.Figure, mark: Mark | None) -> Update:
    """Compare a newly drawn figure with what the browser holds.

    Args:
        figure: the figure as it should now be.
        mark: of what the browser holds; None if it holds nothing.
    """
    drawn: dict[str, Any] = json.loads(figure.to_json())
    new = mark_of(drawn)
    if new == mark:
        return UNCHANGED
    if mark is None:
        return Update(drawn, new)
    patch = Patch()
    if len(new["traces"]) != len(mark["traces"]):
        patch["data"] = drawn["data"]
    else:
        for place, trace in enumerate(drawn["data"]):
            _patch_trace(patch, place, trace, mark["traces"][place])
    for key, value in drawn["layout"].items():
        if new["layout"][key] != mark["layout"].get(key):
            patch["layout"][key] = value
    for key in mark["layout"].keys() - new["layout"].keys():
        del patch["layout"][key]
    return Update(patch, new)


def replacement(content: Any, mark: str | None) -> Update:  # Any: a component, or JSON
    """Send `content` whole if it differs from what the browser holds."""
    new = _hash(json.loads(json.dumps(content, cls=PlotlyJSONEncoder)))
    return UNCHANGED if new == mark else Update(content, new)


def _trace_mark(trace: dict[str, Any]) -> Mark:
    series = _series(trace)
    return {
        "rest": _hash({key: value for key, value in trace.items() if key not in series}),
        "series": {key: [len(values), _hash(values)] for key, values in series.items()},
    }


def _patch_trace(patch: Patch, place: int, trace: dict[str, Any], held: Mark) -> None:
    if _trace_mark(trace) == held:
        return
    series = _series(trace)
    appended = _trace_mark(trace)["rest"] == held["rest"] and all(
        key in held["series"] and _hash(values[: held["series"][key][0]]) == held["series"][key][1]
        for key, values in series.items()
    )
    if not appended:
        patch["data"][place] = trace
        return
    for key, values in series.items():
        tail = values[held["series"][key][0] :]
        if tail:
            patch["data"][place][key].extend(tail)


def _series(trace: dict[str, Any]) -> dict[str, list[Any]]:
    return {key: trace[key] for key in SERIES if isinstance(trace.get(key), list)}


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
