"""Helpers that tests import; fixtures live in conftest.py."""

import os
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], *, seconds: float, what: str, pause_seconds: float = 0.05
) -> T:
    """Return the first true value of `condition`; fail, saying `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds} s still not: {what}")
        time.sleep(pause_seconds)


def required(name: str) -> bool:
    """Whether the switch EFSNAS_REQUIRE_`name` turns a skip into a failure."""
    return os.environ.get(f"EFSNAS_REQUIRE_{name}", "") not in ("", "0")


def skip_unless_required(name: str, reason: str) -> NoReturn:
    """Skip the test, or fail it if EFSNAS_REQUIRE_`name` says that the thing must be there."""
    if required(name):
        pytest.fail(f"EFSNAS_REQUIRE_{name} is set, but {reason}")
    pytest.skip(reason)
