"""How the workers' gain and loss are measured."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import first_experiment
import live_cost
import pytest
import workers

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.runs import results
from backend.runs.schemas import EventRead
from backend.settings import Settings
from tests.benchmarks.prepared import shortened, slots, workers_rows
from tests.benchmarks.printed import Place, printed
from tests.worker.running import run_to_end
from tests.worker.support import Deployment, tiny_spec


class TestWorkers:
    def test_the_promised_figures_come_first(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        slots(place)
        workers.main()
        figures = printed(capsys).figures
        assert list(figures)[:2] == ["two_worker_speedup", "useful_fraction"]
        assert figures["two_worker_speedup"] == 1.9
        assert figures["useful_fraction"] == 0.97
        assert figures["two_worker_speedup_unequal"] == 1.25
        assert figures["checkpoint_held_up_ms"] == 1.5

    @pytest.mark.parametrize(
        ("rows", "sentences"),
        [
            (workers_rows(1.7, 0.95, 198.4), []),
            (workers_rows(speedup=1.69), ["two_worker_speedup is 1.69, less than 1.7"]),
            (workers_rows(useful=0.949), ["useful_fraction is 0.949, less than 0.95"]),
            (workers_rows(overhead=0.05), ["search_overhead is 0.05, not below 0.05"]),
            (workers_rows(same=False), ["two workers find other candidates than one"]),
            (workers_rows(write=198.5), ["a checkpoint takes 200 ms, not less than 200"]),
        ],
    )
    def test_a_promise_that_is_not_kept_is_named(
        self, rows: dict[str, Any], sentences: list[str]
    ) -> None:
        assert workers.missed(rows) == sentences

    def test_a_broken_promise_fails_after_its_figures(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rows = workers_rows(speedup=1.5)
        place.replace(
            workers,
            KEPT=place.folder,
            MEASUREMENTS={name: lambda _, row=row: row for name, row in rows.items()},
        )
        with pytest.raises(SystemExit, match=r"two_worker_speedup is 1\.5"):
            workers.main()
        assert printed(capsys).figures["two_worker_speedup"] == 1.5

    def test_a_short_measurement_is_neither_kept_nor_judged(self, place: Place) -> None:
        asked: list[bool] = []

        def measure(name: str) -> Callable[[bool], Any]:
            return lambda short: asked.append(short) or workers_rows(speedup=0.5)[name]

        place.replace(
            workers,
            KEPT=place.folder / "kept",
            MEASUREMENTS={name: measure(name) for name in workers_rows()},
        )
        place.call_with("--short")
        workers.main()
        assert asked == [True] * 4
        assert not (place.folder / "kept").exists()

    def test_a_slot_is_busy_from_claim_to_release_and_not_between(self) -> None:
        moves = [
            ("train-0", "ready", "leased", 0),
            ("train-1", "ready", "leased", 5),
            ("train-0", "leased", "ready", 10),
            ("train-1", "leased", "lost", 25),
            ("train-1", "lost", "ready", 40),
            ("train-0", "ready", "leased", 60),
            ("train-0", "leased", "done", 61),
        ]
        events = [
            EventRead(
                id=number,
                unit=unit,
                kind="unit-state",
                level="info",
                message="",
                data={"from": origin, "to": to},
                created_at=datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=second),
            )
            for number, (unit, origin, to, second) in enumerate(moves)
        ]
        assert workers.busy_seconds(events) == {"train-0": 11.0, "train-1": 20.0}

    def test_a_run_is_measured_by_its_recorded_times(self, sqlite_url: str, place: Place) -> None:
        settings = Settings(home=place.folder, database_url=sqlite_url)
        db = Database(settings.database)
        install_catalogue(db, settings)
        deployment = Deployment(db, settings)
        run_id = deployment.create(tiny_spec())
        began = time.monotonic()
        run_to_end(deployment, run_id)
        whole = time.monotonic() - began
        events = workers._events(db, run_id)
        busy = workers.busy_seconds(events)
        assert set(busy) == set(deployment.unit_states(run_id))
        with db.reading() as session:
            useful = {unit.key: unit.useful_seconds for unit in results.units(session, run_id)}
        assert useful["partition"] == 0
        # Two clocks, of which one counts milliseconds.
        assert all(0 <= useful[key] <= busy[key] + 0.01 for key in busy)
        assert min(useful[key] for key in busy if key != "partition") > 0
        assert sum(busy.values()) <= whole + 0.01
        assert 0 < workers.training_seconds(db, run_id) < whole + 0.01
        db.close()

    def test_a_checkpoint_is_measured_in_copying_and_writing(self, place: Place) -> None:
        short = shortened(first_experiment.SPEC, place, steps=8, warm_up_steps=4)
        place.replace(workers, SPEC=short, dataset=live_cost.random_images)
        row = workers.measure_checkpoint(True)
        assert row["num_bytes"] > 100_000
        assert 0 < row["held_up_ms"] <= row["held_up_ms_max"]
        assert 0 < row["written_ms"] <= row["written_ms_max"]
