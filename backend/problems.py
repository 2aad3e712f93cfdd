"""Every error of the API as `application/problem+json` (RFC 9457)."""

import json
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.errors import ApiError
from backend.storage import is_full
from backend.validation import field_errors, sentence

MEDIA_TYPE = "application/problem+json"
TOO_LARGE = "The request's body is larger than this address accepts."
FULL = "The server's storage is full; free some space there and send the request again."

_log = structlog.get_logger(__name__)


class ProblemResponse(JSONResponse):
    """A problem document. It may quote what no encoding can carry, half of a surrogate pair."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:  # Any: JSON values
        """Return JSON in ASCII."""
        return json.dumps(content, allow_nan=False).encode()


def problem(
    status: int,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    extra: dict[str, Any] | None = None,  # Any: JSON values
) -> JSONResponse:
    """Return a problem document.

    Args:
        status: HTTP status; its phrase becomes the title.
        detail: a sentence for people.
        headers: further response headers.
        extra: further members, for example the fields at fault.
    """
    members = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return ProblemResponse(members | (extra or {}), status_code=status, headers=headers)


def install(app: FastAPI) -> None:
    """Let `app` answer every error with a problem document."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def _api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return problem(error.status, error.message, extra=error.extra)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found: list[dict[str, str]] = []
    for item in error.errors():
        place, *location = item["loc"]
        written = error.body if place == "body" else None
        if item["type"] == "json_invalid":
            reason = item.get("ctx", {}).get("error", "")
            found.append({"field": "", "message": f"the body is not JSON: {reason}"})
        else:
            found += field_errors([{**item, "loc": location}], written)
    return problem(422, sentence(found), extra={"errors": found})


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    # The framework reads the body, and hides what stopped it behind one sentence.
    if is_full(error):
        return problem(507, FULL)
    unreadable = _unreadable(error.__cause__)
    if unreadable is not None:
        return problem(422, unreadable, extra={"errors": [{"field": "", "message": unreadable}]})
    known = {
        404: f"There is nothing at {request.url.path}.",
        405: f"{request.url.path} does not allow {request.method}.",
        413: TOO_LARGE,
    }
    generic = error.detail == HTTPStatus(error.status_code).phrase or error.status_code == 413
    detail = known.get(error.status_code, error.detail) if generic else error.detail
    return problem(error.status_code, detail, headers=dict(error.headers or {}))


def _unreadable(cause: BaseException | None) -> str | None:
    """Say why the framework could not read a JSON body; None if it was something else."""
    if isinstance(cause, UnicodeDecodeError):
        return f"the body is not UTF-8: {cause.reason} at byte {cause.start}"
    if isinstance(cause, RecursionError):
        return "the body is nested too deeply"
    if type(cause) is ValueError:  # the one that the conversion of digits raises
        return "the body holds a number of too many digits"
    return None


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # The server's error middleware raises it again after this answer, so its traceback is logged.
    _log.error("request failed", path=request.url.path, error=repr(error))
    if is_full(error):
        return problem(507, FULL)
    return problem(
        500,
        f"An unexpected {type(error).__name__} happened; the server's log has its details.",
    )


class TooLargeAsProblem:
    """Turns the plain text with which the framework refuses a large body into a problem.

    It answers outside of the exception handlers, so nothing further in can do this.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def rewriting(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == 413:
                refused = True
                await problem(413, TOO_LARGE)(scope, receive, send)
            elif not refused:
                await send(message)

        await self._app(scope, receive, rewriting)
