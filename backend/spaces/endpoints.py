"""Search spaces as stored, versioned objects."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from backend.dependencies import Db, IdempotencyHeader
from backend.idempotency import Answer, answer_once
from backend.paging import Cursor, Limit, Page
from backend.spaces import service
from backend.spaces.documents import SPACE, YAML_TYPES, DefinitionBody
from backend.spaces.schemas import (
    ArchitectureRead,
    DefinitionCheck,
    HistogramRead,
    OwnerOptions,
    OwnerRead,
    PartitionPreview,
    PreviewOptions,
    SpaceRead,
    SpaceSummary,
)
from nas.partition import AnySplitter
from nas.spaces.labelling import Reading

router = APIRouter(prefix="/search-spaces", tags=["search spaces"])
definitions = APIRouter(prefix="/search-spaces", tags=["search spaces"])
"""Those that take a definition, which `DefinitionBody` limits in length."""

# Its nested schemas are among the components, because responses hold definitions too.
_definition = SPACE.json_schema(ref_template="#/components/schemas/{model}")
_definition.pop("$defs", None)
_BODY: dict[str, Any] = {  # Any: OpenAPI
    "requestBody": {
        "required": True,
        "description": "At most 1 MiB. Keys written twice are refused.",
        "content": {
            media_type: {"schema": _definition}
            for media_type in ("application/json", YAML_TYPES[0])
        },
    }
}

Count = Annotated[
    Reading,
    Query(
        description="Nonlinear functions: effective: most on any live path; total: on all live "
        "paths together."
    ),
]


@router.get("")
def list_search_spaces(db: Db, limit: Limit = 100, cursor: Cursor = None) -> Page[SpaceSummary]:
    """List every version of every search space."""
    with db.reading() as session:
        return service.list_spaces(session, limit, cursor)


@definitions.post(
    "",
    status_code=201,
    response_model=SpaceRead,
    responses={200: {"model": SpaceRead, "description": "The same content is stored already."}},
    openapi_extra=_BODY,
)
def create_search_space(
    document: DefinitionBody, db: Db, idempotency_key: IdempotencyHeader = None
) -> JSONResponse:
    """Store a search space, in JSON or YAML.

    A stored version never changes: other content under a known name becomes its next version.
    Names of built-in spaces take no other content.
    """
    space = document.space()
    with db.unit_of_work() as session:

        def produce() -> Answer:
            made, new = service.create_space(session, space)
            return Answer(201 if new else 200, made)

        return answer_once(
            session, idempotency_key, "POST search-spaces", service.content_hash(space), produce
        )


@definitions.post("/validate", openapi_extra=_BODY)
def validate_search_space(
    document: DefinitionBody, db: Db, count: Count = "effective"
) -> DefinitionCheck:
    """Judge a definition and return its size and histogram; nothing is stored."""
    space = document.space()
    with db.reading() as session:
        return service.check_definition(session, space, count)


@router.get("/schema", response_model=dict[str, Any])
def get_schema() -> JSONResponse:
    """Return the JSON schema of definitions, for editors and other tools."""
    return JSONResponse(SPACE.json_schema(), media_type="application/schema+json")


@router.get("/{name}")
def get_search_space(name: str, db: Db) -> SpaceRead:
    """Return a search space, `name` or `name@version`."""
    with db.reading() as session:
        return service.read_space(session, name)


@router.get("/{name}/histogram")
def get_histogram(name: str, db: Db, count: Count = "effective") -> HistogramRead:
    """Return the exact number of architectures per nonlinearity count."""
    with db.reading() as session:
        return service.histogram(session, name, count)


@router.post("/{name}/partition")
def preview_partition(
    name: str,
    splitter: AnySplitter,
    db: Db,
    options: Annotated[PreviewOptions, Query()],
) -> PartitionPreview:
    """Return what a splitter makes of a space; nothing is stored.

    With routing `accumulated` the sub-spaces are the sets of architectures that read the same
    weight bank in every searched cell, and the bank of every count at every depth is given.

    Sizes, shares and ranges are exact; quantiles and the cost of training are estimated from a
    sample, whose size and seed are stated.
    """
    with db.reading() as session:
        return service.preview_partition(session, name, splitter, options)


@router.post("/{name}/partition/owner")
def get_owner(
    name: str,
    splitter: AnySplitter,
    db: Db,
    options: Annotated[OwnerOptions, Query()],
) -> OwnerRead:
    """Return the sub-space that owns an architecture; nothing is stored."""
    with db.reading() as session:
        return service.owner(session, name, splitter, options.architecture, options)


@router.get("/{name}/architectures/{code:path}")
def get_architecture(name: str, code: str, db: Db) -> ArchitectureRead:
    """Return operations, count, parameters, FLOPs, drawing and known results of one."""
    with db.reading() as session:
        return service.read_architecture(session, name, code)
