"""Scripts of benchmarks/ prepared so that they measure nothing: what they would have measured."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import choose_ranking
import combined_scorers
import demo_ranking
import digits_mini
import first_experiment
import fresh_clone
import import_benchmark
import live_cost
import nas_bench_201_medium
import nas_bench_201_small
import partition
import ranking
import ranking_quality
import search
import training
import workers
import yaml
from measuring import quality_tables
from measuring.scored import Scored
from measuring.stand_alone import StandAloneTable

from nas.benchmarks.table import builtin
from nas.ranking.scorers.calibrated import CalibratedScorer
from nas.spaces.base import Space
from tests.benchmarks.printed import Place


def shortened(spec: Path, place: Place, **training: int) -> Path:
    """Return a spec of few steps and little to rank."""
    document = yaml.safe_load(spec.read_text())
    document["training"] |= training
    document["ranking"] |= {"num_architectures": 12, "num_images": 60, "every_steps": 1000}
    path = place.folder / spec.name
    path.write_text(yaml.safe_dump(document))
    return path


def scored(tau: float | None, **more: float) -> dict[str, float | None]:
    return {"tau": tau, "tau_low": 0.5, "tau_high": 0.7, "top_half_tau": 0.25, **more}


def first_experiment_row(
    variant: str, seed: int, tau: float = 0.6, minutes: float = 9.0
) -> dict[str, Any]:
    correlations = {"loss": {"all": scored(tau)}, "accuracy": {"all": scored(0.125)}}
    return {
        "variant": variant,
        "seed": seed,
        "wall_minutes": minutes,
        "correlations": correlations,
    }


def demo_row(seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "noise_ceiling": 0.9,
        "count_alone_tau": 0.4,
        "parameters_alone_tau": 0.5,
        "wall_minutes": 1.0 + seed,
        "loss": scored(0.6 + seed / 100, best_cell_true_rank=3, num_architectures=116),
        "accuracy": scored(0.125),
    }


def combined_row(seed: int) -> dict[str, Any]:
    names = (*combined_scorers.MEASURED, *combined_scorers.COMBINED)
    return {
        "seed": seed,
        "num_landmarks": 20,
        "num_ranked": 96,
        "noise_ceiling": 0.9,
        "alone": dict.fromkeys(combined_scorers.ALONE, 0.25),
        "taus": {name: [0.5, 0.7 + seed / 100] for name in names},
        "left_out_taus": {"calibrated, ridge": [0.4, 0.6]},
    }


def live_cost_row(space: str, share: float) -> dict[str, Any]:
    return {
        "space": space,
        "training_seconds": 10.0,
        "live_scores_seconds": 10 * share,
        "share": share,
    }


def demo(place: Place) -> None:
    place.replace(demo_ranking, KEPT=place.folder, measure=demo_row)


def combined(place: Place) -> None:
    place.replace(combined_scorers, KEPT=place.folder, measure=combined_row)


def all_variants(place: Place) -> None:
    place.replace(first_experiment, KEPT=place.folder, measure=first_experiment_row)


def without_few_shot(place: Place) -> None:
    all_variants(place)
    place.call_with("--variant", "one-shot", "cold")


def live(place: Place) -> None:
    place.replace(
        live_cost,
        KEPT=place.folder,
        DATASETS=dict.fromkeys(live_cost.DATASETS, lambda: None),
        measure=lambda space, _: live_cost_row(space, 0.1),
    )


def clone(place: Place) -> None:
    place.call_with("--test")
    place.replace(
        fresh_clone,
        KEPT=place.folder / "fresh_clone.json",
        os=SimpleNamespace(geteuid=lambda: 0, cpu_count=lambda: 2),
        _cloned=lambda _: place.folder,
        _timed=lambda *_: (0, 1.5),
        _experiment_minutes=lambda _: 1.25,
    )


def measured(space: Space, samples: float = 0.125) -> partition.Measured:
    times = partition.Times(processor=0.0625, clock=0.5)
    return partition.Measured(
        space=space,
        histogram=times,
        samples=partition.Times(processor=samples, clock=9.0),
        subspace_samples=partition.Times(processor=0.1, clock=7.0),
        membership=times,
        ranges=times,
        brute_force=None,
    )


def imported(seconds: float = 1.5, more: float = 2.0) -> list[import_benchmark.Measured]:
    made = import_benchmark.Measured
    return [
        made("nas-bench-201", "sqlite", 15_625, seconds, 2.0, 70.0),
        made("nas-bench-201", "postgresql", 15_625, 1.25, 2.5, 71.0),
        *(
            made(kind, "sqlite", rows, rows / 10_000, rows / 5_000, 80.0 + more * (rows > 100_000))
            for kind in ("csv", "parquet")
            for rows in import_benchmark.ROWS
        ),
    ]


def imports(place: Place) -> None:
    place.replace(
        import_benchmark, KEPT=place.folder / "import.json", measure=lambda _: imported()
    )


def exact(place: Place) -> None:
    place.replace(
        partition,
        KEPT=place.folder / "partition.json",
        measure=measured,
        serve=lambda names: partition.Served(
            {name: [2.0, 9.0 + index, 3.0] for index, name in enumerate(names)},
            {name: [1.0, 1.5 + index, 1.25] for index, name in enumerate(names)},
            2048,
        ),
    )


def workers_rows(
    speedup: float = 1.9,
    useful: float = 0.97,
    write: float = 8.5,
    overhead: float = 0.02,
    same: bool = True,
) -> dict[str, Any]:
    return {
        "speedup": {
            "equal": {
                "seconds_one_worker": 95.0,
                "seconds_two_workers": 50.0,
                "speedup": speedup,
            },
            "unequal": {
                "seconds_one_worker": 80.0,
                "seconds_two_workers": 64.0,
                "speedup": 1.25,
            },
        },
        "experiment": {
            "busy_seconds": 500.0,
            "training_seconds": 450.0,
            "scoring_seconds": 35.0,
            "useful_fraction": useful,
            "start_seconds": 0.5,
            "cold_start_seconds": 4.25,
        },
        "search": {
            "seconds_one_worker": [50.0, 52.5],
            "seconds_two_workers": [28.0, 27.0],
            "speedup": 1.86,
            "same_candidates": same,
            "overhead": overhead,
        },
        "checkpoint": {
            "num_bytes": 690829,
            "held_up_ms": 1.5,
            "held_up_ms_max": 2.25,
            "written_ms": write,
            "written_ms_max": 20.0,
        },
    }


def slots(place: Place) -> None:
    """Leave measurements, each to be made once, in the folder of the place."""
    rows = workers_rows()

    def once(name: str) -> Callable[[bool], Any]:
        return lambda short: rows.pop(name)

    place.replace(workers, KEPT=place.folder, MEASUREMENTS={name: once(name) for name in rows})


def ranking_rows(
    ratio: float = 2.5, difference: float = 4e-7, seconds: float = 150.0
) -> dict[str, Any]:
    """Two chunks, of 300 architectures in all; the second has half the ratio more."""
    chunks = [
        {
            "architectures": number,
            "one_at_a_time_ms": 20 * factor * ratio,
            "together_ms": 20.0,
            "ratio": factor * ratio,
        }
        for number, factor in ((200, 1.0), (100, 1.5))
    ]
    speedup = {"architectures": 300, "largest_difference": difference, "chunks": chunks}
    every = {"architectures": 15284, "seconds": seconds, "scoring_seconds": 1.75 * seconds}
    return {"speedup": speedup, "all_cells": every}


def scores_side_by_side(place: Place) -> None:
    """Leave measurements, each to be made once, in the folder of the place."""
    rows = ranking_rows()

    def once(name: str) -> Callable[[bool], Any]:
        return lambda short: rows.pop(name)

    # Without settings of the allocator it does not start itself anew.
    measurements = {name: once(name) for name in rows}
    place.replace(ranking, KEPT=place.folder, ALLOCATION={}, MEASUREMENTS=measurements)


def training_row(setting: training.Setting, sampler: str, seed: int) -> dict[str, Any]:
    ratio = setting.limit + seed * 0.25 - (0 if sampler == "uniform" else 1)
    return {
        "setting": setting.name,
        "sampler": sampler,
        "seed": seed,
        "plain_ms": 10 * ratio,
        "ours_ms": 10.0,
        "ratio": ratio,
    }


def steps_side_by_side(place: Place) -> None:
    # Without settings of the allocator it does not start itself anew.
    place.replace(training, KEPT=place.folder / "training", ALLOCATION={}, measure=training_row)


def cells_trained(place: Place, script: ModuleType, seeds: Sequence[int]) -> StandAloneTable:
    """Leave results of some seeds as if they had just been trained, all cells in seconds."""
    table = replace(script.table(), kept=place.folder, path=place.folder / "table.json")
    rng = random.Random(0)
    shipped = builtin().get(table.name)
    known = {} if shipped is None else shipped[1].entries

    def accuracy(code: str, seed: int) -> float:
        if code not in known:
            return round(rng.uniform(10, 90), 2)
        values = known[code].seeds
        assert values is not None
        return values[seed]

    for seed in seeds:
        lines = [
            json.dumps({"architecture": code, "accuracy": accuracy(code, seed)})
            for code in map(table.space.encode, table.architectures)
        ]
        path = table.results_of(seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
    place.replace(script, table=lambda: table)
    return table


def every_seed(place: Place) -> None:
    cells_trained(place, digits_mini, digits_mini.SEEDS)


def two_seeds(place: Place) -> None:
    cells_trained(place, digits_mini, (0, 7))
    place.call_with("--seed", "0", "7")


def small_networks(place: Place) -> None:
    cells_trained(place, nas_bench_201_small, nas_bench_201_small.SEEDS)


def medium_networks(place: Place) -> None:
    cells_trained(place, nas_bench_201_medium, nas_bench_201_medium.SEEDS)


def two_recipes(place: Place) -> None:
    """Of one small table everything is measured; more steps rank better, and FLOPs better still."""
    table = choose_ranking.TABLES[0]
    _, known = builtin()[table.benchmark]
    rng = random.Random(0)

    def scored(spread: Callable[[str], float]) -> Scored:
        return Scored(
            scores={
                kind: {
                    code: entry.accuracy + rng.gauss(0, spread(kind))
                    for code, entry in known.entries.items()
                }
                for kind in ("loss", *choose_ranking.BEFORE_TRAINING)
            },
            cpu_minutes=1.0,
            updates={},
            origin={},
        )

    before = scored(lambda kind: 2.0 if kind == "flops" else 500.0)
    del before.scores["loss"]
    by_arm = {
        arm: scored(lambda _: 8.0 / arm.steps)  # noqa: B023  # called at once
        for one in choose_ranking.RECIPES
        for arm in (one, choose_ranking.longer(one))
    }
    for arm in by_arm.values():
        for kind in choose_ranking.BEFORE_TRAINING:
            del arm.scores[kind]
    choose_ranking.judge.cache_clear()
    place.replace(
        choose_ranking,
        CHOSEN=place.folder / "chosen.json",
        RUNS=((table, 0), (table, 1)),
        CALIBRATIONS=choose_ranking.CALIBRATIONS[-2:],
        NUM_DRAWS=1,
        in_parallel=lambda *_: None,
        before_training=lambda *_: before,
        trained=lambda table, arm, seed: by_arm[arm],
    )


def quality_figures(tau: float) -> dict[str, Any]:
    top = {"precision_at_1_percent": 0.5, "best_accuracy": 94.0}
    return {"tau": tau, "low": tau - 0.01, "high": tau + 0.01, "num_cells": 100, **top}


def quality_row(name: str, seed: int, tau: float = 0.8, gain: float = 0.02) -> dict[str, Any]:
    both = {"loss": quality_figures(tau - 0.1), "rank_sum": quality_figures(tau)}
    row: dict[str, Any] = {"row": name, "seed": seed, "cpu_minutes": 5.0, "forward_passes": 24000}
    if name == "alone":
        return row | {"scorers": {"flops": quality_figures(0.5), "loss": quality_figures(0.6)}}
    if name not in ("headline", *ranking_quality.MARKED):
        return row | both | {"without_landmarks": both}
    draw = {"precision_at_1_percent": 0.5, "best_accuracy": 94.0, "tau_before": tau}
    return row | {
        "num_cells": 100,
        "rank_sum": quality_figures(tau),
        "with_dead_cells": quality_figures(tau + 0.01),
        "without_supernet": quality_figures(tau - gain),
        "gain": gain,
        "gains": [gain - 0.01 + 0.001 * step for step in range(21)],
        "landmarks": {
            str(number): [{**draw, "tau": tau + number / 1000 + 0.001 * index} for index in (0, 1)]
            for number in ranking_quality.NUMBERS_OF_LANDMARKS
        },
        "cpu_minutes": {"all": 40.0 + seed},
    }


def a_choice() -> ranking_quality.Choice:
    return ranking_quality.Choice(
        recipe=ranking_quality.NARROW_BALANCED,
        of=("loss", "flops", "synflow"),
        weights=(2.0, 1.0, 1.0),
        calibrated=CalibratedScorer(of=("loss", "flops", "synflow"), model="ridge"),
        script_commit="a" * 12,
        commit="b" * 12,
    )


def quality_rows(place: Place, **figures: float) -> None:
    """Leave measurements, each to be made once, in the folder of the place."""
    readme = place.folder / "README.md"
    readme.write_text(f"What it says itself.\n\n{quality_tables.MARKER}\n\nAn older table.\n")
    made: set[tuple[str, int]] = set()
    choice = a_choice()

    def once(name: str) -> Callable[[Any, int], Any]:
        def measure(_: object, seed: int) -> dict[str, Any]:
            assert (name, seed) not in made
            made.add((name, seed))
            return quality_row(name, seed, **figures)

        return measure

    place.replace(
        ranking_quality,
        KEPT=place.folder,
        README=readme,
        Choice=SimpleNamespace(read=lambda: choice),
        ROWS={name: once(name) for name in ranking_quality.ROWS},
        truth=lambda: dict.fromkeys(map(str, range(110)), 90.0),
    )


def search_rows(accuracy: float = 94.0, share: float = 0.01, wins: bool = True) -> dict[str, Any]:
    """Ten searches each; an evolution finds what is a fifth of a point better, and scores higher."""
    kinds = {made.model_fields["kind"].default: made for made in search.OF_ONE}
    winners: dict[str, Any] = {
        kind: [
            {
                "seed": seed,
                "score": 2.0 if wins and kind == "evolution" else 1.0,
                "accuracy": accuracy + 0.1 * (seed % 3) + 0.2 * (kind == "evolution"),
            }
            for seed in search.SEEDS
        ]
        for kind in kinds
    }
    several = [made.model_fields["kind"].default for made in search.OF_SEVERAL]
    return {
        "winners": winners
        | {"best_accuracy": 94.75, "accuracy_of_highest_scores": [94.0, 93.5, 94.25]},
        "fronts": {
            kind: [0.9 + 0.01 * place + 0.001 * seed for seed in search.SEEDS]
            for place, kind in enumerate(several)
        },
        "overhead": {
            "evaluations": 300,
            "seconds": 40.0,
            "seconds_beside_scoring": 40.0 * share,
            "share": share,
        },
        "look-ups": {"evaluations": 100_000, **dict.fromkeys((*kinds, *several), 12.5)},
    }


def searches(place: Place, **figures: Any) -> None:
    """Leave measurements, each to be made once, in the folder of the place."""
    rows = search_rows(**figures)

    def once(name: str) -> Callable[[bool], Any]:
        return lambda short: rows.pop(name)

    place.replace(search, KEPT=place.folder, MEASUREMENTS={name: once(name) for name in rows})
