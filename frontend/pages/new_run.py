"""The form of a new run, drawn from the spec's JSON schema."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
import yaml
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from pydantic import ValidationError

from backend.errors import ApiError, Unprocessable
from backend.runs import service
from backend.validation import field_errors, sentence
from frontend.context import Context, threaded
from frontend.forms.components import SHOW_CHOSEN, FormView
from frontend.forms.fields import Group, form_of
from frontend.forms.values import assemble, spread
from frontend.pages import links
from frontend.pages.form_parts import (
    Errors,
    input_values,
    place_errors,
    problems,
    suggestions,
)
from frontend.pages.partition_preview import partition_preview
from frontend.pages.parts import alert
from nas.spec import RunSpec

EXAMPLES = Path(__file__).parents[2] / "examples"
# What the form starts with; the remaining fields take the spec's own defaults.
START: Mapping[str, Any] = {
    "name": "first experiment",
    "space": "digits-mini",
    "dataset": "digits",
    "benchmark": "digits-mini",
    "training": {"steps": 3000, "warm_up_steps": 1500},
}

Component = Any  # Dash's components are generated, without a useful common type


@cache
def run_form() -> Group:
    """Return the form of `RunSpec`."""
    return form_of(RunSpec.model_json_schema())


def layout(
    context: Context, clone_of: int | None, given: Mapping[str, str] | None = None
) -> Component:
    """Return the form, filled with defaults or with the spec of the run to clone.

    Args:
        context: of the dashboard.
        clone_of: run to clone, if any.
        given: values for `space`, `splitter` and `supernet` (both JSON), as
            `links.new_run_with` writes them.

    Raises:
        NotFound: if there is no run `clone_of`.
        Unprocessable: if `given` makes no spec.
    """
    document = _start(context, clone_of) if not given else started_with(given)
    view = FormView(spread(run_form(), document), suggestions(context))
    heading = "New run" if clone_of is None else f"New run, cloned from run {clone_of}"
    return html.Div(
        [
            dcc.Store(id="clone-of", data=clone_of),
            dmc.Title(heading, order=2, mb="md"),
            dmc.Grid(
                [
                    dmc.GridCol(dmc.Stack(view.sections(run_form())), span={"base": 12, "lg": 8}),
                    dmc.GridCol(
                        dmc.Stack([_submit_card(), _paste_card()], className="sticky"),
                        span={"base": 12, "lg": 4},
                    ),
                ],
                gutter="lg",
            ),
        ]
    )


def register(dash: Dash, context: Context) -> None:
    """Register visibility of variants, the preview, pasting, and submission."""
    dash.clientside_callback(  # type: ignore[no-untyped-call]  # as Dash leaves it
        SHOW_CHOSEN,
        Output({"type": "variant", "of": ALL, "variant": ALL}, "style"),
        Input({"type": "field", "key": ALL}, "value"),
        prevent_initial_call=True,
    )
    _register_preview(dash, context)
    _register_paste(dash)
    _register_submit(dash, context)


def _register_preview(dash: Dash, context: Context) -> None:
    @dash.callback(
        Output("partition-preview", "children"),
        Input({"type": "field", "key": ALL}, "value"),
        Input({"type": "flag", "key": ALL}, "checked"),
    )
    @threaded
    def preview(fields: list[Any], flags: list[Any]) -> Component:
        return partition_preview(context, assemble(run_form(), input_values(fields, flags)))


def _register_paste(dash: Dash) -> None:
    @dash.callback(
        Output({"type": "field", "key": ALL}, "value"),
        Output({"type": "flag", "key": ALL}, "checked"),
        Output("paste-problem", "children"),
        Input("paste-apply", "n_clicks"),
        Input("example", "value"),
        State("paste", "value"),
        State({"type": "field", "key": ALL}, "value"),
        State({"type": "flag", "key": ALL}, "checked"),
        prevent_initial_call=True,
    )
    @threaded
    def fill(
        _: int | None, example: str | None, pasted: str | None, *shown: list[Any]
    ) -> tuple[Any, Any, Any]:
        chosen = ctx.triggered_id == "example"
        text = (EXAMPLES / example).read_text() if chosen and example else pasted
        document, message = parse_document(text or "")
        if document is None:
            return (
                [no_update] * len(ctx.outputs_list[0]),
                [no_update] * len(ctx.outputs_list[1]),
                message,
            )
        values = spread(run_form(), document)
        fields, flags = (
            [values.get(place["id"]["key"]) for place in ctx.outputs_list[index]]
            for index in (0, 1)
        )
        return (
            changed(["" if value is None else value for value in fields], shown[0]),
            changed([bool(value) for value in flags], shown[1]),
            message,
        )


def _register_submit(dash: Dash, context: Context) -> None:
    @dash.callback(
        Output("url", "pathname"),
        Output("url", "search"),
        Output({"type": "field", "key": ALL}, "error"),
        Output("form-problems", "children"),
        Input("submit", "n_clicks"),
        State({"type": "field", "key": ALL}, "value"),
        State({"type": "flag", "key": ALL}, "checked"),
        State("clone-of", "data"),
        running=[(Output("submit", "loading"), True, False)],
        prevent_initial_call=True,
    )
    @threaded
    def submit(
        clicks: int | None, fields: list[Any], flags: list[Any], clone_of: int | None
    ) -> tuple[Any, ...]:
        keys = [place["id"]["key"] for place in ctx.outputs_list[2]]
        if not clicks:
            return no_update, no_update, [no_update] * len(keys), no_update
        document = assemble(run_form(), input_values(fields, flags, state=True))
        run_id, errors = create(context, document, clone_of)
        if run_id is not None:
            return links.run_page(run_id), "", [None] * len(keys), None
        placed, rest = place_errors(run_form(), errors, document)
        return (
            no_update,
            no_update,
            [placed.get(key) for key in keys],
            problems("The run was not started", placed, rest),
        )


def create(
    context: Context, document: Mapping[str, Any], clone_of: int | None
) -> tuple[int | None, Errors]:
    """Validate `document` and queue a run; return its id, or what is wrong."""
    try:
        spec = RunSpec.model_validate(document)
        with context.db.unit_of_work() as session:
            made = service.create_run(
                session,
                spec,
                cloned_from=clone_of,
                artifact_folder=context.settings.artifact_folder,
            )
            return made.id, []
    except ValidationError as error:
        return None, field_errors(error.errors(include_url=False), document)
    except ApiError as error:
        return None, error.extra.get("errors", [{"field": "", "message": error.message}])


def changed(values: Sequence[Any], shown: Sequence[Any]) -> list[Any]:
    """Return new values of inputs, and for those that show theirs already that nothing is to do.

    Every input that is set costs the browser time that grows with the number of all of them.
    """
    return [
        no_update if value == ("" if now is None else now) else value
        for value, now in zip(values, shown, strict=True)
    ]


def parse_document(text: str) -> tuple[dict[str, Any] | None, Component]:
    """Read a spec from YAML or JSON text.

    Returns:
        The document with the spec's defaults filled in where it is valid, as it is where it is
        not; None if the text is no document. Beside it, what to tell the user.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return None, alert("This is neither YAML nor JSON", str(error))
    if not isinstance(document, dict):
        return None, alert("No spec", "A spec is a mapping of fields, such as `name: first`.")
    try:
        return RunSpec.model_validate(document).model_dump(mode="json"), None
    except ValidationError as error:
        found = field_errors(error.errors(include_url=False), document)
        lines = [f"{item['field']}: {item['message']}" for item in found]
        return document, alert("Filled in, but not valid yet", "\n".join(lines))


