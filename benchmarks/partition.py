"""How fast is exact arithmetic on search spaces? Histograms, samples, membership tests.

For every catalogue space, and for complete cells of 4 to 8 nodes with the operations of
NAS-Bench-201: the time to build the tables of the effective nonlinearity count from nothing, to
draw 10,000 architectures uniformly as runs do, from the whole space and from each of three
sub-spaces in turn, to route 10,000 architectures to their sub-space, to find the exact range of
FLOPs and parameters of every count, and, where the space can be enumerated, the time of brute force
for the same histogram, which must be the same. One thread. Sampling starts with tables that have
just been built, so that it pays for every branch it enters first.

Each time is that of the processor, because the machine may be shared, beside what the clock showed
meanwhile: of three repetitions, the one that took the processor least. The last line gives the
slowest histogram of all these spaces, and the rate of the slower of both ways to sample.

For the catalogue also the time of `GET /search-spaces/{name}/histogram`, from the whole server on a
new SQLite database, in this process: median and slowest of 50 requests after warm-up, and the same
of the processor's time; and by how much the resident memory grew over all of them.

Keeps its figures in `results/partition/`. Exits with 1 if an answer differs from brute force, or if
sampling is slower than `LEAST_PER_SECOND`.

    python benchmarks/partition.py
"""

import asyncio
import gc
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import httpx
import psutil
from measuring.report import RESULTS, Row, keep, print_figures, print_table, provenance

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.migrate import upgrade
from backend.settings import Settings
from frontend.server import build
from nas.partition.base import Partition
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.spaces import catalogue, tables
from nas.spaces.base import Count, Space
from nas.spaces.cell import CellSpace
from nas.spaces.counting import Counting
from nas.spaces.labelling import EFFECTIVE

