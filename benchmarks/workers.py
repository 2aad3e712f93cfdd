"""What do workers make of their time? Two against one, and the useful share of a slot's hours.

Four measurements on CIFAR-10 at 16x16 pixels, one thread per worker, in a deployment of their own
with worker processes as `efsnas worker` starts them:

* the training stage of a run with K = 4 private supernets, by the clock, with one worker and with
  two, for sub-spaces of equal and of unequal cost (about four minutes on two cores that do nothing
  else; the promise is about equal ones);
* `examples/nas-bench-201-cifar10.yaml` on one worker: training and scoring as a share of the time
  between claim and release, the start of the process included, and the start alone, with and
  without a process that was prepared (some ten minutes);
* an evolutionary search of that space, by the clock, with one worker and with two: whether they find the
  same, and what a search spends beside proposing and scoring (some minutes);
* a checkpoint of that experiment's supernet: how long training waits for it, and how long it takes.

What was measured before is read from `results/workers/`; delete a file to measure it again. With
`--short` everything is measured on little work, and neither kept nor judged.

    python benchmarks/workers.py [--short]

Needs the shared data: `../shared/data`, or the folder that EFSNAS_SHARED_DATA names.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import yaml
from first_experiment import SHARED, SPEC, dataset
from measuring.deployment import deployed, execute, workers
from measuring.report import RESULTS, Row, measured_row, number_of, print_figures, print_table
from sqlalchemy.orm import Session

from backend.db import Database
from backend.runs import results
from backend.runs.leases import HELPER
from backend.runs.schemas import EventRead
from nas.experiment import Experiment
from nas.spaces import catalogue
from nas.spec import RunSpec
from nas.training.loop import prepare_device, train
from nas.training.state import fresh_state
from worker.checkpoints import write_durably

KEPT = RESULTS / "workers"
SPLITTERS: Mapping[str, Row] = {
    "equal": {"kind": "random", "num_subspaces": 4},
    "unequal": {"kind": "nonlinearity", "num_subspaces": 4},
}
"""Random sub-spaces cost the same to train. Those of nonlinearity counts differ by a factor of three
here, and as no supernet may be more than one round ahead, a slot waits at the end of each."""

TRUTH = SHARED / "nas-bench-201-cifar10-test.csv"
LIMITS: Mapping[str, float] = {"two_worker_speedup": 1.7, "useful_fraction": 0.95}
CHECKPOINT_LIMIT_MS = 200.0
REPETITIONS = 30
REPEATED_SEARCHES = 3
OVERHEAD_LIMIT = 0.05


def main() -> None:
    """Measure what is missing, print it, and fail below the limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="measure on little work")
    short = parser.parse_args().short
    rows = {
        name: measured_row(KEPT, name, measure, short=short)
        for name, measure in MEASUREMENTS.items()
    }
    show(rows)
    failed = [] if short else missed(rows)
    if failed:
        sys.exit("; ".join(failed))


def measure_speedup(short: bool) -> Row:
    """Train K = 4 private supernets with one worker and again with two, for two partitions."""
    row: Row = {"seed": 0}
    with deployed(dataset(), TRUTH) as (db, settings):
        for name, splitter in SPLITTERS.items():
            spec = RunSpec.model_validate(
                {
                    "name": f"four supernets, {name}",
                    "space": "nas-bench-201",
                    "dataset": "cifar10-16",
                    "splitter": splitter,
                    "supernet": {"width": 8, "cells_per_stage": 1},
                    "training": {"steps": 200 if short else 5000, "warm_up_steps": 0},
                    "ranking": {"num_architectures": 8, "every_steps": 100 if short else 1000},
                    "search": None,
                }
            )
            seconds = []
            for number in (1, 2):
                with workers(settings, number):
                    run_id = execute(db, spec)
                seconds.append(training_seconds(db, run_id))
            one, two = seconds
            row[name] = {
                "seconds_one_worker": round(one, 2),
                "seconds_two_workers": round(two, 2),
                "speedup": round(one / two, 3),
                "spec": spec.model_dump(mode="json"),
            }
    return row


def measure_experiment(short: bool) -> Row:
    """Execute the real experiment on one worker, and start a small run without preparation."""
    document = yaml.safe_load(SPEC.read_text())
    small = _shortened(document)
    spec = RunSpec.model_validate(small if short else document)
    with deployed(dataset(), TRUTH) as (db, settings):
        unprepared = settings.model_copy(update={"prepare_runner": False})
        with workers(unprepared, 1):
            cold = _events(db, execute(db, RunSpec.model_validate(small)))
        with workers(settings, 1):
            run_id = execute(db, spec)
        events = _events(db, run_id)
        with db.reading() as session:
            units = results.units(session, run_id)
    busy = sum(busy_seconds(events).values())
    useful = {"training": 0.0, "scoring": 0.0}
    for unit in units:
        # A unit that trains also scores its part of the live sample.
        kind = "training" if unit.kind in ("warm-up", "train") else "scoring"
        useful[kind] += unit.useful_seconds
    return {
        "seed": spec.seed,
        "busy_seconds": round(busy, 2),
        "training_seconds": round(useful["training"], 2),
        "scoring_seconds": round(useful["scoring"], 2),
        "useful_fraction": round(sum(useful.values()) / busy, 4),
        # The first unit only splits the space: all but nothing of its time is the start.
        "start_seconds": round(busy_seconds(events)["partition"], 2),
        "cold_start_seconds": round(busy_seconds(cold)["partition"], 2),
        "spec": spec.model_dump(mode="json"),
    }


