"""What a splitter makes of a search space: everything that is known before a GPU hour is spent."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html
from pydantic import Field, ValidationError

from backend.errors import ApiError
from backend.spaces import service
from backend.spaces.schemas import (
    Estimates,
    OwnerRead,
    PartitionPreview,
    PreviewOptions,
    SubspacePreview,
)
from backend.validation import field_errors, sentence
from frontend.context import Context, threaded
from frontend.figures.bank_table import bank_table
from frontend.figures.numbers import grouped, share, share_text, short
from frontend.figures.registry import PREVIEW_FIGURES
from frontend.figures.style import Theme, subspace_colour
from frontend.forms.components import FormView
from frontend.forms.fields import Group, form_of
from frontend.forms.values import assemble, spread
from frontend.pages import links
from frontend.pages.parts import alert
from frontend.pages.places import data_link, graph
from nas.partition import AnySplitter
from nas.partition.accumulated import bank_spans
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.partition.routing import Routing

Component = Any  # Dash's components are generated, without a useful common type


class PreviewForm(Estimates):
    """What is drawn, and which supernets it is drawn for."""

    splitter: AnySplitter = Field(default_factory=NonlinearitySplitter)
    routing: Routing = Field(default_factory=Routing)

    @property
    def options(self) -> PreviewOptions:
        """Everything but the splitter."""
        estimates = self.model_dump(exclude={"splitter", "routing"})
        return PreviewOptions(**estimates, **self.routing.model_dump())

    @property
    def new_run(self) -> dict[str, Any]:  # Any: JSON
        """What a run's supernet takes from here, its width apart."""
        return {
            **self.routing.model_dump(),
            "parent_width": self.width,
            "reduction": self.reduction,
        }


@cache
def preview_form() -> Group:
    """Return the form of `PreviewForm`."""
    return form_of(PreviewForm.model_json_schema())


def layout(context: Context, reference: str) -> Component:
    """Return the page, its figures still to be drawn.

    Raises:
        NotFound: if there is no such space.
    """
    with context.db.reading() as session:
        space = service.read_space(session, reference)
    pinned = f"{space.name}@{space.version}"
    document = PreviewForm().model_dump(mode="json")
    own, splitter, routing = FormView(spread(preview_form(), document), {}, columns=2).sections(
        preview_form(), own="Estimates"
    )
    return html.Div(
        [
            dcc.Store(id="space-reference", data=pinned),
            dmc.Group(
                [
                    dmc.Title(
                        [
                            "Partition of ",
                            dcc.Link(pinned, links.space_page(pinned), className="grid-link"),
                        ],
                        order=2,
                    ),
                    html.Div(id="preview-run"),
                ],
                justify="space-between",
                mb="md",
            ),
            dmc.Grid(
                [
                    dmc.GridCol(
                        dmc.Stack([splitter, routing, _owner_card(), own]),
                        span={"base": 12, "lg": 4},
                    ),
                    dmc.GridCol(
                        dmc.Stack(
                            [
                                dcc.Loading(
                                    [html.Div(id="preview-problem"), html.Div(id="preview-facts")],
                                    delay_show=500,
                                    overlay_style={"visibility": "visible", "opacity": 0.5},
                                ),
                                _figure("shares"),
                                _framed(html.Div(id="preview-table")),
                                html.Div(id="preview-banks"),
                                _figure("flops"),
                                _figure("parameters"),
                            ]
                        ),
                        span={"base": 12, "lg": 8},
                    ),
                ],
                gutter="md",
            ),
        ]
    )


