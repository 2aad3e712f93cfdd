"""Several slots of one host: started together, kept alive, drained together."""

import argparse
import os
import signal
from pathlib import Path

import psutil
import pytest

from backend.system.service import workers
from tests.support import wait_until
from tests.worker.processes import DEADLINE_SECONDS, descendants, gone, kill, process
from tests.worker.support import Deployment
from worker import pool
from worker.devices import Gpu, SlotDevice
from worker.pool import parse_slots, slot_children


def slot_processes(pid: int) -> list[psutil.Process]:
    found = []
    for child in descendants(pid):
        try:
            if "worker.main" in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


def test_several_slots_announce_themselves_are_replaced_and_drain_together(
    embedded: Deployment, tmp_path: Path
) -> None:
    settings = embedded.settings.model_copy(update={"prepare_runner": False})

    def announced() -> set[str]:
        with embedded.db.reading() as session:
            return {slot.name for slot in workers(session) if slot.state == "idle"}

    command = ("worker.pool", "--slots", "2")
    with process(settings, *command, log=tmp_path / "log") as started:
        wait_until(
            lambda: len(announced()) == 2, seconds=DEADLINE_SECONDS, what="two slots are there"
        )
        with embedded.db.reading() as session:
            assert {slot.device for slot in workers(session)} == {"cpu"}
        before, first = announced(), slot_processes(started.pid)[0]
        kill(first)
        wait_until(
            lambda: announced() - before, seconds=DEADLINE_SECONDS, what="a slot was replaced"
        )
        family = slot_processes(started.pid)
        started.send_signal(signal.SIGTERM)
        assert started.wait(timeout=DEADLINE_SECONDS) == 0
        assert all(gone(member) for member in family)
    # The one that was killed could not withdraw its row.
    assert len(announced()) <= 1


def test_each_slot_is_confined_to_its_gpu(embedded: Deployment) -> None:
    devices = [SlotDevice("cuda", (Gpu(n, f"GPU-{n}", "H200"),)) for n in (1, 0)]
    children = slot_children(embedded.settings, devices)
    assert [child.command.name for child in children] == ["worker-0", "worker-1"]
    seen = [child.environment["CUDA_VISIBLE_DEVICES"] for child in children]
    assert seen == ["GPU-1", "GPU-0"]


def test_one_slot_becomes_the_process_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _, command, environment: started.append(command))
    monkeypatch.setattr(pool, "slot_devices", lambda settings, slots: [SlotDevice("cpu")])
    monkeypatch.setattr(pool, "configure_logs", lambda: None)
    pool.main(["--slots", "auto"])
    assert [command[1:] for command in started] == [["-m", "worker.main"]]


@pytest.mark.parametrize("text", ["0", "65", "-1", "many", "", "1.5"])
def test_a_number_of_slots_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="neither `auto` nor a number"):
        parse_slots(text)