DRAWS = 10_000
REPETITIONS = 3
MAX_ENUMERATED = 100_000
WARM_UP = 10
REQUESTS = 50
SEED = 0
KEPT = RESULTS / "partition" / "partition.json"
LEAST_PER_SECOND = {"nas-bench-201": 50_000, "mobilenet-proxyless": 10_000}
"""Architectures that one core must draw in a second."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one repetition.

    Attributes:
        processor: that this process had the processor.
        clock: that went by.
    """

    processor: float
    clock: float

    def shown(self) -> str:
        """Return both in milliseconds."""
        return f"{1000 * self.processor:,.1f} / {1000 * self.clock:,.1f}"

    def row(self) -> Row:
        """Return both in milliseconds, to be kept."""
        return {
            "processor_ms": round(1000 * self.processor, 3),
            "clock_ms": round(1000 * self.clock, 3),
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """One space's times.

    Attributes:
        space: which.
        histogram: of the tables.
        samples: of draws from the whole space.
        subspace_samples: of draws from its sub-spaces in turn.
        membership: of routing.
        ranges: of the exact ranges of cost.
        brute_force: None where there are too many architectures.
    """

    space: Space
    histogram: Times
    samples: Times
    subspace_samples: Times
    membership: Times
    ranges: Times
    brute_force: Times | None

    @property
    def samples_per_s(self) -> int:
        """Architectures drawn in a second of the processor, by the slower way."""
        return round(DRAWS / max(self.samples.processor, self.subspace_samples.processor))

    def line(self) -> list[str]:
        """Return the line of the table."""
        return [
            self.space.name,
            f"{self.space.size.all:.3g}",
            self.histogram.shown(),
            self.samples.shown(),
            self.subspace_samples.shown(),
            f"{self.samples_per_s:,}",
            self.membership.shown(),
            self.ranges.shown(),
            "" if self.brute_force is None else self.brute_force.shown(),
        ]

    def row(self) -> Row:
        """Return everything, to be kept."""
        return {
            "architectures": str(self.space.size.all),
            "histogram": self.histogram.row(),
            "samples": self.samples.row(),
            "subspace_samples": self.subspace_samples.row(),
            "samples_per_s": self.samples_per_s,
            "membership": self.membership.row(),
            "cost_ranges": self.ranges.row(),
            "brute_force": None if self.brute_force is None else self.brute_force.row(),
        }


@dataclass(frozen=True, slots=True)
class Served:
    """What the server needed for the histograms of the catalogue.

    Attributes:
        milliseconds: of every request, per space.
        processor_milliseconds: likewise, what other processes do at the same time left out.
        grown_bytes: of resident memory, over all of them.
    """

    milliseconds: dict[str, list[float]]
    processor_milliseconds: dict[str, list[float]]
    grown_bytes: int

    def cells(self, name: str) -> list[str]:
        """Return medians and slowest for the line of a space, which may not have been served."""
        return [
            f"{statistics.median(times[name]):.1f} .. {max(times[name]):.1f}"
            if name in times
            else ""
            for times in (self.milliseconds, self.processor_milliseconds)
        ]

    def row(self) -> Row:
        """Return the slowest space's figures, to be kept."""
        return {
            "clock_ms_median": _slowest_median(self.milliseconds),
            "processor_ms_median": _slowest_median(self.processor_milliseconds),
            "clock_ms_max": _slowest(self.milliseconds),
            "processor_ms_max": _slowest(self.processor_milliseconds),
            "requests": sum(map(len, self.milliseconds.values())),
            "grown_kib": round(self.grown_bytes / 1024),
        }


def main() -> None:
    """Measure every space, keep and print the times, and fail where sampling is too slow."""
    origin = provenance()
    by_name = catalogue()
    spaces = [*by_name.values(), *complete_cells(by_name["nas-bench-201"])]
    served = serve(by_name)
    measured = {space.name: measure(space) for space in spaces}
    figures: Row = {
        "histogram_ms_max": round(
            1000 * max(found.histogram.processor for found in measured.values()), 2
        ),
        "samples_per_s_nb201": measured["nas-bench-201"].samples_per_s,
        "samples_per_s_mobilenet": measured["mobilenet-proxyless"].samples_per_s,
    }
    row: Row = {
        "seed": SEED,
        **origin,
        "draws": DRAWS,
        "spaces": {name: found.row() for name, found in measured.items()},
        "served": served.row(),
        "figures": figures,
    }
    keep(KEPT, row)
    show(measured, served, figures)
    slow = [
        f"{measured[name].samples_per_s:,} architectures of {name} per second, not {least:,}"
        for name, least in LEAST_PER_SECOND.items()
        if measured[name].samples_per_s < least
    ]
    if slow:
        sys.exit(f"Sampling is too slow: {'; '.join(slow)}.")


def show(measured: dict[str, Measured], served: Served, figures: Row) -> None:
    """Print one line per space, what the server needed, and the last line."""
    print_table(
        [
            "space",
            "architectures",
            "histogram ms",
            "10,000 samples ms",
            "in sub-spaces ms",
            "samples/s",
            "10,000 routed ms",
            "cost ranges ms",
            "brute force ms",
            "GET histogram ms",
            "of the processor",
        ],
        [found.line() + served.cells(name) for name, found in measured.items()],
    )
    print("Pairs of times: of the processor / by the clock. Of GET: median .. slowest.")
    print(
        f"Resident memory grew by {served.grown_bytes / 1024:,.0f} KiB over "
        f"{sum(map(len, served.milliseconds.values()))} requests."
    )
    print_figures(figures)


def serve(names: Iterable[str]) -> Served:
    """Ask a new server for the histograms of built-in spaces, one after the other."""
    with TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        upgrade(settings)
        db = Database(settings.database)
        install_catalogue(db, settings)
        db.close()
        app = build(settings)
        return asyncio.run(_ask(httpx.ASGITransport(app=app), list(names)))


async def _ask(transport: httpx.ASGITransport, names: list[str]) -> Served:
    paths = {name: f"/api/v1/search-spaces/{name}/histogram" for name in names}
    wall: dict[str, list[float]] = {name: [] for name in names}
    processor: dict[str, list[float]] = {name: [] for name in names}
    process = psutil.Process()
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8000", timeout=None
    ) as client:
        for path in paths.values():
            for _ in range(WARM_UP):
                (await client.get(path)).raise_for_status()
        gc.collect()
        before = process.memory_info().rss
        for _ in range(REQUESTS):
            for name, path in paths.items():
                started, busy = time.perf_counter(), time.process_time()
                answer = await client.get(path)
                processor[name].append(1000 * (time.process_time() - busy))
                wall[name].append(1000 * (time.perf_counter() - started))
                answer.raise_for_status()
        gc.collect()
        return Served(wall, processor, process.memory_info().rss - before)


