"""What people may do to a run from its page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, ctx, dcc, html, no_update

from backend.errors import ApiError
from backend.runs import service
from backend.runs.schemas import RunPatch, RunRead
from frontend.context import Context, threaded
from frontend.pages import links
from frontend.pages.parts import notification

TABLE_FORMATS = (("CSV", "csv"), ("JSON", "json"), ("Parquet", "parquet"))
OFFERS = {"type": "offer", "name": ALL}
"""The pattern of what hides or shows each action."""

Component = Any  # Dash's components are generated, without a useful common type


@dataclass(frozen=True, slots=True)
class Action:
    """A button.

    Attributes:
        do: a service of a session and a run's number; None for what `_delete` does, which needs
            more than a session.
        asks: what is to be read, and confirmed, first; empty if nothing.
    """

    title: str
    do: Callable[..., RunRead] | None
    asks: str = ""
    colour: str = "indigo"


ACTIONS: Mapping[str, Action] = {
    "pause": Action("Pause", service.pause),
    "resume": Action("Resume", service.resume),
    "retry": Action("Retry", service.retry),
    "cancel": Action(
        "Cancel",
        service.cancel,
        asks="Its units stop within seconds. What they stored stays, and Retry goes on from there.",
        colour="red",
    ),
    "archive": Action(
        "Archive", partial(service.update_run, patch=RunPatch(archived=True)), colour="gray"
    ),
    "restore": Action(
        "Restore", partial(service.update_run, patch=RunPatch(archived=False)), colour="gray"
    ),
    "delete": Action(
        "Delete",
        None,
        asks="Its results, log and checkpoints are removed for good.",
        colour="red",
    ),
}


def buttons(run_id: int) -> list[Component]:
    """Return a button for every action, all still hidden, and the way to a clone."""
    clone = dcc.Link(
        dmc.Button("Clone", variant="default", size="xs"), href=links.new_run_page(run_id)
    )
    return [
        _downloads(run_id),
        *(
            html.Div(
                _button(name, action, run_id),
                id={"type": "offer", "name": name},
                style={"display": "none"},
            )
            for name, action in ACTIONS.items()
        ),
        clone,
    ]


def _downloads(run_id: int) -> Component:
    """Return a menu of the files that a run can be had as."""
    return dmc.Menu(
        [
            dmc.MenuTarget(dmc.Button("Download", variant="default", size="xs")),
            dmc.MenuDropdown(
                [
                    dmc.MenuItem(title, href=address, target="_blank")
                    for title, address in (
                        ("Report (HTML)", links.report_of(run_id)),
                        *(
                            (f"Tables ({title})", links.bundle_of(run_id, form))
                            for title, form in TABLE_FORMATS
                        ),
                    )
                ]
            ),
        ],
        position="bottom-end",
    )


def shown(run: RunRead, name: str) -> dict[str, str]:
    """Return the style of an action's button: hidden where the run does not allow it."""
    allowed = {*run.allowed_actions, "restore" if run.archived else "archive"}
    return {} if name in allowed else {"display": "none"}


def register_actions(dash: Dash, context: Context) -> None:
    """Register what the buttons do."""

    @dash.callback(
        Output("notifications", "sendNotifications"),
        Output("url", "pathname", allow_duplicate=True),
        Input({"type": "action", "name": ALL, "run": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    @threaded
    def act(_: list[int | None]) -> tuple[Any, Any]:  # Any: Dash's outputs
        # Buttons also announce themselves when they come and go, without having been pressed.
        if not ctx.triggered or not ctx.triggered[0]["value"] or ctx.triggered_id is None:
            return no_update, no_update
        action, run_id = ACTIONS[ctx.triggered_id["name"]], ctx.triggered_id["run"]
        goes_to: Any = no_update
        try:
            with context.db.unit_of_work() as session:
                if action.do is None:
                    service.delete_run(session, run_id, context.settings.artifact_folder)
                    said, goes_to = f"Run {run_id} is no more.", links.runs_page()
                else:
                    run = action.do(session, run_id)
                    said = f"Run {run_id} is {run.state}{', archived' * run.archived}."
        except ApiError as error:
            return [
                notification(f"{action.title} is not possible", error.message, "red")
            ], no_update
        return [notification(f"{action.title} requested", said, "teal")], goes_to


def _button(name: str, action: Action, run_id: int) -> Component:
    identity = {"type": "action", "name": name, "run": run_id}
    look = {"variant": "light", "color": action.colour, "size": "xs"}
    if not action.asks:
        return dmc.Button(action.title, id=identity, **look)
    return dmc.Popover(
        [
            dmc.PopoverTarget(dmc.Button(f"{action.title} …", **look)),
            dmc.PopoverDropdown(
                [
                    dmc.Text(action.asks, size="sm", mb="xs"),
                    dmc.Button(
                        f"{action.title} this run",
                        id=identity,
                        color=action.colour,
                        size="xs",
                    ),
                ]
            ),
        ],
        width=280,
        position="bottom-end",
        shadow="md",
        # With its button it then also disappears.
        withinPortal=False,
    )
