"""GET /runs/{id}/figures/{figure}: the dashboard's figures as Plotly JSON."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from backend.db import Database
from backend.errors import NotFound
from frontend.figures.registry import FIGURES
from frontend.figures.style import Theme
from frontend.rows import read_rows


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
        responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
    )
    def figure(
        run_id: Annotated[int, Path(ge=1, le=2**31 - 1)], figure: str, theme: Theme = "light"
    ) -> Response:
        definition = FIGURES.get(figure)
        if definition is None:
            raise NotFound("figure", figure)
        drawn = definition.of(read_rows(db, run_id, definition.needs), theme)
        return Response(drawn.to_json(), media_type="application/json")

    return router
