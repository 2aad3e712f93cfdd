"""Telling a full disk from other failures, wherever it shows, and whether there is room again."""

import errno
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

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
        # Of a temporary database that is used without SQLAlchemy.
        if isinstance(error, sqlite3.Error) and _database_is_full(error):
            return True
        error = error.__cause__
    return False


def has_room(folder: Path, free_bytes: int, num_bytes: int) -> bool:
    """Tell whether `folder` has room again.

    Args:
        folder: on the disk in question.
        free_bytes: that the disk must have left.
        num_bytes: that must fit into a file: quotas do not show in what the disk has left.
    """
    if shutil.disk_usage(folder).free < max(free_bytes, num_bytes):
        return False
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            _fill(probe.fileno(), num_bytes)
    except OSError as error:
        if error.errno in NO_SPACE:
            return False
        raise
    return True


def _fill(descriptor: int, num_bytes: int) -> None:
    """Take up room without writing, where the system can."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, max(num_bytes, 1))
        return
    left = num_bytes
    while left > 0:
        left -= os.write(descriptor, bytes(min(left, 2**20)))
    os.fsync(descriptor)


def _database_is_full(original: BaseException | None) -> bool:
    # By attribute, because only one of the two drivers need be there.
    return (
        getattr(original, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        or getattr(original, "sqlstate", None) == POSTGRESQL_DISK_FULL
    )
