from fastapi import APIRouter
from starlette.responses import JSONResponse

from backend.dependencies import Db, IdempotencyHeader
from backend.idempotency import Answer, answer_once
from backend.paging import Cursor, Limit, Page
from backend.spaces import service
from backend.spaces.schemas import (
    ArchitectureRead,
    HistogramRead,
    PartitionPreview,
    SpaceRead,
    SpaceSummary,
)
from nas.partition import AnySplitter
from nas.spaces import AnySpace

router = APIRouter(prefix="/search-spaces", tags=["search spaces"])


@router.get("")
def list_search_spaces(db: Db, limit: Limit = 100, cursor: Cursor = None) -> Page[SpaceSummary]:
    """List every version of every search space."""
    with db.reading() as session:
        return service.list_spaces(session, limit, cursor)


@router.post(
    "",
    status_code=201,
    response_model=SpaceRead,
    responses={200: {"model": SpaceRead, "description": "The same content is stored already."}},
)
def create_search_space(
    space: AnySpace, db: Db, idempotency_key: IdempotencyHeader = None
) -> JSONResponse:
    """Store a search space; other content under a known name becomes its next version."""
    with db.unit_of_work() as session:

        def produce() -> Answer:
            made, new = service.add_space(session, space)
            return Answer(201 if new else 200, made)

        return answer_once(
            session, idempotency_key, "POST search-spaces", service.content_hash(space), produce
        )


@router.get("/{name}")
def get_search_space(name: str, db: Db) -> SpaceRead:
    """Return a search space, `name` or `name@version`."""
    with db.reading() as session:
        return service.read_space(session, name)


@router.get("/{name}/histogram")
def get_histogram(name: str, db: Db) -> HistogramRead:
    """Return the exact number of architectures per nonlinearity count."""
    with db.reading() as session:
        return service.histogram(session, name)


@router.post("/{name}/partition")
def preview_partition(name: str, splitter: AnySplitter, db: Db) -> PartitionPreview:
    """Return the sizes, shares and thresholds that a splitter gives; nothing is stored."""
    with db.reading() as session:
        return service.preview_partition(session, name, splitter)


@router.get("/{name}/architectures/{code:path}")
def get_architecture(name: str, code: str, db: Db) -> ArchitectureRead:
    """Return operations, count, parameters, FLOPs, drawing and known results of one."""
    with db.reading() as session:
        return service.read_architecture(session, name, code)