def register(dash: Dash, context: Context) -> None:
    """Register the preview and the search for an owner."""

    @dash.callback(
        Output("preview-shares", "figure"),
        Output("preview-flops", "figure"),
        Output("preview-parameters", "figure"),
        Output("preview-banks", "children"),
        Output("preview-facts", "children"),
        Output("preview-table", "children"),
        Output("preview-run", "children"),
        Output("preview-problem", "children"),
        Input({"type": "field", "key": ALL}, "value"),
        Input({"type": "flag", "key": ALL}, "checked"),
        Input("theme", "data"),
        State("space-reference", "data"),
    )
    @threaded
    def show(
        fields: list[Any], flags: list[Any], theme: Theme, reference: str
    ) -> tuple[Component, ...]:
        found, said = None, ""
        try:
            asked = PreviewForm.model_validate(_document(ctx.inputs_list[:2], (fields, flags)))
            with context.db.reading() as session:
                found = service.preview_partition(
                    session, reference, asked.splitter, asked.options
                )
        except ValidationError as error:
            said = sentence(field_errors(error.errors(include_url=False)))
        except ApiError as error:
            said = error.message
        figures = tuple(
            PREVIEW_FIGURES[name].draw(reference, found, theme=theme)
            for name in ("shares", "flops", "parameters")
        )
        if found is None:
            return *figures, *[None] * 4, alert("The space cannot be split so", said)
        link = links.new_run_with(
            reference,
            asked.splitter.model_dump(mode="json"),
            {"width": found.subspaces[0].suggested_width, **asked.new_run},
        )
        button = dcc.Link(dmc.Button("Use in a new run", size="xs"), href=link)
        banks = _banks(reference, found, theme)
        return *figures, banks, facts(found), table(found), button, None

    @dash.callback(
        Output({"type": "preview-data", "name": ALL}, "href"),
        Input({"type": "field", "key": ALL}, "value"),
        Input({"type": "flag", "key": ALL}, "checked"),
        State("space-reference", "data"),
    )
    def link(fields: list[Any], flags: list[Any], reference: str) -> list[str | None]:
        names = [place["id"]["name"] for place in ctx.outputs_list]
        try:
            asked = PreviewForm.model_validate(_document(ctx.inputs_list[:2], (fields, flags)))
        except ValidationError:
            return [None] * len(names)
        splitter = asked.splitter.model_dump(mode="json")
        options = asked.options.model_dump(mode="json", exclude_defaults=True)
        return [links.preview_figure_json(reference, name, splitter, options) for name in names]

    @dash.callback(
        Output("owner-found", "children"),
        Input("owner-find", "n_clicks"),
        Input("owner-code", "n_submit"),
        State("owner-code", "value"),
        State({"type": "field", "key": ALL}, "value"),
        State({"type": "flag", "key": ALL}, "checked"),
        State("space-reference", "data"),
        prevent_initial_call=True,
    )
    @threaded
    def find(
        _clicks: int | None,
        _submits: int | None,
        code: str | None,
        fields: list[Any],
        flags: list[Any],
        reference: str,
    ) -> Component:
        try:
            asked = PreviewForm.model_validate(_document(ctx.states_list[1:3], (fields, flags)))
            with context.db.reading() as session:
                found = service.owner(
                    session, reference, asked.splitter, (code or "").strip(), asked.routing
                )
        except ValidationError as error:
            return dmc.Text(sentence(field_errors(error.errors(include_url=False))), c="red")
        except ApiError as error:
            return dmc.Text(error.message, size="sm", c="red", mt="xs", className="digits")
        return owner_text(found)


def facts(found: PartitionPreview) -> Component:
    """Return the proof of cover, the widths and the cost of training."""
    cover, widths, training = found.cover, found.widths, found.training
    width = found.subspaces[0].suggested_width
    supernets = f"{len(found.subspaces)} × width {width}"
    together = "in all supernets together"
    if found.banks is not None:
        supernets = f"One of width {width} with {found.banks.num_banks} banks"
        together = "with all banks"
    cards = [
        (
            "Cover" if cover.holds else "No cover",
            "Every architecture in exactly one" if cover.holds else "The sums differ",
            f"The sub-spaces hold {short(cover.subspaces.all)} architectures"
            f" ({short(cover.subspaces.valid)} valid), the space {short(cover.space.all)}"
            f" ({short(cover.space.valid)} valid). Both are counted exactly and apart; "
            + (
                "no label belongs to two sub-spaces."
                if not cover.shared_labels
                else f"sub-spaces share the labels {cover.shared_labels}."
            ),
        ),
        (
            "Suggested widths",
            f"{supernets}: {_ratio(widths.parameters, widths.parent_parameters)} of the parent",
            f"{short(widths.parameters)} parameters {together}; one supernet of"
            f" width {widths.parent_width} has {short(widths.parent_parameters)}. Exact for the"
            " cells per stage, reduction and dataset chosen here."
            + ("" if widths.fits else " Not even width 1 stays below it."),
        ),
        (
            "Training, estimated",
            f"{short(round(training.flops))} multiply-adds",
            f"{training.steps:,} steps of {training.batch_size:,} images, forward and backward;"
            f" the parent would take {short(round(training.one_shot_flops))}. Mean FLOPs, in these"
            f" supernets, of n = {found.sampling.n:,} drawn per sub-space.",
        ),
    ]
    return dmc.SimpleGrid(
        [
            dmc.Paper(
                [
                    dmc.Text(name, size="xs", c="dimmed"),
                    dmc.Text(value, fw=600),
                    dmc.Text(meaning, size="xs", c="dimmed", mt=4, className="digits"),
                ],
                withBorder=True,
                p="sm",
            )
            for name, value, meaning in cards
        ],
        cols={"base": 1, "md": 3},
        spacing="md",
    )


