"""The report of a run, at an address of its own."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse

from backend.columns import INTEGER_MAX
from backend.db import Database
from frontend.report.page import report


def report_router(db: Database) -> APIRouter:
    """Return the endpoint over one database."""
    router = APIRouter(tags=["results"])

    @router.get(
        "/runs/{run_id}/report",
        summary="A run as one HTML file",
        response_class=HTMLResponse,
    )
    def run_report(
        run_id: Annotated[int, Path(ge=1, le=INTEGER_MAX)],
        download: Annotated[
            bool, Query(description="Answer a file to be kept, not a page to be shown.")
        ] = False,
    ) -> HTMLResponse:
        """Return what was found, the figures, best candidates, spec and log; nothing is left out
        that the page needs, so it can be opened anywhere.
        """
        way = "attachment" if download else "inline"
        headers = {"Content-Disposition": f'{way}; filename="run-{run_id}.html"'}
        return HTMLResponse(report(db, run_id), headers=headers)

    return router
