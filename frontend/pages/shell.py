"""What surrounds every page: header, navigation, colour scheme, notifications, and the router."""

from typing import Any
from urllib.parse import parse_qs, unquote

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html

from backend.errors import ApiError
from frontend.context import Context, threaded
from frontend.pages import (
    benchmark,
    benchmarks,
    links,
    new_benchmark,
    new_run,
    partition,
    runs,
    space,
    space_editor,
    spaces,
)
from frontend.pages.compare import page as compare
from frontend.pages.parts import problem
from frontend.pages.run import page as run

THEME = {
    "primaryColor": "indigo",
    "fontFamily": "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "fontFamilyMonospace": "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
    "defaultRadius": "md",
    "headings": {"fontWeight": "650"},
}

PAGES: tuple[Any, ...] = (  # Any: modules, each with `register`
    runs,
    new_run,
    run,
    compare,
    space,
    space_editor,
    partition,
    benchmarks,
    benchmark,
    new_benchmark,
)

MAX_DIGITS = 100
"""Python refuses to read a number of thousands."""

# Mantine keeps the scheme in force on the root element, and the switch reports it only when
# pressed; AG Grid reads it from the body.
ANNOUNCE_SCHEME = """
(pressed, pathname, known) => {
    const name = document.documentElement.dataset.mantineColorScheme || pressed || "light";
    document.body.dataset.agThemeMode = name;
    return name === known ? dash_clientside.no_update : name;
}
"""


def layout() -> Any:  # Any: a Dash component
    """Return what stays while pages change."""
    return dmc.MantineProvider(
        id="mantine",
        theme=THEME,
        defaultColorScheme="auto",
        children=[
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Store(id="theme", data="light"),
            dmc.NotificationContainer(id="notifications", position="bottom-right"),
            dmc.AppShell(
                [
                    dmc.AppShellHeader(_header(), px="lg"),
                    dmc.AppShellMain(
                        dmc.Container(id="page", size=1480, px="lg", pt="md", pb=48),
                    ),
                ],
                header={"height": 56},
            ),
        ],
    )


def register(dash: Dash, context: Context) -> None:
    """Register the router and the callbacks of every page."""

    @dash.callback(Output("page", "children"), Input("url", "pathname"), Input("url", "search"))
    @threaded
    def show(pathname: str | None, search: str | None) -> Any:  # Any: a Dash component
        return _page(context, pathname or links.PREFIX, search or "")

    dash.clientside_callback(  # type: ignore[no-untyped-call]  # as Dash leaves it
        ANNOUNCE_SCHEME,
        Output("theme", "data"),
        Input("scheme", "computedColorScheme"),
        Input("url", "pathname"),
        State("theme", "data"),
    )
    for page in PAGES:
        page.register(dash, context)


def _page(context: Context, pathname: str, search: str) -> Any:  # Any: a Dash component
    parts = [unquote(part) for part in pathname.removeprefix(links.PREFIX).split("/") if part]
    query = {key: values[0] for key, values in parse_qs(search.removeprefix("?")).items()}
    try:
        stored = _stored_page(context, parts)
        if stored is not None:
            return stored
        match parts:
            case [] | ["runs"]:
                return runs.layout(context)
            case ["new"]:
                clone = query.pop("clone", "")
                return new_run.layout(context, _number(clone), query)
            case ["runs", text] if (number := _number(text)) is not None:
                return run.layout(context, number)
            case ["new-benchmark"]:
                return new_benchmark.layout(context)
            case ["compare"]:
                return compare.layout(context, compare.chosen_runs(search))
            case ["space-editor"]:
                return space_editor.layout(context, query.get("source"))
    except ApiError as error:
        return problem(str(error.status), error.message)
    return problem("404", f"There is no page {pathname}.")


def _stored_page(context: Context, parts: list[str]) -> Any | None:  # Any: a Dash component
    """Return a page about what runs refer to by name, None if it is no such page."""
    match parts:
        case ["spaces"]:
            return spaces.layout(context)
        case ["spaces", reference]:
            return space.layout(context, reference)
        case ["spaces", reference, "partition"]:
            return partition.layout(context, reference)
        case ["benchmarks"]:
            return benchmarks.layout(context)
        case ["benchmarks", reference]:
            return benchmark.layout(context, reference)
    return None


def _number(text: str) -> int | None:
    """Return the number of a run, None where no run can have it."""
    return int(text) if text.isdecimal() and len(text) < MAX_DIGITS else None


def _header() -> Any:  # Any: a Dash component
    link = "nav-link"
    return dmc.Group(
        [
            dcc.Link(
                dmc.Group(
                    [
                        html.Img(src="/ui/assets/logo.svg", width=26, height=26, alt="EFS-NAS"),
                        dmc.Text("EFS-NAS", fw=700, size="lg", visibleFrom="xs"),
                        dmc.Text(
                            "few-shot architecture search", size="sm", c="dimmed", visibleFrom="sm"
                        ),
                    ],
                    gap=10,
                    wrap="nowrap",
                ),
                href=links.runs_page(),
                className="brand",
            ),
            dmc.Group(
                [
                    dcc.Link("Runs", href=links.runs_page(), className=link),
                    dcc.Link("New run", href=links.new_run_page(), className=link),
                    dcc.Link("Search spaces", href=links.spaces_page(), className=link),
                    dcc.Link("Benchmarks", href=links.benchmarks_page(), className=link),
                    html.A("API", href="/api/v1/openapi.json", target="_blank", className=link),
                    dmc.ColorSchemeToggle(
                        id="scheme",
                        lightIcon=html.Span("☀", className="glyph"),
                        darkIcon=html.Span("☾", className="glyph"),
                        variant="subtle",
                        color="gray",
                        size="lg",
                    ),
                ],
                wrap="nowrap",
                className="nav-links",
            ),
        ],
        justify="space-between",
        wrap="nowrap",
        h="100%",
    )
