from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from backend.columns import StorableText
from backend.dependencies import Config, Db
from backend.exports import service

router = APIRouter(prefix="/runs/{run_id}", tags=["results"])


@router.get(
    "/retrainings/{number}/export",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}, "description": "A ZIP archive."}},
)
def export_retraining(
    run_id: int,
    number: int,
    db: Db,
    settings: Config,
    format: Annotated[
        list[StorableText] | None,
        Query(max_length=20, description="Kinds of files; absent: all that can be written."),
    ] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Download a retrained network: weights, `torch.export`, ONNX, Python source, model card.

    What a format cannot express is left out of the download of all formats, whose `README.md` and
    the header `Efsnas-Left-Out` say so; asked for by name it is a 422.
    """
    with db.reading() as session:
        planned = service.plan(session, run_id, number, format or (), settings.artifact_folder)
    headers = {"ETag": planned.etag, "Cache-Control": "no-cache"}
    if if_none_match is not None and (if_none_match == "*" or planned.etag in if_none_match):
        return Response(status_code=304, headers=headers)
    made = service.make(planned)
    headers["Content-Disposition"] = f'attachment; filename="{planned.filename}"'
    if made.left_out:
        headers["Efsnas-Left-Out"] = ", ".join(made.left_out)
    return Response(made.data, media_type="application/zip", headers=headers)