def table(found: PartitionPreview) -> Component:
    """Return a line per sub-space, and below what its ranges are."""
    head = ["Sub-space", "Valid", "Share", "Dead", "FLOPs", "Parameters", "Width"]
    numbers = {"style": {"textAlign": "right", "whiteSpace": "nowrap"}}
    rows = [
        dmc.TableTr(
            [
                dmc.TableTd(_named(part), style={"minWidth": 140}),
                *(dmc.TableTd(text, className="tabular", **numbers) for text in _cells(part)),
            ]
        )
        for part in found.subspaces
    ]
    notes = {
        "exact": "FLOPs and parameters: exact least and greatest of the valid architectures.",
        "none": "FLOPs and parameters: 5 % to 95 % of the sample (≈).",
    }
    return html.Div(
        [
            dmc.TableScrollContainer(
                dmc.Table(
                    [
                        dmc.TableThead(
                            dmc.TableTr(
                                [
                                    dmc.TableTh(name, **(numbers if place else {}))
                                    for place, name in enumerate(head)
                                ]
                            )
                        ),
                        dmc.TableTbody(rows),
                    ]
                ),
                minWidth=760,
                type="native",
            ),
            dmc.Text(notes[found.costs], size="xs", c="dimmed", mt="xs"),
        ]
    )


def owner_text(found: OwnerRead) -> Component:
    """Say which sub-space owns an architecture."""
    count = f"nonlinearity count {found.nonlinearity_count}"
    return dmc.Group(
        [
            _dot(found.subspace),
            dmc.Text(found.label, fw=600, size="sm"),
            dmc.Text(
                count if found.valid else "dead: it is never trained, ranked or searched",
                size="sm",
                c="dimmed",
            ),
            *([dmc.Text(_banks_text(found.banks), size="sm", c="dimmed")] if found.banks else []),
        ],
        gap="xs",
        mt="xs",
    )


def _banks_text(banks: Sequence[int]) -> str:
    """Return the bank at every depth: `bank 0 in cells 1 to 7, 1 in cell 8`."""
    return "bank " + ", ".join(
        f"{bank} in cell {first}" if first == last else f"{bank} in cells {first} to {last}"
        for first, last, bank in bank_spans(banks)
    )


def _banks(reference: str, found: PartitionPreview, theme: Theme) -> Component:
    if found.banks is None:
        return None
    drawn = bank_table(reference, found, theme=theme)
    return _framed(graph("preview-bank-table", figure=drawn))


def _cells(part: SubspacePreview) -> list[str]:
    dead = int(part.size.all) - int(part.size.valid)
    if part.costs is not None:
        spreads = [
            grouped(kind.min) if kind.min == kind.max else f"{int(kind.min):,} – {int(kind.max):,}"
            for kind in (part.costs.flops, part.costs.parameters)
        ]
    else:
        spreads = [
            f"≈ {int(values[0]):,} – {int(values[-1]):,}"
            for values in (part.sampled_costs.flops, part.sampled_costs.parameters)
        ]
    return [
        short(part.size.valid),
        share_text(part.share_valid),
        short(dead),
        *spreads,
        grouped(part.suggested_width),
    ]


def _named(part: SubspacePreview) -> Component:
    return dmc.Group([_dot(part.index), part.label], gap="xs", wrap="nowrap")


def _dot(index: int) -> Component:
    return html.Span(className="subspace-dot", style={"background": subspace_colour(index)})


def _ratio(part: str, whole: str) -> str:
    return share_text(share(part, whole))


def _owner_card() -> Component:
    return dmc.Paper(
        [
            dmc.Title("Which sub-space owns it?", order=4),
            dmc.Group(
                [
                    dmc.TextInput(
                        id="owner-code",
                        label="Architecture",
                        placeholder="as its space writes it",
                        className="monospace",
                        style={"flex": 1},
                    ),
                    dmc.Button("Find", id="owner-find", variant="light"),
                ],
                align="flex-end",
                mt="xs",
            ),
            html.Div(id="owner-found"),
        ],
        withBorder=True,
        p="md",
    )


def _figure(name: str) -> Component:
    place = f"preview-{name}"
    link = data_link(PREVIEW_FIGURES[name].title, id={"type": "preview-data", "name": name})
    return dmc.Paper([graph(place), link], withBorder=True, p="md", className="figure-card")


def _framed(content: Component) -> Component:
    return dmc.Paper(content, withBorder=True, p="md")


def _document(
    places: list[Any], values: tuple[list[Any], list[Any]]
) -> Mapping[str, Any]:  # Any: Dash's description of inputs; JSON
    by_key = {
        place["id"]["key"]: value
        for group, found in zip(places, values, strict=True)
        for place, value in zip(group, found, strict=True)
    }
    document: Mapping[str, Any] = assemble(preview_form(), by_key)
    return document
