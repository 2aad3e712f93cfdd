import io
import json
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from starlette.responses import JSONResponse

from backend.benchmarks import service
from backend.benchmarks.schemas import BenchmarkRead, EntryRead
from backend.dependencies import Db, IdempotencyHeader
from backend.errors import Unprocessable
from backend.idempotency import Answer, answer_once
from backend.models import SearchSpace
from backend.paging import Cursor, Limit, Page
from backend.references import find
from backend.uploads import NameField
from nas.benchmarks.table import GroundTruth, read_csv
from nas.errors import InvalidBenchmark
from nas.spaces.base import Space
from nas.spec import Reference

router = APIRouter(prefix="/benchmarks", tags=["benchmarks"])


@router.get("")
def list_benchmarks(db: Db, limit: Limit = 100, cursor: Cursor = None) -> Page[BenchmarkRead]:
    """List every version of every benchmark."""
    with db.reading() as session:
        return service.list_benchmarks(session, limit, cursor)


@router.get("/{name}")
def get_benchmark(name: str, db: Db) -> BenchmarkRead:
    """Return a benchmark, `name` or `name@version`."""
    with db.reading() as session:
        return service.read_benchmark(session, name)


@router.get("/{name}/entries")
def list_entries(name: str, db: Db, limit: Limit = 100, cursor: Cursor = None) -> Page[EntryRead]:
    """List the stand-alone results of a benchmark by architecture."""
    with db.reading() as session:
        return service.list_entries(session, name, limit, cursor)


@router.post(
    "",
    status_code=201,
    response_model=BenchmarkRead,
    responses={
        200: {"model": BenchmarkRead, "description": "The same content is stored already."}
    },
)
def import_benchmark(
    db: Db,
    name: NameField,
    space: Annotated[Reference, Form(description="Search space of the architectures.")],
    file: Annotated[UploadFile, File(description="CSV with columns architecture,accuracy.")],
    idempotency_key: IdempotencyHeader = None,
) -> JSONResponse:
    """Import a table of accuracies in percent; the whole of it or nothing.

    Its noise ceiling stays unknown, because such a table has no seeds.
    """
    with db.reading() as session:
        row = find(session, SearchSpace, space)
        if row is None:
            raise Unprocessable("space", f"there is no search space {space!r}")
    truth = _read_table(file, row.definition)
    accuracies = {code: entry.accuracy for code, entry in truth.entries.items()}
    fingerprint = json.dumps([name, row.id, accuracies], sort_keys=True)
    with db.unit_of_work() as session:

        def produce() -> Answer:
            made, new = service.add_benchmark(
                session, name, session.get_one(SearchSpace, row.id), truth
            )
            return Answer(201 if new else 200, made)

        return answer_once(session, idempotency_key, "POST benchmarks", fingerprint, produce)


def _read_table(file: UploadFile, space: Space) -> GroundTruth:
    lines = io.TextIOWrapper(file.file, encoding="utf-8", newline="")
    try:
        return read_csv(lines, space)
    except InvalidBenchmark as error:
        raise Unprocessable("file", str(error)) from error
    except UnicodeDecodeError as error:
        raise Unprocessable("file", f"is not UTF-8 text: {error}") from error
    finally:
        lines.detach()