def complete_cells(model: Space) -> Iterator[CellSpace]:
    """Yield cells of 4 to 8 nodes with an edge between any two, else like `model`."""
    for num_nodes in range(4, 9):
        yield CellSpace.model_validate(
            {**model.model_dump(), "name": f"complete-{num_nodes}", "num_nodes": num_nodes}
        )


def measure(space: Space) -> Measured:
    """Return the times of one space, its answers compared with brute force where there is one.

    Raises:
        SystemExit: if they differ.
    """
    histogram = repeated(lambda: Counting(space.automaton(EFFECTIVE)))
    expected, brute = brute_force(space)
    if expected is not None and space.histogram() != expected:
        raise SystemExit(f"The histogram of {space.name} is not that of brute force.")
    num_counts = sum(count.valid > 0 for count in space.histogram().values())
    partition = NonlinearitySplitter(num_subspaces=min(3, num_counts)).split(space)
    rng = Random(SEED + 1)
    drawn = [space.sample(rng) for _ in range(DRAWS)]

    def fresh() -> None:
        tables.counting.cache_clear()
        space.counting()

    def route() -> None:
        for architecture in drawn:
            partition.route(architecture)

    return Measured(
        space=space,
        histogram=histogram,
        samples=repeated(lambda: draw(space), before=fresh),
        subspace_samples=repeated(lambda: draw_in_turn(partition), before=fresh),
        membership=repeated(route),
        ranges=repeated(lambda: space.cost_ranges(EFFECTIVE)),
        brute_force=brute,
    )


def draw(space: Space) -> None:
    """Draw from all valid architectures, as uniform training does."""
    rng = Random(SEED)
    for _ in range(DRAWS):
        space.sample(rng)


def draw_in_turn(partition: Partition) -> None:
    """Draw from one sub-space after the other, as balanced training does."""
    rng = Random(SEED)
    num_subspaces = len(partition.subspaces)
    for number in range(DRAWS):
        partition.sample(number % num_subspaces, rng)


def brute_force(space: Space) -> tuple[dict[int, Count] | None, Times | None]:
    """Return the histogram by looking at every architecture, and how long it took."""
    if space.size.all > MAX_ENUMERATED:
        return None, None
    found: dict[int, Count] = {}

    def look_at_all() -> None:
        every: Counter[int] = Counter()
        valid: Counter[int] = Counter()
        for architecture in space.enumerate():
            count = space.nonlinearity_count(architecture)
            every[count] += 1
            valid[count] += space.is_valid(architecture)
        found.update({count: Count(every[count], valid[count]) for count in sorted(every)})

    return found, timed(look_at_all)


def timed(action: Callable[[], object]) -> Times:
    """Time an action."""
    clock, processor = time.perf_counter(), time.process_time()
    action()
    return Times(time.process_time() - processor, time.perf_counter() - clock)


def repeated(action: Callable[[], object], before: Callable[[], object] | None = None) -> Times:
    """Time an action several times and return the time that took the processor least.

    Args:
        action: what is timed.
        before: what is done before each time and not timed.
    """
    times = []
    for _ in range(REPETITIONS):
        if before is not None:
            before()
        times.append(timed(action))
    return min(times, key=lambda found: found.processor)


def _slowest(milliseconds: dict[str, list[float]]) -> float:
    return round(max(map(max, milliseconds.values())), 2)


def _slowest_median(milliseconds: dict[str, list[float]]) -> float:
    return round(max(map(statistics.median, milliseconds.values())), 2)


if __name__ == "__main__":
    main()
