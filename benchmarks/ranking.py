"""How much faster are many architectures scored together than one at a time, and how fast all?

Two measurements on the supernets of `examples/nas-bench-201-cifar10.yaml` (width 8, one cell per
stage), with 1,000 validation images of CIFAR-10 at 16x16 pixels in batches of 250:

* 2,000 architectures of different live forms, in one process on one thread: the product's own
  forward pass, one architecture at a time and nothing kept, beside the evaluation of rank units, in
  chunks of as many as a rank unit holds, each of the two first in every second chunk. Processor time.
* all 15,284 valid cells, by the clock, in a deployment of its own with two worker processes, as
  `efsnas worker` starts them: from the first rank unit that is claimed to the last that is done.
  Scores are stored and correlations computed meanwhile.

What a network has learned does not matter for its time, so training is short. What was measured
before is read from `results/ranking/`; delete a file to measure it again. Exits with 1 if a promise
is not kept. With `--short` both are measured on little work, and neither kept nor judged. Some eight
minutes.

    python benchmarks/ranking.py [--short]

Needs the shared data: `../shared/data`, or the folder that EFSNAS_SHARED_DATA names.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import torch
import yaml
from first_experiment import SHARED, SPEC, dataset
from measuring.deployment import deployed, execute, workers
from measuring.report import RESULTS, Row, measured_row, print_figures, print_table

from backend.runs import results
from backend.runs.schemas import EventRead
from nas.experiment import Experiment
from nas.ranking.scorers.loss import LossScorer
from nas.ranking.scoring import ScoringImages, scores
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Space
from nas.spec import RunSpec
from nas.supernets.network import Network
from nas.training.loop import prepare_device, train
from nas.training.state import fresh_state
from worker.environment import ALLOCATION
from worker.plan import ARCHITECTURES_PER_CHUNK

KEPT = RESULTS / "ranking"
NUM_ARCHITECTURES = 2000
NUM_WORKERS = 2
STEPS = 200
TRUTH = SHARED / "nas-bench-201-cifar10-test.csv"
SPEEDUP_LIMIT = 1.7
MINUTES_LIMIT = 3.5
DIFFERENCE_LIMIT = 1e-5

Scored = dict[Architecture, float]


def main() -> None:
    """Measure what is missing, print it, and fail if a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="measure on little work")
    short = parser.parse_args().short
    if any(os.environ.get(name) != value for name, value in ALLOCATION.items()):
        # glibc reads them when a process starts. Runners have them; here both ways do.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATION})
    rows = {
        name: measured_row(KEPT, name, measure, short=short)
        for name, measure in MEASUREMENTS.items()
    }
    show(rows)
    failed = [] if short else missed(rows)
    if failed:
        sys.exit("; ".join(failed))


def measure_speedup(short: bool) -> Row:
    """Score the same architectures both ways, chunk by chunk, and compare scores and times."""
    spec = short_training(short)
    space = catalogue()[spec.space]
    experiment = Experiment(spec, space, spec.partition(space), dataset())
    prepare_device(experiment)
    state = fresh_state(experiment, None)
    for _ in train(experiment, state, spec.training.warm_up_steps):
        pass
    supernet, images = state.supernet, experiment.scoring_images
    number = 40 if short else NUM_ARCHITECTURES
    chosen = of_different_forms(space, number, spec.seed)
    per_chunk = 20 if short else ARCHITECTURES_PER_CHUNK
    # Both ways once before anything counts.
    one_at_a_time(supernet, chosen[:2], images)
    together(supernet, chosen[:2], images)
    rows: list[Row] = []
    difference = 0.0
    for index, start in enumerate(range(0, number, per_chunk)):
        chunk = chosen[start : start + per_chunk]
        seconds: dict[str, float] = {}
        found: dict[str, Scored] = {}
        for name in sorted(WAYS, reverse=index % 2 == 0):
            began = time.process_time()
            found[name] = WAYS[name](supernet, chunk, images)
            seconds[name] = time.process_time() - began
        plain, ours = found["one at a time"], found["together"]
        assert plain.keys() == ours.keys()
        difference = max(difference, *(abs(plain[member] - ours[member]) for member in chunk))
        plain_ms, ours_ms = (1000 * seconds[name] / len(chunk) for name in sorted(WAYS))
        rows.append(
            {
                "architectures": len(chunk),
                "one_at_a_time_ms": round(plain_ms, 2),
                "together_ms": round(ours_ms, 2),
                "ratio": round(plain_ms / ours_ms, 3),
            }
        )
    return {
        "seed": spec.seed,
        "architectures": number,
        "images": len(images.labels),
        "largest_difference": difference,
        "chunks": list(rows),
        "spec": spec.model_dump(mode="json"),
    }


def measure_all_cells(short: bool) -> Row:
    """Rank every valid cell with two worker processes."""
    spec = short_training(short)
    num_valid = catalogue()[spec.space].size.valid
    ranking = spec.ranking.model_copy(update={"num_architectures": 40 if short else num_valid})
    spec = spec.model_copy(update={"ranking": ranking})
    with deployed(dataset(), TRUTH) as (db, settings):
        with workers(settings, NUM_WORKERS):
            run_id = execute(db, spec)
        with db.reading() as session:
            events = results.events(session, run_id)
            units = [unit for unit in results.units(session, run_id) if unit.kind == "rank"]
            correlations = [
                row
                for row in results.correlations(session, run_id)
                if row.stage == "final" and row.scope == "overall"
            ]
    began, ended = span(events, [unit.key for unit in units])
    return {
        "seed": spec.seed,
        "workers": NUM_WORKERS,
        "architectures": correlations[0].num_architectures,
        "rank_units": len(units),
        "seconds": round((ended - began).total_seconds(), 2),
        "scoring_seconds": round(sum(unit.useful_seconds for unit in units), 2),
        "spec": spec.model_dump(mode="json"),
    }


