"""What every page gets: the settings and the database, through which it calls the services."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

from backend.db import Database
from backend.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """Handed down from the composition root."""

    settings: Settings
    db: Database


def threaded(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Run a callback in a worker thread.

    Dash calls a plain function on the event loop, where a query would hold up every other
    request and event stream of the server.
    """

    @wraps(function)
    async def in_thread(*args: P.args, **kwargs: P.kwargs) -> T:
        return await run_in_threadpool(function, *args, **kwargs)

    return in_thread
