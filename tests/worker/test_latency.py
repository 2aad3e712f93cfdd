"""Searches with latencies, executed as workers execute them."""

import zlib
from collections.abc import Callable

import pytest
from sqlalchemy import select

from backend.models import Candidate, LatencyRow
from backend.runs import results
from frontend.report.page import report
from nas.latency.latency import Latency
from nas.latency.meter import LatencyMeter, device_title
from nas.spaces import catalogue
from nas.spaces.base import Architecture
from nas.spec import RunSpec
from tests.backend.tables import add_csv
from tests.worker.running import DrainWhen, lose, run_here, run_to_end
from tests.worker.support import Deployment, tiny_spec, unit_of
from worker.control import Control

SPACE = catalogue()["digits-mini"]
VALID = [cell for cell in SPACE.enumerate() if SPACE.is_valid(cell)]


def ms_of(architecture: Architecture) -> float:
    """A fixed latency per architecture between 1 and 2 ms."""
    return 1 + zlib.crc32(SPACE.encode(architecture).encode()) / 2**32


def spec_of(kind: str = "random", budget: int = 6, **search) -> RunSpec:
    return tiny_spec(
        training={"steps": 10, "warm_up_steps": 0},
        search={"kind": kind, "budget": budget, **search},
    )


def candidates(deployment: Deployment, run_id: int) -> list[tuple]:
    columns = (Candidate.evaluation, Candidate.architecture, Candidate.objectives)
    timed = (Candidate.latency_ms, Candidate.latency_spread_ms, Candidate.latency_device)
    with deployment.db.reading() as session:
        statement = select(*columns, *timed).where(Candidate.run_id == run_id)
        return [tuple(row) for row in session.execute(statement.order_by(Candidate.evaluation))]


def latencies(deployment: Deployment, run_id: int) -> dict[str, float]:
    with deployment.db.reading() as session:
        statement = select(LatencyRow.architecture, LatencyRow.latency_ms)
        rows = session.execute(statement.where(LatencyRow.run_id == run_id))
        return {code: ms for code, ms in rows}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Architecture]:
    """Whom the meters were asked for; each measurement gives another value."""
    found: list[Architecture] = []

    def measure(self: LatencyMeter, architecture: Architecture) -> Latency:
        found.append(architecture)
        # As in life, nobody measures exactly the same twice.
        return Latency(
            ms=ms_of(architecture) + len(found) / 1e6, spread_ms=0.25, device="cpu made up"
        )

    monkeypatch.setattr(LatencyMeter, "measure", measure)
    return found


def test_a_search_measures_its_candidates_on_the_workers_own_device(embedded: Deployment):
    measured = {"kind": "measured", "batch_size": 2, "warm_up": 1, "repeats": 5}
    spec = spec_of("nsga2", objectives=["loss", "latency"], latency=measured)
    run_id = embedded.create(spec)
    run_to_end(embedded, run_id)
    assert embedded.state(run_id) == "succeeded", embedded.messages(run_id)
    found = candidates(embedded, run_id)
    assert len(found) == 6
    for _, code, objectives, ms, spread, device in found:
        assert 0 < ms < 1000
        assert spread >= 0
        assert device == device_title("cpu")
        assert objectives["latency"] == ms == latencies(embedded, run_id)[code]
    assert set(latencies(embedded, run_id)) == {code for _, code, *_ in found}
    page = report(embedded.db, run_id)
    assert f"Latency measured on {device_title('cpu')}, 1 thread, batch size 2" in page
    assert f"{found[0][3]:.4g}" in page


def test_what_is_above_the_limit_is_measured_and_told_but_no_candidate(
    deployment: Deployment, asked: list[Architecture]
):
    run_id = deployment.create(spec_of("evolution", budget=12, constraints={"latency": 1.4}))
    run_to_end(deployment, run_id)
    assert deployment.state(run_id) == "succeeded", deployment.messages(run_id)
    found = candidates(deployment, run_id)
    assert len(found) == 12
    assert all(ms <= 1.4 for _, _, _, ms, _, _ in found)
    measured = latencies(deployment, run_id)
    assert len(measured) == len(asked) == len(set(asked)) > 12
    slow = sum(ms > 1.4 for ms in measured.values())
    assert any(
        text.startswith(f"search: of {len(measured)} architectures measured {slow} take more than")
        for text in deployment.messages(run_id)
    )
    with deployment.db.reading() as session:
        listed = results.latency_listing(run_id).all(session)
    assert [row.number for row in listed] == list(range(1, len(measured) + 1))
    assert sum(not row.is_candidate for row in listed) == slow


