"""The editor of definitions: judged line by line and counted as one types."""

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from backend.errors import ApiError
from backend.spaces import service
from backend.spaces.documents import MAX_BYTES, BadDefinition, line_of, parse_yaml, yaml_text
from backend.spaces.schemas import DefinitionCheck
from frontend.context import Context, threaded
from frontend.figures.histogram import histogram
from frontend.figures.numbers import short
from frontend.figures.style import Theme
from frontend.pages import links
from frontend.pages.parts import alert
from frontend.pages.places import graph
from frontend.pages.space import READINGS
from nas.spaces.base import Space
from nas.spaces.labelling import Reading

TYPING_MILLISECONDS = 400
"""A pause of this length in typing asks for a judgement."""

TAB_SIZE = 2
"""As the style sheet shows a tab."""

# Decoded by the browser, for what the server would answer is the very text that it was sent. The
# contents are taken back, so that the same file can be chosen again.
READ_FILE = f"""
(contents, name) => {{
    const kept = dash_clientside.no_update;
    if (!contents) return [kept, kept, kept];
    const bytes = Uint8Array.from(atob(contents.slice(contents.indexOf(",") + 1)),
        (character) => character.charCodeAt(0));
    if (bytes.length > {MAX_BYTES}) {{
        return [kept, `${{name}} is longer than 1 MiB; the text stays as it was.`, null];
    }}
    try {{
        return [new TextDecoder("utf-8", {{fatal: true}}).decode(bytes), "", null];
    }} catch {{
        return [kept, `${{name}} is not UTF-8 text; the text stays as it was.`, null];
    }}
}}
"""

Component = Any  # Dash's components are generated, without a useful common type

EXAMPLE = """\
# A cell: nodes 0 (the input) to 3 (the output), one operation for each edge.
kind: cell
name: my-cell
num_nodes: 4
operations: [none, skip_connect, nor_conv_3x3]
# Leave the edges out to join every node with every later one.
edges:
- {source: 0, target: 1}
- {source: 1, target: 2, operations: [nor_conv_1x1, nor_conv_3x3]}
- {source: 0, target: 3}
- {source: 2, target: 3}
skeleton:
  width: 16
  cells_per_stage: 2
  num_stages: 3
  image_size: 32
  image_channels: 3
  num_classes: 10
"""


def layout(context: Context, source: str | None) -> Component:
    """Return the editor with an example, or with a stored definition.

    Raises:
        NotFound: if there is no space `source`.
    """
    text = EXAMPLE if source is None else _text_of(context, source)
    heading = "New search space" if source is None else f"New search space, from {source}"
    return html.Div(
        [
            dmc.Group(
                [
                    dmc.Title(heading, order=2),
                    dmc.Group(
                        [
                            html.A(
                                "JSON schema",
                                href=f"{links.API}/search-spaces/schema",
                                target="_blank",
                                className="nav-link",
                            ),
                            dcc.Upload(
                                dmc.Button("Choose a file", variant="default"),
                                id="editor-file",
                            ),
                            dmc.Button("Save", id="editor-save"),
                        ]
                    ),
                ],
                justify="space-between",
                mb="md",
            ),
            dmc.Grid(
                [
                    dmc.GridCol(_editor(text), span={"base": 12, "lg": 6}),
                    dmc.GridCol(_preview(), span={"base": 12, "lg": 6}),
                ],
                gutter="md",
            ),
        ]
    )


