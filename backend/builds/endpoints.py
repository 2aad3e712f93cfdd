from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from starlette.responses import JSONResponse

from backend.builds import service
from backend.builds.schemas import BuildRead, BuildTrainingRead
from backend.columns import BIG_INTEGER_MAX
from backend.dependencies import Db, IdempotencyHeader
from backend.idempotency import Answer, answer_once
from backend.paging import Cursor, Limit, Page
from backend.runs import results
from backend.runs.schemas import EventRead, UnitRead
from nas.benchmarks.build import BuildSpec

router = APIRouter(prefix="/benchmark-builds", tags=["benchmarks"])


@router.post("", status_code=201, response_model=BuildRead)
def build_benchmark(
    spec: BuildSpec, db: Db, idempotency_key: IdempotencyHeader = None
) -> JSONResponse:
    """Have the workers train architectures alone, and make a benchmark of the result."""
    with db.reading() as session:
        # What takes long is looked at, and remembered, before others wait for this transaction.
        service.check_build(session, spec)
    with db.unit_of_work() as session:
        return answer_once(
            session,
            idempotency_key,
            "POST benchmark-builds",
            spec.model_dump_json(),
            lambda: Answer(201, service.create_build(session, spec)),
        )


@router.get("")
def list_builds(
    db: Db,
    unfinished: Annotated[
        bool, Query(description="Only those that have made no benchmark.")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BuildRead]:
    """List builds, newest first."""
    with db.reading() as session:
        return service.list_builds(session, unfinished=unfinished, limit=limit, cursor=cursor)


@router.get("/{build_id}")
def get_build(build_id: int, db: Db) -> BuildRead:
    """Return a build with its spec, its progress, and why it waits or failed."""
    with db.reading() as session:
        return service.get_build(session, build_id)


@router.delete("/{build_id}", status_code=204)
def delete_build(build_id: int, db: Db) -> Response:
    """Remove a finished build with its trainings; its benchmark stays."""
    with db.unit_of_work() as session:
        service.delete_build(session, build_id)
    return Response(status_code=204)


@router.get("/{build_id}/trainings")
def list_trainings(
    build_id: int, db: Db, limit: Limit = 1000, cursor: Cursor = None
) -> Page[BuildTrainingRead]:
    """List the finished trainings."""
    with db.reading() as session:
        service.require_build(session, build_id)
        return service.training_listing(build_id).page(session, limit, cursor)


@router.get("/{build_id}/units")
def list_units(
    build_id: int, db: Db, limit: Limit = 1000, cursor: Cursor = None
) -> Page[UnitRead]:
    """List the pieces of a build."""
    with db.reading() as session:
        service.require_build(session, build_id)
        return results.unit_listing(build_id).page(session, limit, cursor)


@router.get("/{build_id}/log")
def list_log(
    build_id: int,
    db: Db,
    after: Annotated[int, Query(ge=0, le=BIG_INTEGER_MAX, description="Only later ones.")] = 0,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> Page[EventRead]:
    """List what happened to a build, oldest first."""
    with db.reading() as session:
        service.require_build(session, build_id)
        return results.log_listing(build_id, after).page(session, limit, cursor)


@router.post("/{build_id}/{action}", status_code=202)
def act(build_id: int, action: Literal["cancel", "pause", "resume", "retry"], db: Db) -> BuildRead:
    """Cancel, pause, resume or retry a build; finished trainings are never made again."""
    with db.unit_of_work() as session:
        return service.act(session, build_id, action)
