"""How fast is exact arithmetic on search spaces? Histograms, samples, membership tests.

For every catalogue space, and for complete cells of 4 to 8 nodes with the operations of
NAS-Bench-201: the time to build the tables of the effective nonlinearity count from nothing, to
draw 10,000 architectures uniformly, to route 10,000 architectures to their sub-space, to find the
exact range of FLOPs and parameters of every count, and, where the space can be enumerated, the time
of brute force for the same histogram. One thread. The fastest of three repetitions counts, because
the machine may be shared; the slowest is shown.

For the catalogue also the time of `GET /search-spaces/{name}/histogram`, from the whole server on a
new SQLite database, in this process: median and slowest of 50 requests after warm-up, and the same of the processor's time, which tells
the server's work from what else the machine does; and by how much the resident memory grew over all
of them.

    python benchmarks/partition.py
"""

import asyncio
import gc
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import httpx
import psutil
from measuring.report import print_figures, print_table

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.migrate import upgrade
from backend.settings import Settings
from frontend.server import build
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.spaces import catalogue
from nas.spaces.base import Count, Space
from nas.spaces.cell import CellSpace
from nas.spaces.counting import Counting
from nas.spaces.labelling import EFFECTIVE

DRAWS = 10_000
REPETITIONS = 3
MAX_ENUMERATED = 100_000
WARM_UP = 10
REQUESTS = 50


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of the repetitions, fastest first."""

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """Seconds of the fastest."""
        return self.seconds[0]

    def shown(self) -> str:
        """Return fastest and slowest in milliseconds."""
        return f"{1000 * self.seconds[0]:,.1f} .. {1000 * self.seconds[-1]:,.1f}"


@dataclass(frozen=True, slots=True)
class Measured:
    """One space's times; `brute_force` is None where it has too many architectures."""

    space: Space
    histogram: Times
    samples: Times
    membership: Times
    ranges: Times
    brute_force: float | None

    def row(self) -> list[str]:
        """Return the line of the table."""
        brute = "" if self.brute_force is None else f"{1000 * self.brute_force:,.0f}"
        return [
            self.space.name,
            f"{self.space.size.all:.3g}",
            self.histogram.shown(),
            self.samples.shown(),
            f"{DRAWS / self.samples.best:,.0f}",
            self.membership.shown(),
            self.ranges.shown(),
            brute,
        ]


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

    def row(self, name: str) -> list[str]:
        """Return medians and slowest for the line of a space, which may not have been served."""
        return [
            f"{statistics.median(times[name]):.1f} .. {max(times[name]):.1f}"
            if name in times
            else ""
            for times in (self.milliseconds, self.processor_milliseconds)
        ]


def main() -> None:
    """Measure every space and print the table."""
    by_name = catalogue()
    spaces = [*by_name.values(), *complete_cells(by_name["nas-bench-201"])]
    served = serve(by_name)
    measured = {space.name: measure(space) for space in spaces}
    print_table(
        [
            "space",
            "architectures",
            "histogram ms",
            "10,000 samples ms",
            "samples/s",
            "10,000 routed ms",
            "cost ranges ms",
            "brute force ms",
            "GET histogram ms",
            "of the processor",
        ],
        [found.row() + served.row(name) for name, found in measured.items()],
    )
    print(
        f"Resident memory grew by {served.grown_bytes / 1024:,.0f} KiB over "
        f"{sum(map(len, served.milliseconds.values()))} requests."
    )
    print_figures(
        {
            "histogram_ms_max": round(
                1000 * max(measured[name].histogram.best for name in by_name), 2
            ),
            "samples_per_s_nb201": round(DRAWS / measured["nas-bench-201"].samples.best),
            "samples_per_s_mobilenet": round(DRAWS / measured["mobilenet-proxyless"].samples.best),
            "cost_ranges_ms_max": round(
                1000 * max(found.ranges.best for found in measured.values())
            ),
            "histogram_request_ms_median_max": round(
                max(statistics.median(times) for times in served.milliseconds.values()), 2
            ),
            "histogram_request_ms_max": round(max(map(max, served.milliseconds.values())), 2),
            "histogram_request_processor_ms_max": round(
                max(map(max, served.processor_milliseconds.values())), 2
            ),
            "histogram_requests_grown_kib": round(served.grown_bytes / 1024),
        }
    )


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
    """Return the times of one space, its answers compared with brute force where there is one."""
    histogram = repeated(lambda: Counting(space.automaton(EFFECTIVE)))
    expected, seconds = brute_force(space)
    if expected is not None:
        assert space.histogram() == expected, space.name
    # A fresh table per repetition, so that each pays for the branches it enters.
    tables = [Counting(space.automaton(EFFECTIVE)) for _ in range(REPETITIONS)]
    samples = repeated(lambda: _draw(tables.pop()))
    num_counts = sum(count.valid > 0 for count in space.histogram().values())
    partition = NonlinearitySplitter(num_subspaces=min(3, num_counts)).split(space)
    rng = Random(1)
    drawn = [space.sample(rng) for _ in range(DRAWS)]

    def route() -> None:
        for architecture in drawn:
            partition.route(architecture)

    ranges = repeated(lambda: space.cost_ranges(EFFECTIVE))
    return Measured(space, histogram, samples, repeated(route), ranges, seconds)


def brute_force(space: Space) -> tuple[dict[int, Count] | None, float | None]:
    """Return the histogram by looking at every architecture, and the seconds it took."""
    if space.size.all > MAX_ENUMERATED:
        return None, None
    started = time.perf_counter()
    every: Counter[int] = Counter()
    valid: Counter[int] = Counter()
    for architecture in space.enumerate():
        count = space.nonlinearity_count(architecture)
        every[count] += 1
        valid[count] += space.is_valid(architecture)
    found = {count: Count(every[count], valid[count]) for count in sorted(every)}
    return found, time.perf_counter() - started


def repeated(action: Callable[[], object]) -> Times:
    """Time an action several times."""
    seconds = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return Times(tuple(sorted(seconds)))


def _draw(table: Counting) -> None:
    rng = Random(0)
    for _ in range(DRAWS):
        table.sample(rng)


if __name__ == "__main__":
    main()