def register(dash: Dash, context: Context) -> None:
    """Register reading a file, the judgement of what is typed, and saving it."""
    dash.clientside_callback(  # type: ignore[no-untyped-call]  # as Dash leaves it
        READ_FILE,
        Output("editor-text", "value"),
        Output("editor-file-problem", "children"),
        Output("editor-file", "contents"),
        Input("editor-file", "contents"),
        State("editor-file", "filename"),
        prevent_initial_call=True,
    )

    @dash.callback(
        Output("editor-notes", "children"),
        Output("editor-verdict", "children"),
        Output("editor-histogram", "figure"),
        Output("editor-save", "disabled"),
        Input("editor-text", "value"),
        Input("editor-reading", "value"),
        Input("theme", "data"),
    )
    @threaded
    def judge(text: str | None, reading: Reading, theme: Theme) -> tuple[Any, ...]:
        try:
            space = parse_yaml(text or "")
            with context.db.reading() as session:
                check = service.check_definition(session, space, reading)
        except ApiError as error:
            empty = histogram("", None, reading, theme=theme)
            return *_refused(text or "", error), empty, True
        drawn = histogram(space.name, check.histogram, reading, theme=theme)
        return [], _verdict(space, check), drawn, check.stored_as is not None

    @dash.callback(
        Output("url", "pathname", allow_duplicate=True),
        Output("url", "search", allow_duplicate=True),
        Output("editor-verdict", "children", allow_duplicate=True),
        Input("editor-save", "n_clicks"),
        State("editor-text", "value"),
        running=[(Output("editor-save", "loading"), True, False)],
        prevent_initial_call=True,
    )
    @threaded
    def save(clicks: int | None, text: str | None) -> tuple[Any, ...]:
        if not clicks:
            return no_update, no_update, no_update
        try:
            space = parse_yaml(text or "")
            with context.db.unit_of_work() as session:
                made, _ = service.create_space(session, space)
        except ApiError as error:
            return no_update, no_update, alert("It was not saved", error.message)
        return links.space_page(f"{made.name}@{made.version}"), "", no_update


def _text_of(context: Context, source: str) -> str:
    """Return a stored definition; a built-in one under a name that is free to be saved."""
    with context.db.reading() as session:
        space = service.definition(session, source)
    if space.name in service.built_in_names():
        space = space.model_copy(update={"name": f"my-{space.name}"})
    return yaml_text(space)


def _editor(text: str) -> Component:
    return dmc.Paper(
        [
            dmc.Title("Definition", order=4),
            dmc.Text("YAML or JSON, at most 1 MiB.", size="xs", c="dimmed", mb="xs"),
            html.Div(dmc.Text(id="editor-file-problem", size="sm", c="red"), role="status"),
            html.Div(
                [
                    dmc.Textarea(
                        id="editor-text",
                        value=text,
                        autosize=True,
                        minRows=24,
                        debounce=TYPING_MILLISECONDS,
                        className="editor-text",
                        **{"aria-label": "Definition as YAML or JSON"},
                    ),
                    html.Div(id="editor-notes"),
                ],
                className="editor",
            ),
        ],
        withBorder=True,
        p="md",
    )


def _preview() -> Component:
    return dmc.Stack(
        [
            html.Div(id="editor-verdict"),
            dmc.Paper(
                [
                    dmc.SegmentedControl(
                        id="editor-reading", data=READINGS, value="effective", size="xs", mb="xs"
                    ),
                    graph("editor-histogram", height=380),
                ],
                withBorder=True,
                p="md",
            ),
        ],
        className="sticky",
    )


def _refused(text: str, error: ApiError) -> tuple[list[Component], Component]:
    """Return a note at every line with errors, and all of them in words."""
    at_line: dict[int, list[str]] = {}
    lines = []
    for item in error.extra.get("errors", [{"field": "", "message": error.message}]):
        unread = error.line if isinstance(error, BadDefinition) else None
        line = unread or line_of(text, item["field"])
        said = ": ".join(part for part in (item["field"], item["message"]) if part)
        lines.append(said if unread else f"line {line} · {said}")
        at_line.setdefault(line, []).append(item["message"])
    written = [written.expandtabs(TAB_SIZE) for written in text.split("\n")]
    notes = [
        html.Div(
            html.Span("; ".join(messages), title="\n".join(messages)),
            className="editor-note",
            style={
                "--line": line - 1,
                "--columns": len(written[line - 1]) if line <= len(written) else 0,
            },
        )
        for line, messages in at_line.items()
    ]
    return notes, alert("This is no search space yet", "\n".join(lines))


def _verdict(space: Space, check: DefinitionCheck) -> Component:
    size = f"{short(check.size.valid)} valid of {short(check.size.all)} architectures"
    if check.stored_as is not None:
        return dmc.Alert(
            [
                f"{size}; stored already as ",
                dcc.Link(
                    check.stored_as, links.space_page(check.stored_as), className="grid-link"
                ),
                ".",
            ],
            title="Nothing new",
            color="gray",
            variant="light",
        )
    return dmc.Alert(
        f"{size}. Saving makes it {space.name}@{check.next_version}.",
        title="Valid",
        color="teal",
        variant="light",
    )
