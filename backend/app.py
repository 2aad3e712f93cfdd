"""The API as a FastAPI application; `frontend.server` puts the dashboard beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.middleware import Middleware
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.routing import Match

from backend import problems
from backend.benchmarks.endpoints import router as benchmarks
from backend.builds.endpoints import router as builds
from backend.datasets.endpoints import router as datasets
from backend.db import Database
from backend.exports.endpoints import router as exports
from backend.guards import LocalOnly
from backend.runs.endpoints import router as runs
from backend.runs.result_endpoints import router as results
from backend.runs.streams import EventHub
from backend.settings import Settings
from backend.spaces.endpoints import definitions
from backend.spaces.endpoints import router as spaces
from backend.system.endpoints import probes
from backend.system.endpoints import router as system
from backend.system.metrics import DeploymentCollector, RequestTimer
from backend.system.version import version

PREFIX = "/api/v1"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

DESCRIPTION = """
Split a neural-architecture search space into sub-spaces by counting nonlinear functions, train one
supernet per sub-space with balanced sampling, watch how well they rank architectures, and search.

Sizes are decimal strings, because they exceed 2^53. Lists are paged by `cursor`. Every error is an
`application/problem+json` document.
"""


def create_app(settings: Settings, db: Database) -> FastAPI:
    """Return the application with every endpoint of the backend.

    Whoever adds more routes under `/api` does so before `close_api`.
    """
    events = EventHub(db, settings.event_poll_seconds)
    registry = CollectorRegistry()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await events.close()

    app = FastAPI(
        title="EFS-NAS Server",
        version=version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        middleware=[
            Middleware(RequestTimer, registry=registry),
            Middleware(problems.TooLargeAsProblem),
            Middleware(LocalOnly, settings=settings),
            Middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes),
        ],
    )
    app.state.settings, app.state.db = settings, db
    app.state.events, app.state.registry = events, registry
    registry.register(DeploymentCollector(db, events))
    problems.install(app)
    app.include_router(probes)
    for router in (system, spaces, runs, results, exports, builds):
        app.include_router(router, prefix=PREFIX)
    # Definitions are cut off far below their limit, with a reason that names the limit.
    for router in (definitions, datasets, benchmarks):
        app.include_router(router, prefix=PREFIX, max_body_size=settings.max_upload_bytes)
    return app


def close_api(app: FastAPI) -> None:
    """Answer every other address under `/api` with a problem document.

    Without this a page server's catch-all would answer them with a page.
    """

    routes = list(app.router.routes)

    def missing(request: Request) -> None:
        allowed = [
            method
            for method in METHODS
            if any(
                route.matches({**request.scope, "method": method})[0] is Match.FULL
                for route in routes
            )
        ]
        if allowed:
            raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
        raise HTTPException(404)

    for path in ("/api", "/api/{rest:path}"):
        app.add_api_route(path, missing, methods=list(METHODS), include_in_schema=False)
