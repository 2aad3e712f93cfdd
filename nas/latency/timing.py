"""How long a call takes, typically and how surely."""

import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import NamedTuple


class Timing(NamedTuple):
    """What repeated runs of a call took.

    Attributes:
        ms: their median, in milliseconds.
        spread_ms: from the first to the third quartile; half of the runs lie in between.
    """

    ms: float
    spread_ms: float


def timed(
    run: Callable[[], object],
    *,
    warm_up: int,
    repeats: int,
    synchronise: Callable[[], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Run something again and again, each run by itself.

    A median is not moved by the few runs that the system interrupts, as a mean would be.

    Args:
        run: what is timed.
        warm_up: runs before, which choose algorithms and fill caches and do not count.
        repeats: runs that count, at least two.
        synchronise: waits for what a run has left to a device that works beside this process;
            None where a call has ended once it returns.
        clock: in seconds.
    """
    wait = synchronise or _nothing
    for _ in range(warm_up):
        run()
    found = []
    for _ in range(repeats):
        wait()
        began = clock()
        run()
        wait()
        found.append(1e3 * (clock() - began))
    first, _, third = quantiles(found, n=4, method="inclusive")
    return Timing(median(found), third - first)


def _nothing() -> None:
    """Wait for nothing."""
