"""Why an attempt failed, from what was raised or how its process died."""

import signal
from pathlib import Path

from sqlalchemy.exc import OperationalError

from backend.runs.leases import Failure, FailureClass
from backend.storage import is_full
from nas.errors import InvalidCheckpoint, InvalidDataset, NasError
from worker.checkpoints import StorageFull

# torch reports a failed allocation on the CPU as a RuntimeError with one of these texts.
_ALLOCATION_TEXTS = ("can't allocate memory", "not enough memory")


def failure_of(error: BaseException) -> Failure:
    """Class an exception that ended an attempt."""
    match error:
        case StorageFull():
            return Failure(FailureClass.STORAGE, f"{error} {ROOM_REMEDY}", pauses=True)
        case _ if is_full(error):
            text = f"The disk is full ({first_line(error)}). {ROOM_REMEDY}"
            return Failure(FailureClass.STORAGE, text, pauses=True)
        case InvalidDataset() | InvalidCheckpoint():
            return Failure(FailureClass.STORAGE, str(error), final=True)
        case NasError():
            return Failure(FailureClass.BAD_SPEC, str(error), final=True)
        case OperationalError():
            text = f"The database could not be used: {error.orig}."
            return Failure(FailureClass.LOST, text)
    if is_out_of_memory(error):
        text = f"The unit needs more memory than there is ({first_line(error)}); {MEMORY_REMEDY}."
        return Failure(FailureClass.OUT_OF_MEMORY, text, halves=True)
    text = (
        f"An error in the program ended the attempt: {type(error).__name__}: {first_line(error)}"
    )
    return Failure(FailureClass.BUG, text)


ROOM_REMEDY = "The run goes on by itself once there is room again; free some space."
MEMORY_REMEDY = (
    "lower training.batch_size, ranking.batch_size or supernet.width, or in a retraining or the build "
    "of a benchmark recipe.batch_size"
)


def failure_of_exit(returncode: int, *, out_of_memory_kills: int) -> Failure:
    """Class the death of a runner process that recorded no failure itself.

    Args:
        returncode: as `subprocess.Popen` gives it, negative for a signal.
        out_of_memory_kills: how many processes the kernel killed for memory meanwhile.
    """
    if returncode >= 0:
        text = f"The runner stopped with exit code {returncode} and no word; see the worker's log."
        return Failure(FailureClass.BUG, text)
    name = signal.Signals(-returncode).name
    if returncode == -signal.SIGKILL and out_of_memory_kills > 0:
        text = f"The kernel killed the runner for want of memory; {MEMORY_REMEDY}."
        return Failure(FailureClass.OUT_OF_MEMORY, text)
    if returncode in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT):
        text = f"The runner was lost: {name} from outside ended its process."
        return Failure(FailureClass.LOST, text)
    return Failure(FailureClass.BUG, f"The runner crashed with {name}; see the worker's log.")


def out_of_memory_kills() -> int:
    """Return how many processes the kernel has killed for memory since it started, 0 if unknown.

    The count is the whole machine's: the kernel does not say afterwards which process it chose.
    """
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0  # not Linux
    counts = dict(line.split(maxsplit=1) for line in lines)
    return int(counts.get("oom_kill", 0))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return (str(error).splitlines() or [""])[0]


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an allocation failed, on whatever device."""
    # By name: this module is also used by the supervisor, which must not load torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(
        text in str(error) for text in _ALLOCATION_TEXTS
    )
