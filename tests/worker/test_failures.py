"""Failures get a class and a sentence that a person can act on."""

import errno
import signal
import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from backend.runs.leases import Failure, FailureClass
from nas.errors import InfeasibleSearch, InvalidDataset, NasError
from worker.checkpoints import StorageFull
from worker.failures import failure_of, failure_of_exit, out_of_memory_kills


class OutOfMemoryError(RuntimeError):
    """Stands for torch's own, which is told by its name."""


@pytest.mark.parametrize(
    ("error", "kind", "final"),
    [
        (NasError("correct this"), FailureClass.BAD_SPEC, True),
        (InfeasibleSearch("constraints", "at least 5"), FailureClass.BAD_SPEC, True),
        (InvalidDataset("damaged"), FailureClass.STORAGE, True),
        (OSError(errno.EACCES, "Permission denied"), FailureClass.BUG, False),
        (MemoryError(), FailureClass.OUT_OF_MEMORY, False),
        (OutOfMemoryError("CUDA out of memory"), FailureClass.OUT_OF_MEMORY, False),
        (RuntimeError("[enforce] can't allocate memory"), FailureClass.OUT_OF_MEMORY, False),
        (RuntimeError("shapes differ"), FailureClass.BUG, False),
        (OperationalError("SELECT", {}, Exception("gone")), FailureClass.LOST, False),
    ],
)
def test_an_exception_is_classed(error: Exception, kind: FailureClass, final: bool) -> None:
    failure = failure_of(error)
    assert (failure.kind, failure.final, failure.pauses) == (kind, final, False)
    assert failure.message


def sqlite_full() -> OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return OperationalError("INSERT", {}, error)


@pytest.mark.parametrize(
    "error",
    [
        StorageFull("The disk is full."),
        OSError(errno.ENOSPC, "No space left"),
        OSError(errno.EDQUOT, "Quota exceeded"),
        sqlite_full(),
        sqlite_full().orig,
    ],
    ids=["checkpoint", "disk", "quota", "database", "temporary database"],
)
def test_a_full_disk_pauses_the_run_and_says_when_it_goes_on(error: Exception) -> None:
    failure = failure_of(error)
    assert (failure.kind, failure.final, failure.pauses) == (FailureClass.STORAGE, False, True)
    assert "full" in failure.message
    assert "goes on by itself" in failure.message


@pytest.mark.parametrize(
    ("returncode", "kills", "kind"),
    [
        (-signal.SIGKILL, 0, FailureClass.LOST),
        (-signal.SIGKILL, 1, FailureClass.OUT_OF_MEMORY),
        (-signal.SIGTERM, 0, FailureClass.LOST),
        (-signal.SIGSEGV, 1, FailureClass.BUG),
        (1, 0, FailureClass.BUG),
        (0, 0, FailureClass.BUG),
    ],
)
def test_a_death_without_a_word_is_classed(
    returncode: int, kills: int, kind: FailureClass
) -> None:
    assert failure_of_exit(returncode, out_of_memory_kills=kills).kind == kind


def test_a_crash_names_its_signal() -> None:
    assert failure_of_exit(-signal.SIGSEGV, out_of_memory_kills=0) == Failure(
        FailureClass.BUG, "The runner crashed with SIGSEGV; see the worker's log."
    )


def test_the_kernels_count_of_kills_never_falls() -> None:
    before = out_of_memory_kills()
    assert 0 <= before <= out_of_memory_kills()
