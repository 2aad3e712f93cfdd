"""The runners of a unit that several processes train: started by torchrun, led by rank 0."""

import os
import select
import sys
import threading
from datetime import timedelta

import psutil
import structlog
import torch
from torch import distributed as dist
from torch.distributed.rendezvous import rendezvous

from backend.settings import Settings
from nas.training.distributed import Follower, Leader, Links
from worker.control import EXIT_ORPHANED
from worker.devices import own_device
from worker.failures import first_line, is_out_of_memory

EXIT_FAILED = 71
"""A leader whose attempt failed ends so, and torchrun ends the others."""

PATIENCE = timedelta(days=30)
"""How long a process waits for another: while the leader scores, the others have nothing to do.
One that has ended is noticed at once."""

_log = structlog.get_logger(__name__)


def rank() -> int | None:
    """Return this process's number in its team; None if torchrun did not start it."""
    return int(os.environ["RANK"]) if "TORCHELASTIC_RUN_ID" in os.environ else None


def members() -> tuple[psutil.Process, ...]:
    """Return the processes that torchrun started with this one, this one included; none alone."""
    if rank() is None:
        return ()
    agent = psutil.Process().parent()
    found = [] if agent is None else agent.children()
    return tuple(child for child in found if "worker.runner" in child.cmdline())


def join_as_leader(settings: Settings) -> Leader:
    """Return the leader once every other process is there."""
    return Leader(_links(own_device(settings).kind))


def dismiss(leader: Leader) -> None:
    """End the team where it waits for an order."""
    leader.end()
    dist.destroy_process_group()


def follow(settings: Settings) -> int:
    """Obey the leader until it ends the team; return the exit code.

    The supervisor's orders are for the leader; its end ends this process as well.
    """
    threading.Thread(
        target=_end_with_pipe, args=(sys.stdin.fileno(),), name="orders", daemon=True
    ).start()
    kind = own_device(settings).kind
    follower = Follower(_links(kind), _device(kind))
    try:
        follower.follow()
    except Exception as error:
        # The boundary of this process: what went wrong is told to the leader, which records it.
        _log.exception("a process of the team failed")
        text = f"{type(error).__name__}: {first_line(error)}"
        follower.leave_word(text, out_of_memory=is_out_of_memory(error))
        return EXIT_FAILED
    dist.destroy_process_group()
    return 0


def _device(kind: str) -> str:
    return f"cuda:{os.environ['LOCAL_RANK']}" if kind == "cuda" else "cpu"


def _links(kind: str) -> Links:
    if kind == "cuda":
        torch.cuda.set_device(_device(kind))
    store, number, size = next(rendezvous("env://"))
    dist.init_process_group("gloo", store=store, rank=number, world_size=size, timeout=PATIENCE)
    orders = dist.group.WORLD
    assert orders is not None
    gradients = dist.new_group(backend="nccl") if kind == "cuda" else orders
    return Links(number, size, orders, gradients, store)


def _end_with_pipe(pipe: int) -> None:
    # Not read: what is written there is for the leader.
    poll = select.poll()
    poll.register(pipe, 0)
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
        pass
    os._exit(EXIT_ORPHANED)