def measure_search(short: bool) -> Row:
    """Search with one worker and again with two, for the same scores of the same supernet."""
    document = {
        "name": "search",
        "space": "nas-bench-201",
        "dataset": "cifar10-16",
        "splitter": {"kind": "none"},
        "supernet": {"width": 8, "cells_per_stage": 1},
        "training": {"steps": 20 if short else 500, "warm_up_steps": 0},
        "ranking": {"num_architectures": 8, "every_steps": 1000},
        "search": {"kind": "evolution", "budget": 60 if short else 1000},
    }
    spec = RunSpec.model_validate(document)
    seconds: list[float] = []
    shares: list[float] = []
    found: list[list[tuple[str, float]]] = []
    helped = 0
    with deployed(dataset(), TRUTH) as (db, settings):
        for _ in range(1 if short else REPEATED_SEARCHES):
            for number in (1, 2):
                with workers(settings, number):
                    run_id = execute(db, spec)
                with db.reading() as session:
                    units = results.units(session, run_id)
                    rows = results.candidates(session, run_id)
                found.append([(row.architecture, row.score) for row in rows])
                busy = busy_seconds(_events(db, run_id))["search"]
                seconds.append(busy)
                (search,) = (unit for unit in units if unit.kind == "search")
                if number == 1:
                    shares.append(1 - search.useful_seconds / busy)
                helped += sum(unit.progress for unit in units if unit.kind == HELPER)
    ones, twos = seconds[::2], seconds[1::2]
    return {
        "seed": spec.seed,
        "seconds_one_worker": [round(one, 2) for one in ones],
        "seconds_two_workers": [round(one, 2) for one in twos],
        "speedup": round(statistics.median(ones) / statistics.median(twos), 3),
        "same_candidates": all(one == found[0] for one in found),
        "evaluated_by_helpers": helped,
        "overheads": [round(share, 4) for share in shares],
        "overhead": round(statistics.median(shares), 4),
        "spec": spec.model_dump(mode="json"),
    }


def measure_checkpoint(short: bool) -> Row:
    """Copy and store the real experiment's supernet many times."""
    spec = RunSpec.model_validate(yaml.safe_load(SPEC.read_text()))
    space = catalogue()[spec.space]
    experiment = Experiment(spec, space, spec.partition(space), dataset())
    prepare_device(experiment)
    state = fresh_state(experiment, None)
    for _ in train(experiment, state, 5 if short else 200):
        pass
    held, written = [], []
    with tempfile.TemporaryDirectory(prefix="efsnas-") as folder:
        for number in range(3 if short else REPETITIONS):
            began = time.perf_counter()
            frozen = state.frozen()
            copied = time.perf_counter()
            stored = write_durably(Path(folder), f"{number}.ckpt", frozen())
            held.append(1000 * (copied - began))
            written.append(1000 * (time.perf_counter() - copied))
    return {
        "seed": spec.seed,
        "num_bytes": stored.num_bytes,
        "held_up_ms": round(statistics.median(held), 2),
        "held_up_ms_max": round(max(held), 2),
        "written_ms": round(statistics.median(written), 2),
        "written_ms_max": round(max(written), 2),
    }


MEASUREMENTS: Mapping[str, Callable[[bool], Row]] = {
    "speedup": measure_speedup,
    "experiment": measure_experiment,
    "search": measure_search,
    "checkpoint": measure_checkpoint,
}


def training_seconds(db: Database, run_id: int) -> float:
    """Return the time from the first claim of a train unit to the end of the last one."""
    events = [
        event
        for event in _events(db, run_id)
        if event.kind == "unit-state" and (event.unit or "").startswith("train")
    ]
    began = min(event.created_at for event in events if event.data["to"] == "leased")
    ended = max(event.created_at for event in events if event.data["to"] == "done")
    return (ended - began).total_seconds()


