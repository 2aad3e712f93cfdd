"""Until there are accounts, only this machine's own pages may talk to the server.

A page of another site can make a browser send requests to a loopback address. Its writes carry a
foreign Origin; and a name that its owner points at 127.0.0.1 shows itself in the Host header.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.binding import is_loopback
from backend.problems import problem
from backend.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class LocalOnly:
    """Refuses foreign Host headers, cross-origin writes and sockets, and unguarded addresses."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._allowed_hosts = frozenset(name.lower() for name in settings.allowed_hosts)
        self._allow_bind = settings.allow_bind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await problem(403, refusal)(scope, receive, send)
        else:
            await Response(status_code=403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not is_local_name(host, self._allowed_hosts):
            return (
                f"The Host header {host!r} does not name this server; "
                "EFSNAS_ALLOWED_HOSTS lists further names it answers to."
            )
        address = (scope.get("server") or ("127.0.0.1", None))[0]
        if not self._allow_bind and not is_loopback(address):
            return (
                f"This server was reached at {address}, which is not a loopback address; "
                "EFSNAS_ALLOW_BIND permits others."
            )
        writes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        origin = headers.get("origin")
        if writes and origin is not None:
            # A socket's scheme is that of its page, with ws in the place of http.
            own = f"{scope.get('scheme', 'http').replace('ws', 'http', 1)}://{host}"
            if origin.lower() != own.lower():
                return f"A page of {origin} must not write to {own}."
        return None


def is_local_name(host: str, allowed_hosts: Collection[str]) -> bool:
    """Tell whether a Host header names a loopback address or one of `allowed_hosts`."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and (is_loopback(name) or name in allowed_hosts)
