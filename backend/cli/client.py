"""The REST API as the command line uses it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter

from backend.benchmarks.schemas import BenchmarkDetail, BenchmarkRead, EntryRead
from backend.builds.schemas import BuildRead
from backend.cli.errors import CliError
from backend.datasets.schemas import DatasetRead
from backend.paging import Page
from backend.runs.schemas import (
    BalanceRead,
    CandidateRead,
    CombinationRead,
    CorrelationRead,
    LandmarkRead,
    ReadModel,
    RetrainedRead,
    RetrainingPage,
    RetrainingRead,
    RunRead,
    RunSummary,
    SubspaceRead,
    TelemetryRead,
    UnitRead,
)
from backend.spaces.schemas import (
    HistogramRead,
    OwnerRead,
    PartitionPreview,
    SpaceRead,
    SpaceSummary,
)

DEFAULT_URL = "http://127.0.0.1:8000"
PREFIX = "/api/v1"
TIMEOUT_SECONDS = 30.0
IMPORT_SECONDS = 3600.0
PAGE_SIZE = 1000

Item = TypeVar("Item", bound=ReadModel)


def server_url() -> str:
    """Return the address of the server (EFSNAS_URL)."""
    return os.environ.get("EFSNAS_URL", DEFAULT_URL).rstrip("/")


class ApiClient:
    """Calls the server and turns its problems into sentences."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    @property
    def url(self) -> str:
        """Where the server is."""
        return str(self._http.base_url).rstrip("/")

    def create_run(self, spec: object) -> RunRead:
        """Queue a run."""
        return RunRead.model_validate_json(self._send("POST", "/runs", json=spec))

    def run(self, run_id: int) -> RunRead:
        """Return a run."""
        return RunRead.model_validate_json(self._send("GET", f"/runs/{run_id}"))

    def runs(self, limit: int, state: str | None) -> Page[RunSummary]:
        """Return the newest runs."""
        parameters = {"limit": limit} | ({"state": state} if state else {})
        text = self._send("GET", "/runs", params=parameters)
        return Page[RunSummary].model_validate_json(text)

    def units(self, run_id: int) -> list[UnitRead]:
        """Return the units of a run."""
        return self._all(f"/runs/{run_id}/units", UnitRead)

    def subspaces(self, run_id: int) -> list[SubspaceRead]:
        """Return the sub-spaces of a run."""
        return self._all(f"/runs/{run_id}/subspaces", SubspaceRead)

    def landmarks(self, run_id: int) -> list[LandmarkRead]:
        """Return the landmarks of a run."""
        return self._all(f"/runs/{run_id}/landmarks", LandmarkRead)

    def balance(self, run_id: int) -> list[BalanceRead]:
        """Return the training balance of a run."""
        return self._all(f"/runs/{run_id}/balance", BalanceRead)

    def telemetry_totals(self, run_id: int) -> list[TelemetryRead]:
        """Return one row for each unit that has telemetry."""
        text = self._send("GET", f"/runs/{run_id}/telemetry", params={"points": 1})
        return Page[TelemetryRead].model_validate_json(text).items

    def correlations(self, run_id: int) -> list[CorrelationRead]:
        """Return the rank correlations of a run."""
        return self._all(f"/runs/{run_id}/correlations", CorrelationRead)

    def combinations(self, run_id: int) -> list[CombinationRead]:
        """Return the combined scorers of a run."""
        return self._all(f"/runs/{run_id}/combinations", CombinationRead)

    def candidates(self, run_id: int) -> list[CandidateRead]:
        """Return the searched candidates of a run."""
        return self._all(f"/runs/{run_id}/candidates", CandidateRead)

    def retrain(self, run_id: int, asked: object) -> list[RetrainingRead]:
        """Have architectures of a run trained stand-alone; return the trainings."""
        text = self._send("POST", f"/runs/{run_id}/retrainings", json=asked)
        return Page[RetrainingRead].model_validate_json(text).items

    def retrainings(self, run_id: int) -> list[RetrainingRead]:
        """Return the retrainings of a run one by one."""
        return self._all(f"/runs/{run_id}/retrainings", RetrainingRead)

    def retrained(self, run_id: int) -> list[RetrainedRead]:
        """Return what the retrainings of each architecture found together."""
        text = self._send("GET", f"/runs/{run_id}/retrainings", params={"limit": 1})
        return RetrainingPage.model_validate_json(text).architectures

    def benchmark(self, reference: str) -> BenchmarkDetail:
        """Return a benchmark."""
        return BenchmarkDetail.model_validate_json(self._send("GET", f"/benchmarks/{reference}"))

    def benchmarks(self) -> list[BenchmarkRead]:
        """Return every version of every benchmark."""
        return self._all("/benchmarks", BenchmarkRead)

    def best_entries(self, reference: str, column: str, number: int) -> list[EntryRead]:
        """Return the best valid architectures in a column of a benchmark."""
        asked = {"column": column, "order": "best", "valid": True, "limit": number}
        text = self._send("GET", f"/benchmarks/{reference}/entries", params=asked)
        return Page[EntryRead].model_validate_json(text).items

    def spaces(self) -> list[SpaceSummary]:
        """Return every version of every search space."""
        return self._all("/search-spaces", SpaceSummary)

    def space(self, reference: str) -> SpaceRead:
        """Return a search space."""
        return SpaceRead.model_validate_json(self._send("GET", f"/search-spaces/{reference}"))

    def histogram(self, reference: str, count: str) -> HistogramRead:
        """Return the architectures per nonlinearity count."""
        path = f"/search-spaces/{reference}/histogram"
        return HistogramRead.model_validate_json(self._send("GET", path, params={"count": count}))

    def import_space(self, file: Path) -> SpaceRead:
        """Store the definition in a YAML or JSON file."""
        headers = {"Content-Type": "application/yaml"}  # of which JSON is a part
        text = self._send("POST", "/search-spaces", content=file.read_bytes(), headers=headers)
        return SpaceRead.model_validate_json(text)

    def preview(
        self,
        reference: str,
        splitter: object,
        options: Mapping[str, Any],  # Any: values of the query, which the server judges
    ) -> PartitionPreview:
        """Return what a splitter makes of a search space."""
        path = f"/search-spaces/{reference}/partition"
        text = self._send("POST", path, json=splitter, params=options, timeout=IMPORT_SECONDS)
        return PartitionPreview.model_validate_json(text)

    def owner(
        self,
        reference: str,
        splitter: object,
        architecture: str,
        routing: Mapping[str, Any],  # Any: values of the query, which the server judges
    ) -> OwnerRead:
        """Return the sub-space that owns an architecture, and the weight banks that it reads."""
        path = f"/search-spaces/{reference}/partition/owner"
        options = {"architecture": architecture, **routing}
        text = self._send("POST", path, json=splitter, params=options)
        return OwnerRead.model_validate_json(text)

    def import_dataset(self, archive: Path, fields: Mapping[str, str | int]) -> DatasetRead:
        """Upload an archive of images."""
        return DatasetRead.model_validate_json(self._upload("/datasets", archive, fields))

    def import_benchmark(self, table: Path, fields: Mapping[str, str | int]) -> BenchmarkDetail:
        """Upload a table of stand-alone results."""
        return BenchmarkDetail.model_validate_json(self._upload("/benchmarks", table, fields))

    def build_benchmark(self, spec: object) -> BuildRead:
        """Have the workers make a benchmark."""
        text = self._send("POST", "/benchmark-builds", json=spec, timeout=IMPORT_SECONDS)
        return BuildRead.model_validate_json(text)

    def build(self, build_id: int) -> BuildRead:
        """Return the build of a benchmark."""
        return BuildRead.model_validate_json(self._send("GET", f"/benchmark-builds/{build_id}"))

    def builds(self, limit: int) -> Page[BuildRead]:
        """Return the newest builds."""
        text = self._send("GET", "/benchmark-builds", params={"limit": limit})
        return Page[BuildRead].model_validate_json(text)

    def download(
        self,
        path: str,
        target: Path,
        options: Mapping[str, str | bool | Sequence[str]],
    ) -> Mapping[str, str]:
        """Write what an address answers to a file, whole or not at all; return its headers.

        Raises:
            CliError: if it cannot be fetched or written.
        """
        partial = target.with_name(f".{target.name}.partial")
        try:
            with (
                self._answered("GET", path, params=options, timeout=IMPORT_SECONDS) as answer,
                partial.open("wb") as file,
            ):
                for part in answer.iter_bytes():
                    file.write(part)
            partial.replace(target)
            return answer.headers
        except OSError as error:
            raise CliError(f"{target} cannot be written: {error.strerror}") from error
        finally:
            with suppress(OSError):
                partial.unlink()

    def _all(self, path: str, model: type[Item]) -> list[Item]:
        adapter: TypeAdapter[Page[Item]] = TypeAdapter(Page[model])  # type: ignore[valid-type]  # a type at run time
        items: list[Item] = []
        cursor: str | None = None
        while True:
            parameters = {"limit": PAGE_SIZE} | ({"cursor": cursor} if cursor else {})
            page = adapter.validate_json(self._send("GET", path, params=parameters))
            items += page.items
            cursor = page.next_cursor
            if cursor is None:
                return items

    def _upload(self, path: str, file: Path, fields: Mapping[str, str | int]) -> bytes:
        with file.open("rb") as opened:
            files = {"file": (file.name, opened)}
            return self._send("POST", path, data=fields, files=files, timeout=IMPORT_SECONDS)

    def _send(self, method: str, path: str, **options: Any) -> bytes:  # Any: options of httpx
        with self._answered(method, path, **options) as response:
            return response.read()

    @contextmanager
    def _answered(
        self,
        method: str,
        path: str,
        **options: Any,  # Any: options of httpx
    ) -> Iterator[httpx.Response]:
        """Send a request; its answer is read inside."""
        try:
            with self._http.stream(method, f"{PREFIX}{path}", **options) as response:
                if response.is_error:
                    response.read()
                    raise CliError(_said(response))
                yield response
        except httpx.ConnectError as error:
            raise CliError(
                f"nothing answers at {self.url}; start the server with `efsnas up`, "
                "or set EFSNAS_URL to where it is"
            ) from error
        except httpx.HTTPError as error:
            raise CliError(f"{self.url}: {error or type(error).__name__}") from error


@contextmanager
def connected(url: str | None = None) -> Iterator[ApiClient]:
    """Open a client of the server at `url`, or of the one that EFSNAS_URL names."""
    with httpx.Client(base_url=url or server_url(), timeout=TIMEOUT_SECONDS) as http:
        yield ApiClient(http)


def _said(response: httpx.Response) -> str:
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        return str(response.json()["detail"])
    return f"{response.request.method} {response.request.url}: HTTP {response.status_code}"
