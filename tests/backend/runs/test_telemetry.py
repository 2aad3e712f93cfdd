from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from backend.db import Database
from backend.models import TelemetryRow, Unit
from backend.runs import service
from backend.runs.telemetry import telemetry
from tests.backend.api import Api, problem_of

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SUMS = (
    "seconds", "updates", "images", "data_seconds", "forward_seconds", "backward_seconds",
    "optimizer_seconds", "ranking_seconds", "checkpoint_seconds", "other_seconds",
)  # fmt: skip


def add_row(session, unit, second, **values):
    defaults = {
        "attempt": 1,
        "step": 10 * second,
        "seconds": 1.0,
        "updates": 0,
        "images": 0,
        **{f"{part}_seconds": 0.0 for part in ("data", "forward", "backward", "optimizer")},
        "ranking_seconds": 0.0,
        "checkpoint_seconds": 0.0,
    }
    at = START + timedelta(seconds=second)
    session.add(TelemetryRow(unit_id=unit.id, run_id=unit.run_id, at=at, **{**defaults, **values}))


@pytest.fixture
def run_id(stocked: Database, new_run) -> int:
    """A run whose training unit has seven rows, and whose search has one."""
    run_id = new_run()
    with stocked.unit_of_work() as session:
        train = Unit(run_id=run_id, key="train-1", kind="train", subspace=1)
        search = Unit(run_id=run_id, key="search", kind="search")
        session.add_all([train, search])
        session.flush()
        for second in range(1, 8):
            add_row(
                session,
                train,
                second,
                attempt=1 if second < 6 else 2,
                seconds=1.0 + second / 8,
                updates=second,
                images=64 * second,
                data_seconds=0.125,
                forward_seconds=0.25,
                backward_seconds=0.25,
                optimizer_seconds=0.125,
                ranking_seconds=0.125 if second == 4 else 0.0,
                checkpoint_seconds=0.0625,
                cpu_seconds=0.5 * second,
                memory_bytes=2**33 + (2**20 if second == 2 else 0),
            )
        add_row(
            session,
            search,
            3,
            seconds=2.0,
            ranking_seconds=1.5,
            gpu_seconds=0.5,
            gpu_memory_bytes=2**35,
        )
    return run_id


def found(db, run_id, points):
    with db.reading() as session:
        return telemetry(session, run_id, points)


def test_rows_have_rates_of_the_wall_time_and_parts_that_add_up(stocked: Database, run_id: int):
    rows = found(stocked, run_id, 500)
    assert [row.unit for row in rows] == ["train-1"] * 7 + ["search"]
    fourth = rows[3]
    assert (fourth.kind, fourth.subspace, fourth.attempt, fourth.step) == ("train", 1, 1, 40)
    assert fourth.at == START + timedelta(seconds=4)
    # 4 updates of 64 images in 1.5 seconds.
    assert fourth.steps_per_second == pytest.approx(4 / 1.5)
    assert fourth.samples_per_second == pytest.approx(256 / 1.5)
    assert fourth.other_seconds == pytest.approx(1.5 - 0.75 - 0.125 - 0.0625)
    assert fourth.useful_share == pytest.approx(0.875 / 1.5)
    assert fourth.cpu_percent == pytest.approx(100 * 2 / 1.5)
    assert (fourth.gpu_percent, fourth.gpu_memory_bytes) == (None, None)


def test_a_unit_that_does_not_train_has_no_speed(stocked: Database, run_id: int):
    search = found(stocked, run_id, 500)[-1]
    assert (search.steps_per_second, search.samples_per_second) == (None, None)
    assert search.useful_share == 0.75
    assert (search.gpu_percent, search.gpu_memory_bytes) == (25, 2**35)
    assert (search.cpu_percent, search.memory_bytes) == (None, None)


@pytest.mark.parametrize(
    ("points", "seconds"),
    [(7, [1, 2, 3, 4, 5, 6, 7]), (6, [2, 4, 6, 7]), (4, [2, 4, 6, 7]), (3, [4, 7]), (1, [7])],
)
def test_neighbours_become_one_by_powers_of_two(stocked: Database, run_id: int, points, seconds):
    rows = found(stocked, run_id, points)
    ends = [(row.at - START).total_seconds() for row in rows if row.unit == "train-1"]
    assert ends == seconds
    assert [row.unit for row in rows].count("search") == 1


def test_times_are_added_rates_averaged_over_time_and_memory_is_the_most(
    stocked: Database, run_id: int
):
    first, last = found(stocked, run_id, 3)[:2]
    # Seconds 1 to 4: 1 + 2 + 3 + 4 updates in 1.125 + 1.25 + 1.375 + 1.5 seconds.
    assert first.seconds == pytest.approx(5.25)
    assert (first.updates, first.images, first.step) == (10, 640, 40)
    assert first.steps_per_second == pytest.approx(10 / 5.25)
    assert first.samples_per_second == pytest.approx(640 / 5.25)
    assert first.forward_seconds == pytest.approx(1.0)
    assert first.cpu_percent == pytest.approx(100 * 5 / 5.25)
    assert first.memory_bytes == 2**33 + 2**20
    assert (last.attempt, last.updates, last.step) == (2, 18, 70)


def test_sums_do_not_depend_on_the_number_of_points(stocked: Database, run_id: int):
    whole = found(stocked, run_id, 500)
    for points in (1, 2, 3, 5):
        rows = found(stocked, run_id, points)
        for name in SUMS:
            expected = sum(getattr(row, name) for row in whole)
            assert sum(getattr(row, name) for row in rows) == pytest.approx(expected), name


def test_it_is_served_down_sampled_and_checks_what_is_asked(api: Api, run_id: int):
    path = f"/api/v1/runs/{run_id}/telemetry"
    assert len(api.get(path).json()["items"]) == 8
    totals = api.get(path, params={"points": 1}).json()["items"]
    assert [(row["unit"], row["updates"], row["images"]) for row in totals] == [
        ("train-1", 28, 28 * 64),
        ("search", 0, 0),
    ]
    for points in (0, 10_001, "many"):
        problem_of(api.get(path, params={"points": points}), 422)
    problem_of(api.get("/api/v1/runs/99999/telemetry"), 404)


def test_a_run_without_telemetry_has_none(api: Api, new_run):
    assert api.get(f"/api/v1/runs/{new_run()}/telemetry").json()["items"] == []


def test_it_is_deleted_with_its_run(stocked: Database, run_id: int, tmp_path):
    with stocked.unit_of_work() as session:
        service.cancel(session, run_id)
    with stocked.unit_of_work() as session:
        service.delete_run(session, run_id, tmp_path)
    with stocked.reading() as session:
        assert session.scalar(select(func.count()).select_from(TelemetryRow)) == 0