def busy_seconds(events: Sequence[EventRead]) -> dict[str, float]:
    """Return per unit the seconds between its claims and its releases."""
    seconds: dict[str, float] = {}
    claimed: dict[str, datetime] = {}
    for event in events:
        if event.kind != "unit-state" or event.unit is None:
            continue
        if event.data["to"] == "leased":
            claimed[event.unit] = event.created_at
        elif event.data["from"] == "leased":
            spent = (event.created_at - claimed.pop(event.unit)).total_seconds()
            seconds[event.unit] = seconds.get(event.unit, 0.0) + spent
    return seconds


def show(rows: Mapping[str, Row]) -> None:
    """Print every measurement, and the figures that the promises are about."""
    speedup, experiment, search, checkpoint = (rows[name] for name in MEASUREMENTS)
    equal, unequal = (_part(speedup, name) for name in SPLITTERS)
    print_table(
        ["measurement", "value"],
        [
            ["training stage, equal K = 4, one worker", f"{equal['seconds_one_worker']:.1f} s"],
            ["training stage, equal K = 4, two workers", f"{equal['seconds_two_workers']:.1f} s"],
            [
                "training stage, unequal K = 4, one worker",
                f"{unequal['seconds_one_worker']:.1f} s",
            ],
            [
                "training stage, unequal K = 4, two workers",
                f"{unequal['seconds_two_workers']:.1f} s",
            ],
            ["experiment, claim to release", f"{experiment['busy_seconds']:.1f} s"],
            ["experiment, training and live scores", f"{experiment['training_seconds']:.1f} s"],
            ["experiment, final scores and search", f"{experiment['scoring_seconds']:.1f} s"],
            ["start on an idle slot", f"{experiment['start_seconds']:.2f} s"],
            ["start without preparation", f"{experiment['cold_start_seconds']:.2f} s"],
            ["search, one worker", _seconds(search, "seconds_one_worker")],
            ["search, two workers", _seconds(search, "seconds_two_workers")],
            ["checkpoint", f"{checkpoint['num_bytes']:,} bytes"],
            ["checkpoint, training waits", _range(checkpoint, "held_up_ms")],
            ["checkpoint, written beside it", _range(checkpoint, "written_ms")],
        ],
    )
    print("Of milliseconds: median .. slowest.")
    print_figures(
        {
            "two_worker_speedup": equal["speedup"],
            "useful_fraction": experiment["useful_fraction"],
            "two_worker_search_speedup": search["speedup"],
            "search_overhead": search["overhead"],
            "two_worker_speedup_unequal": unequal["speedup"],
            "start_seconds": experiment["start_seconds"],
            "cold_start_seconds": experiment["cold_start_seconds"],
            "checkpoint_held_up_ms": checkpoint["held_up_ms"],
            "checkpoint_written_ms": checkpoint["written_ms"],
        }
    )


def missed(rows: Mapping[str, Row]) -> list[str]:
    """Return a sentence for every promise that the measurements do not keep."""
    figures = {
        "two_worker_speedup": float(str(_part(rows["speedup"], "equal")["speedup"])),
        "useful_fraction": float(str(rows["experiment"]["useful_fraction"])),
    }
    found = [
        f"{name} is {figures[name]}, less than {limit}"
        for name, limit in LIMITS.items()
        if figures[name] < limit
    ]
    search, checkpoint = rows["search"], rows["checkpoint"]
    if not search["same_candidates"]:
        found.append("two workers find other candidates than one")
    if number_of(search, "overhead") >= OVERHEAD_LIMIT:
        found.append(f"search_overhead is {search['overhead']}, not below {OVERHEAD_LIMIT}")
    whole = float(str(checkpoint["held_up_ms"])) + float(str(checkpoint["written_ms"]))
    if whole >= CHECKPOINT_LIMIT_MS:
        found.append(f"a checkpoint takes {whole:.0f} ms, not less than {CHECKPOINT_LIMIT_MS:.0f}")
    return found


def _events(db: Database, run_id: int) -> list[EventRead]:
    with db.reading() as session:
        return _all_events(session, run_id)


def _all_events(session: Session, run_id: int) -> list[EventRead]:
    return results.events(session, run_id)


def _shortened(document: Row) -> Row:
    training, ranking, search = (document[name] for name in ("training", "ranking", "search"))
    assert isinstance(training, dict)
    assert isinstance(ranking, dict)
    assert isinstance(search, dict)
    return {
        **document,
        "training": {**training, "steps": 200, "warm_up_steps": 100},
        "ranking": {**ranking, "num_architectures": 12, "every_steps": 100},
        "search": {**search, "budget": 5},
    }


def _part(row: Row, name: str) -> Row:
    part = row[name]
    assert isinstance(part, dict)
    return part


def _seconds(row: Row, name: str) -> str:
    found = row[name]
    assert isinstance(found, list)
    return ", ".join(f"{value:.1f}" for value in found) + " s"


def _range(row: Row, name: str) -> str:
    return f"{row[name]:.1f} .. {row[f'{name}_max']:.1f} ms"


if __name__ == "__main__":
    main()
