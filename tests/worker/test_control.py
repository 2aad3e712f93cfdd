"""What a runner hears through its pipe."""

import os
import signal

import pytest

from tests.support import wait_until
from worker.control import CANCEL, DRAIN, Control


@pytest.fixture
def heard() -> tuple[Control, int]:
    """A control and the end of its pipe that a supervisor writes to; never closed in this process."""
    read_end, write_end = os.pipe()
    control = Control()
    control.listen(read_end)
    return control, write_end


def test_a_waiting_runner_gets_its_task_and_then_its_orders(heard: tuple[Control, int]) -> None:
    control, pipe = heard
    os.write(pipe, b'{"unit_id": 1')
    os.write(pipe, b"}\ndrain\n")
    assert control.wait_for_task() == '{"unit_id": 1}'
    wait_until(lambda: control.order == DRAIN, seconds=60, what="the order came")


@pytest.mark.parametrize("order", [DRAIN, CANCEL])
def test_an_order_that_comes_before_a_task_sends_the_waiting_runner_home(
    heard: tuple[Control, int], order: str
) -> None:
    control, pipe = heard
    os.write(pipe, f"{order}\n".encode())
    assert control.wait_for_task() is None
    assert control.order == order


def test_sigterm_sends_a_waiting_runner_home() -> None:
    control, before = Control(), signal.getsignal(signal.SIGTERM)
    try:
        control.drain_on_sigterm()
        os.kill(os.getpid(), signal.SIGTERM)
        assert control.wait_for_task() is None
    finally:
        signal.signal(signal.SIGTERM, before)
    assert control.order == DRAIN
