"""Telling a full disk from other failures, wherever it shows."""

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
POSTGRESQL_DISK_FULL = "53100"


def is_full(error: BaseException | None) -> bool:
    """Tell whether `error`, or what caused it, is a disk, quota or database without room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return True
        if isinstance(error, DBAPIError) and _database_is_full(error.orig):
            return True
        error = error.__cause__
    return False


def _database_is_full(original: BaseException | None) -> bool:
    # By attribute, because only one of the two drivers need be there.
    return (
        getattr(original, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        or getattr(original, "sqlstate", None) == POSTGRESQL_DISK_FULL
    )
