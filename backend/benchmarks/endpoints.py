import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Query, UploadFile
from starlette.responses import JSONResponse

from backend.benchmarks import service
from backend.benchmarks.schemas import BenchmarkDetail, BenchmarkRead, EntryQuery, EntryRead
from backend.benchmarks.staging import staged
from backend.benchmarks.storing import staging_folder, store
from backend.columns import StorableText, is_storable_text
from backend.db import Database
from backend.dependencies import Config, Db, IdempotencyHeader
from backend.errors import Unprocessable
from backend.idempotency import Answer, answer_once, stored_answer
from backend.models import SearchSpace
from backend.paging import Cursor, Limit, Page
from backend.references import find
from backend.uploads import NameField, stored
from nas.benchmarks.columns import AccuracyUnit
from nas.benchmarks.contents import Contents
from nas.benchmarks.formats import opened
from nas.errors import InvalidBenchmark
from nas.names import Reference

ENDPOINT = "POST benchmarks"
FILE = (
    "CSV, JSON, JSON lines or Parquet, recognised by its content: a column `architecture` and "
    "columns of results such as `accuracy` or `cifar10/accuracy/seed0`."
)

router = APIRouter(prefix="/benchmarks", tags=["benchmarks"])


@dataclass(frozen=True, slots=True)
class ImportForm:
    """What a table is, where the file does not say it."""

    name: NameField
    space: Annotated[Reference, Form(description="Search space of the architectures.")]
    unit: Annotated[
        AccuracyUnit | None,
        Form(description="Of the accuracies whose unit the file does not name."),
    ] = None
    dataset: Annotated[
        StorableText | None, Form(description="Of the columns that name none in the file.")
    ] = None
    truth: Annotated[
        StorableText | None,
        Form(description="Column that runs are compared with; absent: the first accuracy."),
    ] = None


class PagedEntryQuery(EntryQuery):
    """Which results of a benchmark, page by page."""

    limit: Limit = 100
    cursor: Cursor = None


@router.get("")
def list_benchmarks(db: Db, limit: Limit = 100, cursor: Cursor = None) -> Page[BenchmarkRead]:
    """List every version of every benchmark."""
    with db.reading() as session:
        return service.list_benchmarks(session, limit, cursor)


@router.get("/{name}")
def get_benchmark(name: str, db: Db) -> BenchmarkDetail:
    """Return a benchmark, `name` or `name@version`, with the coverage of its columns."""
    with db.reading() as session:
        return service.read_benchmark(session, name)


@router.get("/{name}/entries")
def list_entries(
    name: str,
    db: Db,
    asked: Annotated[PagedEntryQuery, Query()],
) -> Page[EntryRead]:
    """List the stand-alone results in one column of a benchmark."""
    with db.reading() as session:
        return service.list_entries(session, name, asked, asked.limit, asked.cursor)


@router.post(
    "",
    status_code=201,
    response_model=BenchmarkDetail,
    responses={
        200: {"model": BenchmarkDetail, "description": "The same content is stored already."}
    },
)
def import_benchmark(
    db: Db,
    settings: Config,
    form: Annotated[ImportForm, Depends()],
    file: Annotated[UploadFile, File(description=FILE)],
    idempotency_key: IdempotencyHeader = None,
) -> JSONResponse:
    """Import a table of stand-alone results; the whole of it or nothing.

    A noise ceiling is computed from the seeds; without them it stays unknown.
    """
    folder = staging_folder(settings.artifact_folder)
    with stored(file, folder) as upload:
        fingerprint = json.dumps([asdict(form), upload.sha256])
        with db.reading() as session:
            earlier = stored_answer(session, idempotency_key, ENDPOINT, fingerprint)
        if earlier is not None:
            return earlier
        try:
            return _import(db, form, upload.path, idempotency_key, fingerprint)
        except InvalidBenchmark as error:
            raise Unprocessable("file", str(error)) from error


def _import(
    db: Database, form: ImportForm, path: Path, key: str | None, fingerprint: str
) -> JSONResponse:
    with db.reading() as session:
        space = find(session, SearchSpace, form.space)
    if space is None:
        raise Unprocessable("space", f"there is no search space {form.space!r}")
    # Outside of any transaction until all rows are checked: others want to write.
    with (
        opened(path) as contents,
        staged(_completed(contents, form), space.definition, path.parent) as table,
        db.unit_of_work() as session,
    ):

        def produce() -> Answer:
            row, new = store(session, form.name, session.get_one(SearchSpace, space.id), table)
            return Answer(201 if new else 200, service.read_detail(row))

        return answer_once(session, key, ENDPOINT, fingerprint, produce)


def _is_storable(value: object) -> bool:
    """Tell whether every text of a JSON value can be stored."""
    if isinstance(value, Mapping):
        return all(_is_storable(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return all(map(_is_storable, value))
    return not isinstance(value, str) or is_storable_text(value)


def _completed(contents: Contents, form: ImportForm) -> Contents:
    """Return the contents with what the form says of them.

    A noise ceiling that a file claims is left to be computed from its seeds.

    Raises:
        Unprocessable: if the form does not fit the file.
    """
    header = contents.header
    named = form.space.partition("@")[0]
    if header.space is not None and header.space.partition("@")[0] != named:
        raise Unprocessable(
            "space", f"the file is of search space {header.space!r}, not {named!r}"
        )
    if not _is_storable(header.recipe):
        raise Unprocessable("file", "recipe: holds a NUL character, which cannot be stored")
    columns = tuple(replace(column, noise_ceiling=None) for column in header.columns)
    try:
        completed = replace(header, columns=columns).completed(
            dataset=form.dataset, unit=form.unit, truth=form.truth
        )
    except InvalidBenchmark as error:
        field = "truth" if form.truth is not None else "dataset"
        raise Unprocessable(field, str(error)) from error
    return replace(contents, header=completed)
