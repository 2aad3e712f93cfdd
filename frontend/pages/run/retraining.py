"""What retraining found as tables, and the form that asks for more."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from pydantic import ValidationError

from backend.errors import ApiError
from backend.exports.choosing import chosen
from backend.runs import retraining
from backend.runs.schemas import (
    RetrainedRead,
    RetrainingRead,
    RetrainRequest,
    RunRead,
    SubspaceRead,
)
from backend.validation import field_errors, sentence
from frontend.context import Context, threaded
from frontend.pages import links
from frontend.pages.parts import alert, notification, table
from nas.plugin import concrete_subclasses
from nas.training import recipes
from nas.training.recipes.base import RetrainRecipe

Component = Any  # Dash's components are generated, without a useful common type

MOST_SHOWN = 200
"""Trainings; more would make the page long, and `GET /runs/{id}/retrainings` has all of them."""

AUTOMATIC = "as the run, or for its images"
"""The choice of no recipe in particular."""


def retrained_tables(
    run: RunRead,
    *,
    subspaces: Sequence[SubspaceRead],
    retrained: Sequence[RetrainedRead],
    retrainings: Sequence[RetrainingRead],
) -> Component:
    """Return accuracies per architecture, the best first, and every single training."""
    if not retrained:
        return []
    labels = {part.index: part.label for part in subspaces}
    best_first = sorted(retrained, key=lambda one: -(one.test_accuracy or 0.0))
    head = [
        "architecture",
        "sub-space",
        "origin",
        "recipe",
        "test accuracy",
        "validation accuracy",
        "seeds",
        f"score ({retrained[0].scorer})",
        "benchmark",
        "download",
    ]
    body = [
        [
            one.architecture,
            labels.get(one.subspace, str(one.subspace)),
            one.origin,
            _sized(one),
            _spread(one),
            _percent(one.validation_accuracy),
            _counted(one),
            "–" if one.score is None else f"{one.score:.4f}",
            _percent(one.true_accuracy),
            _download(run.id, [part for part in retrainings if part.number in one.numbers]),
        ]
        for one in best_first
    ]
    note = (
        "Mean ± sample standard deviation over the seeds that ended. Test images are read once, after "
        "the last epoch. The score is that of the supernets, higher is better; the benchmark's value "
        "is its own stand-alone accuracy, by its own recipe. A download has the network of the seed "
        "that is best on validation images, in every format, and takes some seconds to be made."
    )
    return dmc.Stack(
        [
            dmc.Title("Retrained architectures", order=4),
            table(head, body),
            dmc.Text(note, size="xs", c="dimmed"),
            dmc.Title("Trainings", order=4),
            _trainings(retrainings),
        ],
        gap="xs",
    )


def retraining_form(run_id: int) -> Component:
    """Return the inputs that ask for retrainings of a run."""
    kinds = sorted(
        str(preset.model_fields["kind"].default)
        for preset in concrete_subclasses(RetrainRecipe, recipes.__name__)
    )
    return dmc.Paper(
        [
            dcc.Store(id="retrain-run", data=run_id),
            dmc.Title("Retrain architectures", order=4),
            dmc.Text(
                "Any of the space, in canonical form, one a line; empty for the winners of the "
                "search.",
                size="xs",
                c="dimmed",
            ),
            dmc.Textarea(
                id="retrain-architectures",
                label="Architectures",
                autosize=True,
                minRows=2,
                maxRows=10,
                mt="xs",
                className="monospace",
            ),
            dmc.SimpleGrid(
                [
                    dmc.NumberInput(
                        id="retrain-top", label="Winners, if none are listed", value=1, min=1
                    ),
                    dmc.TextInput(
                        id="retrain-seeds",
                        label="Seeds",
                        placeholder="as the run; a number, or 0, 3, 5",
                    ),
                    dmc.Select(
                        id="retrain-recipe",
                        label="Recipe",
                        data=kinds,
                        clearable=True,
                        placeholder=AUTOMATIC,
                    ),
                ],
                cols={"base": 1, "sm": 3},
                mt="xs",
            ),
            html.Div(id="retrain-problem"),
            dmc.Button("Retrain", id="retrain-submit", mt="md"),
        ],
        withBorder=True,
        p="md",
    )


def asked_for(listed: str | None, top: object, seeds: str | None, recipe: str | None) -> Any:
    """Return the request that the inputs make, as JSON that is yet to be validated."""
    codes = [line.strip() for line in (listed or "").splitlines() if line.strip()]
    asked: dict[str, Any] = {"architectures": codes} if codes else {"top": top}  # Any: JSON
    if seeds and seeds.strip():
        parts = [part.strip() for part in seeds.split(",") if part.strip()]
        numbers = [int(part) if part.isdecimal() else part for part in parts]
        asked["seeds"] = numbers if "," in seeds else numbers[0]
    if recipe:
        asked["recipe"] = {"kind": recipe}
    return asked


def register_retraining(dash: Dash, context: Context) -> None:
    """Register what the button does."""

    @dash.callback(
        Output("notifications", "sendNotifications", allow_duplicate=True),
        Output("retrain-problem", "children"),
        Input("retrain-submit", "n_clicks"),
        State("retrain-architectures", "value"),
        State("retrain-top", "value"),
        State("retrain-seeds", "value"),
        State("retrain-recipe", "value"),
        State("retrain-run", "data"),
        running=[(Output("retrain-submit", "loading"), True, False)],
        prevent_initial_call=True,
    )
    @threaded
    def retrain(clicks: int | None, *given: Any) -> tuple[Any, Any]:  # Any: values of inputs
        if not clicks:
            return no_update, no_update
        *inputs, run_id = given
        document = asked_for(*inputs)
        try:
            asked = RetrainRequest.model_validate(document)
            with context.db.unit_of_work() as session:
                added = retraining.request(session, run_id, asked)
        except ValidationError as error:
            found = field_errors(error.errors(include_url=False), document)
            return no_update, alert("Nothing is retrained", sentence(found))
        except ApiError as error:
            return no_update, alert("Nothing is retrained", error.message)
        said = f"{len(added)} training{'s' if len(added) > 1 else ''} planned."
        return [notification("Retraining requested", said, "teal")], None


def _trainings(retrainings: Sequence[RetrainingRead]) -> Component:
    head = ["unit", "architecture", "seed", "state", "epochs", "kept", "validation", "test", "s"]
    body = [
        [
            one.unit,
            one.architecture,
            str(one.seed),
            "diverged" if one.failure else one.state,
            f"{one.epochs} of {one.max_epochs}",
            "–" if one.kept_epoch is None else str(one.kept_epoch),
            _percent(one.validation_accuracy),
            _percent(one.test_accuracy),
            "–" if one.seconds is None else f"{one.seconds:,.1f}",
        ]
        for one in retrainings[:MOST_SHOWN]
    ]
    failures = [f"{one.unit}: {one.failure}" for one in retrainings if one.failure]
    return dmc.Stack(
        [
            table(head, body),
            *(dmc.Text(text, size="xs", c="orange") for text in failures[:MOST_SHOWN]),
        ],
        gap="xs",
    )


def _sized(one: RetrainedRead) -> str:
    sizes = [
        f"{name} {value}"
        for name, value in (("width", one.width), ("cells", one.cells_per_stage))
        if value is not None
    ]
    return ", ".join([one.recipe, *sizes])


def _spread(one: RetrainedRead) -> str:
    if one.test_accuracy is None:
        return "–"
    spread = "" if one.test_deviation is None else f" ± {one.test_deviation:.2f}"
    return f"{one.test_accuracy:.2f}{spread} %"


def _download(run_id: int, trainings: Sequence[RetrainingRead]) -> Component:
    """Return the link to the network that trainings of one kind have left, if they have."""
    exported = chosen(trainings)
    if exported is None:
        return "–"
    return html.A(
        f"ZIP, seed {exported.seed}",
        href=links.export(run_id, exported.number),
        download="",
        title=f"Download {exported.architecture} as trained with seed {exported.seed}",
    )


def _counted(one: RetrainedRead) -> str:
    diverged = f", {one.num_diverged} diverged" if one.num_diverged else ""
    return f"{one.num_done} of {len(one.numbers)}{diverged}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} %"