def test_a_limit_that_nothing_keeps_fails_the_run_with_the_lowest_latency(
    embedded: Deployment, asked: list[Architecture]
):
    run_id = embedded.create(spec_of(constraints={"latency": 0.5}))
    run_to_end(embedded, run_id)
    assert embedded.state(run_id) == "failed"
    with embedded.db.reading() as session:
        unit = unit_of(session, run_id, "search")
        assert unit.failure_class == "bad spec"
        lowest = min(ms_of(cell) + place / 1e6 for place, cell in enumerate(asked, start=1))
        assert unit.failure_message is not None
        assert (
            f"none takes at most 0.5 ms; the lowest latency is {lowest:.4g} ms on cpu made up"
            in (unit.failure_message)
        )
    assert len(asked) == 60
    assert candidates(embedded, run_id) == []


class Killed(BaseException):
    """What no part of the worker catches, as nothing outlives kill -9."""


def struck_when(over: Callable[[], bool]) -> Control:
    def dies() -> bool:
        if over():
            raise Killed
        return False

    return DrainWhen(dies)


def run_on(deployment: Deployment, run_id: int, control: Control, owner: str) -> None:
    while run_here(deployment, run_id, control, owner):
        pass


@pytest.mark.parametrize("kind", ["nsga2", "local-search"])
def test_a_killed_search_uses_what_was_measured_and_takes_nothing_back(
    kind: str, embedded: Deployment, asked: list[Architecture]
):
    # Never a checkpoint: only the rows tell the next attempt anything.
    changes = {"record_seconds": 1e-6, "checkpoint_seconds": 1000.0}
    eager = Deployment(embedded.db, embedded.settings.model_copy(update=changes))
    aims = {"objectives": ["loss", "latency"], "population_size": 4} if kind == "nsga2" else {}
    run_id = eager.create(spec_of(kind, budget=12, constraints={"latency": 1.6}, **aims))
    before: list[tuple] = []
    for number, owner in ((4, "first"), (9, "second")):
        control = struck_when(lambda number=number: len(candidates(eager, run_id)) >= number)
        with pytest.raises(Killed):
            run_on(eager, run_id, control, owner)
        before = candidates(eager, run_id)
        lose(eager, owner)
    run_to_end(eager, run_id)
    assert eager.state(run_id) == "succeeded", eager.messages(run_id)
    found = candidates(eager, run_id)
    assert len(found) == 12
    assert found[: len(before)] == before
    # The real meter has another name than the one that is made up.
    told = f"measured on cpu made up, and the others will be on {device_title('cpu')}"
    assert any(told in text for text in eager.messages(run_id))
    # What an attempt had measured and not yet stored may be measured anew; nothing else is.
    assert len(asked) - len(set(asked)) <= 2
    assert set(map(SPACE.encode, asked)) == set(latencies(eager, run_id))


def test_a_search_by_a_table_asks_no_meter(embedded: Deployment, asked: list[Architecture]):
    known = VALID[::3]
    lines = [f"{SPACE.encode(cell)},{ms_of(cell)}" for cell in known]
    text = "\n".join(["architecture,phone/latency [ms]", *lines])
    add_csv(embedded.db, "devices", text)
    latency = {"kind": "table", "benchmark": "devices"}
    run_id = embedded.create(
        spec_of("evolution", budget=100, latency=latency, constraints={"latency": 1.5})
    )
    run_to_end(embedded, run_id)
    assert embedded.state(run_id) == "succeeded", embedded.messages(run_id)
    found = candidates(embedded, run_id)
    feasible = {SPACE.encode(cell): ms_of(cell) for cell in known if ms_of(cell) <= 1.5}
    assert {code: ms for _, code, _, ms, _, _ in found} == pytest.approx(feasible)
    assert {(spread, device) for *_, spread, device in found} == {(None, None)}
    assert asked == []
    assert latencies(embedded, run_id) == {}