def started_with(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the spec of a first experiment on the space that an address names.

    Raises:
        Unprocessable: if the address names none.
    """
    document = dict(START)
    space = given.get("space", document["space"])
    document["space"] = space
    if space.partition("@")[0] != START["space"]:
        # The ground truth belongs to the space of the first experiment.
        document["benchmark"] = None
    for name in ("splitter", "supernet"):
        if name in given:
            document[name] = _json(name, given[name])
    supernet = document.get("supernet")
    if isinstance(supernet, Mapping) and supernet.get("routing") == "accumulated":
        # Weight banks share everything else from the first step, so there is no warm-up.
        document["training"] = {**START["training"], "warm_up_steps": 0}
    try:
        return RunSpec.model_validate(document).model_dump(mode="json")
    except ValidationError as error:
        raise Unprocessable(
            "address", sentence(field_errors(error.errors(include_url=False), document))
        ) from error


def _json(name: str, text: str) -> Any:  # Any: JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unprocessable("address", f"{name} is not JSON: {error}") from error


def _start(context: Context, clone_of: int | None) -> dict[str, Any]:
    if clone_of is None:
        return RunSpec.model_validate(START).model_dump(mode="json")
    with context.db.reading() as session:
        return service.get_run(session, clone_of).spec.model_dump(mode="json")


def _submit_card() -> Component:
    return dmc.Paper(
        [
            dmc.Title("Partition", order=4),
            html.Div(id="partition-preview"),
            html.Div(id="form-problems"),
            dmc.Button("Start the run", id="submit", fullWidth=True, mt="md"),
        ],
        withBorder=True,
        p="md",
    )


def _paste_card() -> Component:
    examples = sorted(path.name for path in EXAMPLES.glob("*.yaml"))
    return dmc.Paper(
        [
            dmc.Title("Fill from a file", order=4),
            dmc.Select(
                id="example",
                label="Example",
                placeholder="Choose an example",
                data=examples,
                mt="xs",
                display="block" if examples else "none",
            ),
            dmc.Textarea(
                id="paste",
                label="Spec as YAML or JSON",
                autosize=True,
                minRows=4,
                maxRows=16,
                mt="xs",
                className="monospace",
            ),
            dmc.Button("Fill in", id="paste-apply", variant="light", mt="xs"),
            html.Div(id="paste-problem"),
        ],
        withBorder=True,
        p="md",
    )
