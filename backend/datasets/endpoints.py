import json
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, UploadFile
from starlette.responses import JSONResponse

from backend.datasets import service
from backend.datasets.schemas import DatasetRead
from backend.dependencies import Config, Db, IdempotencyHeader
from backend.errors import Unprocessable
from backend.idempotency import Answer, answer_once, stored_answer
from backend.paging import Cursor, Limit, Page
from backend.uploads import NameField, stored
from nas.data.importing import import_dataset as read_dataset
from nas.errors import InvalidDataset, InvalidSplit

ENDPOINT = "POST datasets"
FILE = (
    "Zip or tar archive, recognised by what is in it: image files (train/<class>/* and "
    "test/<class>/*), CIFAR-10, CIFAR-100 or ImageNet16-120 as published, or the arrays of an .npz."
)

router = APIRouter(prefix="/datasets", tags=["datasets"])


@dataclass(frozen=True, slots=True)
class ImportForm:
    """How the images become a dataset."""

    name: NameField
    num_validation: Annotated[
        int, Form(ge=1, description="Training images held out to score, stop and search by.")
    ] = 1000
    size: Annotated[
        int | None,
        Form(ge=1, le=1024, description="Height and width in pixels; absent: as they are."),
    ] = None
    split_seed: Annotated[
        int, Form(ge=0, le=2**31 - 1, description="Source of the choice of those images.")
    ] = 0


@router.get("")
def list_datasets(db: Db, limit: Limit = 100, cursor: Cursor = None) -> Page[DatasetRead]:
    """List every version of every dataset."""
    with db.reading() as session:
        return service.list_datasets(session, limit, cursor)


@router.get("/{name}")
def get_dataset(name: str, db: Db) -> DatasetRead:
    """Return a dataset, `name` or `name@version`."""
    with db.reading() as session:
        return service.read_dataset(session, name)


@router.post(
    "",
    status_code=201,
    response_model=DatasetRead,
    responses={200: {"model": DatasetRead, "description": "The same content is stored already."}},
)
def import_dataset(
    db: Db,
    settings: Config,
    form: Annotated[ImportForm, Depends()],
    file: Annotated[UploadFile, File(description=FILE)],
    idempotency_key: IdempotencyHeader = None,
) -> JSONResponse:
    """Import images; the whole of them or nothing."""
    folder = settings.artifact_folder / service.FOLDER
    with stored(file, folder) as upload:
        fingerprint = json.dumps([asdict(form), upload.sha256])
        with db.reading() as session:
            earlier = stored_answer(session, idempotency_key, ENDPOINT, fingerprint)
        if earlier is not None:
            return earlier
        try:
            dataset = read_dataset(
                upload.path,
                size=form.size,
                num_validation=form.num_validation,
                split_seed=form.split_seed,
                scratch=folder,
            )
        except InvalidSplit as error:
            raise Unprocessable("num_validation", str(error)) from error
        except InvalidDataset as error:
            # The sender knows the file by its own name.
            said = str(error).replace(str(upload.path), file.filename or "file")
            raise Unprocessable("file", said) from error
    # Outside of any transaction until here: decoding may take minutes, and others want to write.
    made, new = service.add_dataset(db, settings.artifact_folder, form.name, dataset)
    answer = Answer(201 if new else 200, made)
    with db.unit_of_work() as session:
        return answer_once(session, idempotency_key, ENDPOINT, fingerprint, lambda: answer)
