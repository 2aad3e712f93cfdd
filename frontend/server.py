"""The composition root: the backend's API, then the figures, then the dashboard.

`uvicorn frontend.server:application --factory` serves it; `python -m frontend.server --openapi`
prints the API's description as it is checked in under docs/.
"""

import argparse
import sys
from functools import partial

from fastapi import FastAPI

from backend.app import close_api, create_app
from backend.db import Database
from backend.errors import NotFound
from backend.logs import configure_logs
from backend.openapi import openapi_text
from backend.queue import wake
from backend.settings import Settings
from frontend.context import Context
from frontend.dashboard import mount_dashboard
from frontend.figures.endpoints import figure_router
from frontend.pages.links import API
from frontend.report.endpoints import report_router


def build(settings: Settings) -> FastAPI:
    """Return the whole server over the database that `settings` name, which must be migrated."""
    db = Database(settings.database, wake=partial(wake, settings))
    app = create_app(settings, db)
    app.include_router(figure_router(db), prefix=API)
    app.include_router(report_router(db), prefix=API)
    close_api(app)
    mount_dashboard(app, Context(settings=settings, db=db))
    _close(app)
    return app


def application() -> FastAPI:
    """Return the server as the environment configures it; the factory for uvicorn."""
    configure_logs()
    return build(Settings())


def main() -> None:
    """Print the OpenAPI document."""
    parser = argparse.ArgumentParser(prog="python -m frontend.server", description=main.__doc__)
    parser.add_argument("--openapi", action="store_true", required=True, help=main.__doc__)
    parser.parse_args()
    # In memory: the description needs no database.
    sys.stdout.write(openapi_text(build(Settings(database_url="sqlite://"))))


def _close(app: FastAPI) -> None:
    """Answer every address left with a problem; Dash's own catch-all would show a page."""

    @app.get("/{rest:path}", include_in_schema=False)
    def missing(rest: str) -> None:
        raise NotFound("page", f"/{rest}")


if __name__ == "__main__":
    main()