MEASUREMENTS: Mapping[str, Callable[[bool], Row]] = {
    "speedup": measure_speedup,
    "all_cells": measure_all_cells,
}


def short_training(short: bool) -> RunSpec:
    """Return the real experiment with hardly any training, and no search."""
    document = yaml.safe_load(SPEC.read_text())
    steps = 20 if short else STEPS
    document["training"] |= {"steps": 2 * steps, "warm_up_steps": steps}
    document["ranking"] |= {"every_steps": steps, "live_architectures": 2}
    return RunSpec.model_validate(document | {"search": None})


def of_different_forms(space: Space, number: int, seed: int) -> list[Architecture]:
    """Return random valid architectures, none of the live form of another, in order of forms."""
    members = {space.live_form(cell): cell for cell in space.enumerate() if space.is_valid(cell)}
    chosen = random.Random(seed).sample(sorted(members), number)
    return [members[form] for form in sorted(chosen)]


def one_at_a_time(
    supernet: Network, architectures: Sequence[Architecture], images: ScoringImages
) -> Scored:
    """Score by a forward pass of the whole network for every architecture."""
    scorer, found = LossScorer(), {}
    with torch.no_grad():
        for architecture in architectures:
            logits = torch.cat([supernet(batch, architecture) for batch in images.batches])
            found[architecture] = scorer.from_logits(logits, images.labels)
    return found


def together(
    supernet: Network, architectures: Sequence[Architecture], images: ScoringImages
) -> Scored:
    """Score as a rank unit does."""
    evaluated = scores(supernet, architectures, images, [LossScorer()])
    return {architecture: score for architecture, (score,) in evaluated}


WAYS = {"one at a time": one_at_a_time, "together": together}


def span(events: Sequence[EventRead], units: Sequence[str]) -> tuple[datetime, datetime]:
    """Return when the first of some units was claimed, and when the last was done."""
    changes = [event for event in events if event.kind == "unit-state" and event.unit in units]
    claimed = [event.created_at for event in changes if event.data["to"] == "leased"]
    done = [event.created_at for event in changes if event.data["to"] == "done"]
    return min(claimed), max(done)


def ratios(row: Row) -> list[float]:
    """Return the speedup of every chunk."""
    chunks = row["chunks"]
    assert isinstance(chunks, list)
    return [_number(chunk, "ratio") for chunk in chunks if isinstance(chunk, dict)]


def speedup(row: Row) -> float:
    """Return how much less processor time all chunks took together than one at a time."""
    return round(_total(row, "one_at_a_time_ms") / _total(row, "together_ms"), 3)


def show(rows: Mapping[str, Row]) -> None:
    """Print both measurements, and the figures that the promises are about."""
    measured, every = rows["speedup"], rows["all_cells"]
    found = ratios(measured)
    architectures = int(_number(measured, "architectures"))
    print_table(
        ["measurement", "value"],
        [
            ["architectures of different forms", f"{architectures:,}"],
            ["one at a time", f"{_total(measured, 'one_at_a_time_ms') / architectures:.1f} ms"],
            ["together", f"{_total(measured, 'together_ms') / architectures:.1f} ms"],
            [
                "ratio, median of chunks (lowest to highest)",
                f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})",
            ],
            [
                "largest difference of scores",
                f"{_number(measured, 'largest_difference'):.1e}",
            ],
            [
                f"all {int(_number(every, 'architectures')):,} cells, two workers",
                f"{_number(every, 'seconds'):.0f} s",
            ],
            ["... in which both computed scores", f"{_number(every, 'scoring_seconds'):.0f} s"],
        ],
    )
    print_figures(
        {
            "all_cells_minutes": round(_number(every, "seconds") / 60, 2),
            "ranking_speedup": speedup(measured),
        }
    )


def missed(rows: Mapping[str, Row]) -> list[str]:
    """Return a sentence for every promise that the measurements do not keep."""
    found = []
    if (ratio := speedup(rows["speedup"])) < SPEEDUP_LIMIT:
        found.append(f"ranking_speedup is {ratio}, less than {SPEEDUP_LIMIT}")
    if (difference := _number(rows["speedup"], "largest_difference")) > DIFFERENCE_LIMIT:
        found.append(f"scores differ by {difference:.1e}, more than {DIFFERENCE_LIMIT:.0e}")
    if (minutes := _number(rows["all_cells"], "seconds") / 60) > MINUTES_LIMIT:
        found.append(f"all_cells_minutes is {minutes:.2f}, more than {MINUTES_LIMIT}")
    return found


def _number(row: Row, name: str) -> float:
    found = row[name]
    assert isinstance(found, int | float)
    return float(found)


def _total(row: Row, name: str) -> float:
    """Return the milliseconds of all architectures together."""
    chunks = row["chunks"]
    assert isinstance(chunks, list)
    return sum(
        _number(chunk, name) * _number(chunk, "architectures")
        for chunk in chunks
        if isinstance(chunk, dict)
    )


if __name__ == "__main__":
    main()
