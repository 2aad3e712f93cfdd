"""`Idempotency-Key`: a POST that is sent twice is done once."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy import delete
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse

from backend.db import db_now, lock_name
from backend.errors import Unprocessable
from backend.models import IdempotencyKey

KEPT_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the document that goes with it."""

    status: int
    body: BaseModel


def answer_once(
    session: Session,
    key: str | None,
    endpoint: str,
    fingerprint: str,
    produce: Callable[[], Answer],
) -> JSONResponse:
    """Return the answer stored under `key`, or produce and store it in this transaction.

    An error is not stored: `produce` raises it, and the transaction is rolled back.

    Args:
        session: a writing transaction.
        key: the client's key; None: nothing is stored.
        endpoint: method and path, so that keys of different endpoints do not meet.
        fingerprint: text that differs whenever the request's content differs.
        produce: does the work.

    Raises:
        Unprocessable: if the key was used with other content.
    """
    if key is None:
        made = produce()
        return JSONResponse(made.body.model_dump(mode="json"), status_code=made.status)
    lock_name(session, f"idempotency/{endpoint}/{key}")
    session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.created_at < db_now(-KEPT_SECONDS))
    )
    stored = stored_answer(session, key, endpoint, fingerprint)
    if stored is not None:
        return stored
    made = produce()
    body: dict[str, Any] = made.body.model_dump(mode="json")  # Any: JSON values
    session.add(
        IdempotencyKey(
            key=key,
            endpoint=endpoint,
            body_sha256=_digest(fingerprint),
            status=made.status,
            response=body,
        )
    )
    session.flush()
    return JSONResponse(body, status_code=made.status)


def stored_answer(
    session: Session, key: str | None, endpoint: str, fingerprint: str
) -> JSONResponse | None:
    """Return the answer stored under `key`, if any; arguments as of `answer_once`.

    Raises:
        Unprocessable: if the key was used with other content.
    """
    stored = None if key is None else session.get(IdempotencyKey, (key, endpoint))
    if stored is None:
        return None
    if stored.body_sha256 != _digest(fingerprint):
        raise Unprocessable("Idempotency-Key", f"{key!r} was already used with other content")
    return JSONResponse(stored.response, status_code=stored.status)


def _digest(fingerprint: str) -> str:
    return hashlib.sha256(fingerprint.encode()).hexdigest()
