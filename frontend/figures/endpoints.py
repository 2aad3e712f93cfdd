"""The dashboard's figures as Plotly JSON: of one run, of several, of a space, of a benchmark."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import plotly.graph_objects as go
from fastapi import APIRouter, Path, Query, Response
from pydantic import Field, Json, RootModel

from backend.benchmarks import service as benchmarks
from backend.columns import StorableText
from backend.db import Database
from backend.errors import ApiError, NotFound, Unprocessable
from backend.runs.schemas import RunRead
from backend.spaces import service
from backend.spaces.endpoints import Count
from backend.spaces.schemas import PreviewOptions
from frontend.figures.chosen import Chosen
from frontend.figures.comparison.registry import COMPARISONS, ComparisonDefinition
from frontend.figures.comparison.runs import RunIds
from frontend.figures.ranking import scorer_kinds
from frontend.figures.registry import (
    BENCHMARK_FIGURES,
    FIGURES,
    PREVIEW_FIGURES,
    SPACE_FIGURES,
    FigureDefinition,
)
from frontend.figures.style import Theme
from frontend.rows import read_compared, read_rows
from nas.partition import AnySplitter
from nas.ranking.measures import MeasureName

Drawn = TypeVar("Drawn")

PLOTLY_JSON: dict[int | str, dict[str, Any]] = {  # Any: a part of the OpenAPI document
    200: {"content": {"application/json": {"schema": {"type": "object"}}}}
}


def _measured(
    registry: Mapping[str, FigureDefinition] | Mapping[str, ComparisonDefinition],
) -> str:
    return ", ".join(name for name, one in registry.items() if one.has_measure)


Measured = Annotated[
    MeasureName | None,
    Query(description=f"Measure of the ranking, for {_measured(FIGURES)}; tau unless given."),
]
ComparedMeasure = Annotated[
    MeasureName | None,
    Query(description=f"Measure of the rankings, for {_measured(COMPARISONS)}; tau unless given."),
]
ChosenScorer = Annotated[
    StorableText | None,
    Query(max_length=32, description="Whose scores a figure of the ranking shows."),
]


class GivenSplitter(RootModel[AnySplitter]):
    """A splitter that stands in a query as JSON text."""


class PreviewFigureOptions(PreviewOptions):
    """A preview in a query, so that a figure of it has an address."""

    splitter: Json[GivenSplitter] = Field(
        description='JSON: the body of `POST .../partition`, `{"kind": "nonlinearity"}`.'
    )
    theme: Theme = "light"

    @property
    def options(self) -> PreviewOptions:
        """What the preview computes."""
        return PreviewOptions(**self.model_dump(exclude={"splitter", "theme"}))


def figure_router(db: Database) -> APIRouter:
    """Return the figure endpoints over one database."""
    router = APIRouter(tags=["figures"])
    _add_run_figures(router, db)
    _add_space_figures(router, db)
    _add_benchmark_figures(router, db)
    return router


def _add_run_figures(router: APIRouter, db: Database) -> None:
    @router.get(
        "/runs/{run_id}/figures",
        summary="The names of the figures",
    )
    def figures(run_id: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> list[str]:
        read_rows(db, run_id, ())
        return list(FIGURES)

    @router.get(
        "/runs/{run_id}/figures/{figure}",
        summary="A figure as Plotly JSON",
        response_class=Response,
        responses=PLOTLY_JSON,
    )
    def figure(
        run_id: Annotated[int, Path(ge=1, le=2**31 - 1)],
        figure: str,
        measure: Measured = None,
        scorer: ChosenScorer = None,
        theme: Theme = "light",
    ) -> Response:
        definition = _named(figure, FIGURES)
        if measure is not None and not definition.has_measure:
            raise _no_measure(figure, FIGURES)
        chosen = Chosen(measure or "tau", scorer)
        rows = read_rows(db, run_id, definition.needs, chosen)
        _require_scorer(rows["run"], definition, scorer)
        return _answer(definition.of(rows, theme, chosen))

    @router.get("/figures", summary="The names of the figures that compare runs")
    def comparisons() -> list[str]:
        return list(COMPARISONS)

    @router.get(
        "/figures/{figure}",
        summary="A figure that compares runs, as Plotly JSON",
        response_class=Response,
        responses=PLOTLY_JSON,
    )
    def comparison(
        figure: Annotated[str, Path(description=f"One of {', '.join(COMPARISONS)}.")],
        run: Annotated[
            RunIds,
            Query(description="Numbers of the runs, each once: `?run=1&run=2`. They keep order."),
        ],
        measure: ComparedMeasure = None,
        theme: Theme = "light",
    ) -> Response:
        definition = COMPARISONS.get(figure)
        if definition is None:
            raise _no_comparison(figure)
        if measure is not None and not definition.has_measure:
            raise _no_measure(figure, COMPARISONS)
        chosen = Chosen(measure or "tau")
        runs = read_compared(db, run, definition.needs, chosen)
        return _answer(definition.of(runs, theme, chosen))


def _add_space_figures(router: APIRouter, db: Database) -> None:
    @router.get("/search-spaces/{name}/figures", summary="The names of a search space's figures")
    def space_figures(name: str) -> list[str]:
        _pinned(db, name)
        return list(SPACE_FIGURES)

    @router.get(
        "/search-spaces/{name}/figures/{figure}",
        summary="A figure of a search space, as Plotly JSON",
        response_class=Response,
        responses=PLOTLY_JSON,
    )
    def space_figure(
        name: str, figure: str, count: Count = "effective", theme: Theme = "light"
    ) -> Response:
        definition = _named(figure, SPACE_FIGURES)
        with db.reading() as session:
            rows = service.histogram(session, name, count)
        return _answer(definition.draw(_pinned(db, name), rows, count, theme=theme))

    @router.get(
        "/search-spaces/{name}/partition/figures",
        summary="The names of the figures of a partition's preview",
    )
    def preview_figures(name: str) -> list[str]:
        _pinned(db, name)
        return list(PREVIEW_FIGURES)

    @router.get(
        "/search-spaces/{name}/partition/figures/{figure}",
        summary="A figure of what a splitter makes of a space, as Plotly JSON",
        response_class=Response,
        responses=PLOTLY_JSON,
    )
    def preview_figure(
        name: str, figure: str, asked: Annotated[PreviewFigureOptions, Query()]
    ) -> Response:
        definition = _named(figure, PREVIEW_FIGURES)
        with db.reading() as session:
            found = service.preview_partition(session, name, asked.splitter.root, asked.options)
        return _answer(definition.draw(_pinned(db, name), found, theme=asked.theme))


def _add_benchmark_figures(router: APIRouter, db: Database) -> None:
    @router.get("/benchmarks/{name}/figures", summary="The names of a benchmark's figures")
    def benchmark_figures(name: str) -> list[str]:
        with db.reading() as session:
            benchmarks.read_benchmark(session, name)
        return list(BENCHMARK_FIGURES)

    @router.get(
        "/benchmarks/{name}/figures/{figure}",
        summary="A figure of a benchmark's column, as Plotly JSON",
        response_class=Response,
        responses=PLOTLY_JSON,
    )
    def benchmark_figure(
        name: str,
        figure: str,
        column: Annotated[
            str | None, Query(description="Name of a column; absent: the ground truth.")
        ] = None,
        theme: Theme = "light",
    ) -> Response:
        definition = _named(figure, BENCHMARK_FIGURES)
        with db.reading() as session:
            found = benchmarks.read_benchmark(session, name)
            shown, coverage = benchmarks.read_coverage(session, name, column)
        pinned = f"{found.name}@{found.version}"
        return _answer(definition.draw(pinned, shown, coverage, theme=theme))


def _named(figure: str, registry: Mapping[str, Drawn]) -> Drawn:
    """Return a figure of a registry. Raises `NotFound`."""
    definition = registry.get(figure)
    if definition is None:
        raise NotFound("figure", figure)
    return definition


def _require_scorer(run: RunRead, definition: FigureDefinition, scorer: str | None) -> None:
    """Refuse a scorer that the run or the figure does not have. Raises `Unprocessable`."""
    if scorer is None:
        return
    if not definition.by_scorer:
        raise Unprocessable(
            "scorer", f"the figure {definition.name} shows no scorer: leave it out"
        )
    if scorer not in scorer_kinds(run):
        named = ", ".join(scorer_kinds(run))
        raise Unprocessable("scorer", f"run {run.id} has no scorer {scorer!r}; it has {named}")


def _pinned(db: Database, reference: str) -> str:
    """Return `name@version` of a space. Raises `NotFound`."""
    with db.reading() as session:
        space = service.read_space(session, reference)
    return f"{space.name}@{space.version}"


def _answer(drawn: go.Figure) -> Response:
    return Response(drawn.to_json(), media_type="application/json")


def _no_measure(
    figure: str, registry: Mapping[str, FigureDefinition] | Mapping[str, ComparisonDefinition]
) -> ApiError:
    return Unprocessable(
        "measure", f"the figure {figure!r} shows none; one is shown by {_measured(registry)}"
    )


def _no_comparison(figure: str) -> ApiError:
    named = ", ".join(COMPARISONS)
    if figure in FIGURES:
        message = f"{figure!r} shows one run only; figures that compare runs are {named}"
        return Unprocessable("figure", message, comparable=list(COMPARISONS))
    return ApiError(
        f"There is no figure {figure!r}; figures that compare runs are {named}.",
        404,
        comparable=list(COMPARISONS),
    )
