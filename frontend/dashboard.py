"""Dash on the server's own FastAPI application, under /ui/."""

from typing import Any

import structlog
from dash import Dash, set_props
from dash.backends._fastapi import reset_current_request, set_current_request
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from frontend.context import Context
from frontend.pages import links, shell

_log = structlog.get_logger(__name__)


def mount_dashboard(app: FastAPI, context: Context) -> Dash:
    """Add the dashboard to `app`, after every other route."""
    dash = Dash(
        __name__,
        server=app,  # type: ignore[arg-type]  # its annotation knows Flask only
        routes_pathname_prefix=links.PREFIX,
        title="EFS-NAS",
        update_title="",
        suppress_callback_exceptions=True,
        serve_locally=True,
        add_log_handler=False,
        on_error=_report,
    )
    # No callback streams; without this every open page would keep trying to open a socket.
    dash.backend.websocket_capability = False
    dash.layout = shell.layout
    shell.register(dash, context)
    # Dash prepares scripts and styles at the first request below /ui/_dash-, which is too late
    # for a browser whose first request is a deep link.
    dash._setup_server()  # type: ignore[no-untyped-call]  # as Dash leaves it
    _add_deep_links(app, dash)
    return dash


def _add_deep_links(app: FastAPI, dash: Dash) -> None:
    @app.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse(links.PREFIX)

    # Ahead of Dash's own catch-all, which would answer every unknown address of the server.
    @app.get(links.PREFIX + "{page:path}", include_in_schema=False)
    async def deep_link(request: Request, page: str) -> Response:
        token = set_current_request(request)  # type: ignore[no-untyped-call]
        try:
            return Response(dash.index(), media_type="text/html")  # type: ignore[no-untyped-call]
        finally:
            reset_current_request(token)  # type: ignore[no-untyped-call]


def _report(error: Exception) -> None:
    """Record a failed callback and tell the viewer; Dash alone would answer without a trace."""
    _log.error("callback failed", exc_info=error)
    notification: dict[str, Any] = {  # Any: JSON
        "action": "show",
        "id": "callback-failed",
        "title": "The dashboard could not do that",
        "message": f"{type(error).__name__}: {error}. The server's log has the details.",
        "color": "red",
        "autoClose": False,
    }
    set_props("notifications", {"sendNotifications": [notification]})
