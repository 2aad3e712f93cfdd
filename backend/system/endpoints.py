import platform
from typing import cast

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.responses import JSONResponse

from backend import migrate
from backend.dependencies import Config, Db
from backend.paging import Page
from backend.system import service
from backend.system.schemas import Health, Readiness, Version, WorkerRead
from backend.system.version import version

probes = APIRouter(tags=["system"])
router = APIRouter(tags=["system"])


@probes.get("/healthz")
async def get_health() -> Health:
    """Tell that the process answers; asks nothing else."""
    return Health(status="ok")


@probes.get(
    "/readyz",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Something does not answer, or is full."}},
)
def get_readiness(db: Db, settings: Config) -> JSONResponse:
    """Tell whether the database, its schema and Redis are there, and whether there is room."""
    found = service.readiness(db, settings)
    parts = (found.database, found.schema_current, found.redis is not False)
    ready = all(parts) and found.storage == "writable"
    return JSONResponse(found.model_dump(), status_code=200 if ready else 503)


@probes.get("/metrics", response_class=Response)
def get_metrics(request: Request) -> Response:
    """Return metrics in the Prometheus text format."""
    registry = cast(CollectorRegistry, request.app.state.registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/version")
def get_version() -> Version:
    """Return what is running."""
    return Version(
        version=version(),
        schema_revision=migrate.head(),
        python=platform.python_version(),
    )


@router.get("/workers")
def list_workers(db: Db) -> Page[WorkerRead]:
    """List the worker slots, what each executes, and when it last reported."""
    with db.reading() as session:
        return Page(items=service.workers(session), next_cursor=None)
