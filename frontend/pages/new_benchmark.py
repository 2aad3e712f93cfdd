"""The form of a benchmark that the workers are to make, drawn from the schema of its spec."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, html, no_update
from pydantic import ValidationError

from backend.builds import service
from backend.errors import ApiError
from backend.validation import field_errors
from frontend.context import Context, threaded
from frontend.forms.components import FormView
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
from nas.benchmarks.build import BuildSpec

# What the form starts with; the remaining fields take the spec's own defaults.
START: Mapping[str, Any] = {
    "name": "my-benchmark",
    "space": "digits-mini",
    "dataset": "digits",
    "recipe": {"epochs": 12, "augmentation": {"gaussian_noise": 0.5}},
}

Component = Any  # Dash's components are generated, without a useful common type


@cache
def build_form() -> Group:
    """Return the form of `BuildSpec`."""
    return form_of(BuildSpec.model_json_schema())


def layout(context: Context) -> Component:
    """Return the form, filled with what to begin with."""
    document = BuildSpec.model_validate(START).model_dump(mode="json")
    view = FormView(spread(build_form(), document), suggestions(context))
    return html.Div(
        [
            dmc.Title("Build a benchmark", order=2, mb="md"),
            dmc.Grid(
                [
                    dmc.GridCol(
                        dmc.Stack(view.sections(build_form(), "Benchmark")),
                        span={"base": 12, "lg": 8},
                    ),
                    dmc.GridCol(_submit_card(), span={"base": 12, "lg": 4}),
                ],
                gutter="lg",
            ),
        ]
    )


def register(dash: Dash, context: Context) -> None:
    """Register the submission."""

    @dash.callback(
        Output("url", "pathname", allow_duplicate=True),
        Output({"type": "field", "key": ALL}, "error", allow_duplicate=True),
        Output("build-problems", "children"),
        Input("build-submit", "n_clicks"),
        State({"type": "field", "key": ALL}, "value"),
        State({"type": "flag", "key": ALL}, "checked"),
        running=[(Output("build-submit", "loading"), True, False)],
        prevent_initial_call=True,
    )
    @threaded
    def submit(clicks: int | None, fields: list[Any], flags: list[Any]) -> tuple[Any, ...]:
        keys = [place["id"]["key"] for place in ctx.outputs_list[1]]
        if not clicks:
            return no_update, [no_update] * len(keys), no_update
        document = assemble(build_form(), input_values(fields, flags, state=True))
        errors = create(context, document)
        if not errors:
            return links.benchmarks_page(), [None] * len(keys), None
        placed, rest = place_errors(build_form(), errors, document)
        shown = problems("The build was not started", placed, rest)
        return no_update, [placed.get(key) for key in keys], shown


def create(context: Context, document: Mapping[str, Any]) -> Errors:
    """Validate `document` and queue a build; return what is wrong, nothing if it is queued."""
    try:
        spec = BuildSpec.model_validate(document)
        with context.db.reading() as session:
            # What takes long is looked at before others wait for the transaction that stores.
            service.check_build(session, spec)
        with context.db.unit_of_work() as session:
            service.create_build(session, spec)
    except ValidationError as error:
        return field_errors(error.errors(include_url=False), document)
    except ApiError as error:
        unplaced: Errors = [{"field": "", "message": error.message}]
        found: Errors = error.extra.get("errors", unplaced)
        return found
    return []


def _submit_card() -> Component:
    return dmc.Paper(
        [
            dmc.Text(
                "The workers train every architecture alone, once per seed, and measure it on the "
                "test images. Architectures that compute the same are trained once. Finished "
                "trainings survive a stop; the benchmark is stored when all are there.",
                size="sm",
            ),
            html.Div(id="build-problems"),
            dmc.Button("Start the build", id="build-submit", fullWidth=True, mt="md"),
        ],
        withBorder=True,
        p="md",
        className="sticky",
    )
