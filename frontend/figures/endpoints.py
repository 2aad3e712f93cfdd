"""The dashboard's figures as Plotly JSON: those of one run, and those that compare several."""

from typing import Annotated, Any

import plotly.graph_objects as go
from fastapi import APIRouter, Path, Query, Response

from backend.db import Database
from backend.errors import ApiError, NotFound, Unprocessable
from frontend.figures.comparison.registry import COMPARISONS
from frontend.figures.comparison.runs import RunIds
from frontend.figures.registry import FIGURES
from frontend.figures.style import Theme
from frontend.rows import read_compared, read_rows

PLOTLY_JSON: dict[int | str, dict[str, Any]] = {  # Any: a part of the OpenAPI document
    200: {"content": {"application/json": {"schema": {"type": "object"}}}}
}


def figure_router(db: Database) -> APIRouter:
    """Return the figure endpoints over one database."""
    router = APIRouter(tags=["figures"])

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
        run_id: Annotated[int, Path(ge=1, le=2**31 - 1)], figure: str, theme: Theme = "light"
    ) -> Response:
        definition = FIGURES.get(figure)
        if definition is None:
            raise NotFound("figure", figure)
        return _answer(definition.of(read_rows(db, run_id, definition.needs), theme))

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
        theme: Theme = "light",
    ) -> Response:
        definition = COMPARISONS.get(figure)
        if definition is None:
            raise _no_comparison(figure)
        return _answer(definition.of(read_compared(db, run, definition.needs), theme))

    return router


def _answer(drawn: go.Figure) -> Response:
    return Response(drawn.to_json(), media_type="application/json")


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
