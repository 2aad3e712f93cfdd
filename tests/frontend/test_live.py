import copy
import json

import plotly.graph_objects as go
from dash import Patch, no_update

from frontend.live import changes, replacement


def as_json(figure):
    return json.loads(figure.to_json())


def applied(held, content):
    """Do to a figure what the browser does with an answer."""
    if content is no_update:
        return held
    if not isinstance(content, Patch):
        return content
    patched = copy.deepcopy(held)
    for operation in content.to_plotly_json()["operations"]:
        *way, last = operation["location"]
        place = patched
        for part in way:
            place = place[part]
        params = operation["params"]
        if operation["operation"] == "Assign":
            place[last] = params["value"]
        elif operation["operation"] == "Delete":
            del place[last]
        else:
            assert operation["operation"] == "Extend"
            place[last].extend(params["value"])
    return patched


def operations(content):
    return [
        (operation["operation"], operation["location"])
        for operation in content.to_plotly_json()["operations"]
    ]


def curve(*ys, name="loss", title="a"):
    return go.Figure(
        [go.Scatter(x=list(range(len(ys))), y=list(ys), name=name)], layout={"title": title}
    )


def test_the_first_time_the_whole_figure_is_sent():
    first = changes(curve(1, 2), None)
    assert first.content == as_json(curve(1, 2))


def test_an_unchanged_figure_sends_nothing():
    mark = changes(curve(1, 2), None).mark
    again = changes(curve(1, 2), mark)
    assert again.content is no_update
    assert again.mark is no_update


def test_appended_points_alone_travel():
    first = changes(curve(1, 2), None)
    second = changes(curve(1, 2, 3, 4), first.mark)
    assert operations(second.content) == [
        ("Extend", ["data", 0, "x"]),
        ("Extend", ["data", 0, "y"]),
    ]
    assert applied(first.content, second.content) == as_json(curve(1, 2, 3, 4))


def test_a_changed_point_sends_its_trace():
    first = changes(curve(1, 2), None)
    second = changes(curve(1, 9), first.mark)
    assert operations(second.content) == [("Assign", ["data", 0])]
    assert applied(first.content, second.content) == as_json(curve(1, 9))


def test_a_changed_layout_sends_the_keys_that_differ():
    first = changes(curve(1), None)
    second = changes(curve(1, title="b"), first.mark)
    assert operations(second.content) == [("Assign", ["layout", "title"])]
    assert applied(first.content, second.content) == as_json(curve(1, title="b"))


def test_a_layout_key_that_is_gone_is_removed():
    shaped = curve(1).add_hline(y=1)
    first = changes(shaped, None)
    second = changes(curve(1), first.mark)
    assert applied(first.content, second.content) == as_json(curve(1))


def test_another_number_of_traces_sends_them_all_but_the_layout_only_where_it_differs():
    first = changes(go.Figure(layout={"title": "a"}), None)
    second = changes(curve(1), first.mark)
    assert operations(second.content) == [("Assign", ["data"])]
    assert applied(first.content, second.content) == as_json(curve(1))


def test_a_chain_of_updates_ends_at_the_same_figure_as_a_fresh_page():
    held, mark = None, None
    for figure in (curve(1), curve(1, 2), curve(1, 2, name="x"), curve(5, 2, 3), curve(5)):
        update = changes(figure, mark)
        held = applied(held, update.content)
        mark = mark if update.mark is no_update else update.mark
        assert held == as_json(figure)


def test_a_replacement_is_sent_once():
    first = replacement([{"a": 1}], None)
    assert first.content == [{"a": 1}]
    assert replacement([{"a": 1}], first.mark).content is no_update
    assert replacement([{"a": 2}], first.mark).content == [{"a": 2}]
