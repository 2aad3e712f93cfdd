"""What endpoints may ask for."""

from typing import Annotated, cast

from fastapi import Depends, Header, Request

from backend.db import Database
from backend.settings import Settings


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.db)


def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


Db = Annotated[Database, Depends(_database)]
Config = Annotated[Settings, Depends(_settings)]
IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Same key and body: same answer, done once. Same key, other body: 422.",
    ),
]
