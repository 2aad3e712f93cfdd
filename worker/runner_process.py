"""A runner process as its supervisor sees it."""

import contextlib
import json
import signal
import subprocess
import sys
from dataclasses import asdict

from backend.runs.leases import Lease
from backend.settings import Settings
from worker.environment import ALLOCATION, child_environment

WORKSPACE_CONFIG = ":4096:8"
"""Without a fixed workspace cuBLAS does not repeat itself bit by bit (its documentation)."""


_LOOPBACK = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)

_ON_THIS_HOST = {
    name: _LOOPBACK for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME") if _LOOPBACK
}
"""The processes of a unit talk to each other where nobody else hears; a deployment may differ."""


class RunnerProcess:
    """`python -m worker.runner` in a session of its own, tied to this process by a pipe.

    It loads what training needs and waits until it is told its first unit. The kernel also ties it
    to the thread that starts it, which must live as long as the slot.

    Args:
        settings: of the deployment, handed on through the environment.
        processes: that train a unit together. Of several the process is torchrun, which starts
            them and ends them all when one fails; the first of them gets the unit and the orders.
    """

    def __init__(self, settings: Settings, processes: int = 1) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *_torchrun(processes), "-m", "worker.runner"],
            stdin=subprocess.PIPE,
            env=_ON_THIS_HOST
            | child_environment(settings)
            | ALLOCATION
            | {"CUBLAS_WORKSPACE_CONFIG": WORKSPACE_CONFIG},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process's number, which is also that of its process group."""
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; return the exit code, None if it is still running."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def begin(self, lease: Lease) -> None:
        """Hand over the first unit."""
        self._send(json.dumps(asdict(lease)))

    def order(self, order: str) -> None:
        """Send one order through the pipe."""
        self._send(order)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def close(self) -> int:
        """Kill the process if it still runs, wait for it, and return its exit code."""
        self._process.kill()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        return self._process.wait()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        # A process that is gone needs no word; its end is noticed by `wait`.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()


def _torchrun(processes: int) -> list[str]:
    if processes == 1:
        return []
    return [
        *("-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"),
        *("--nproc-per-node", str(processes)),
    ]
