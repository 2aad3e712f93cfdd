"""What the scripts of benchmarks/ print, and how they read what was measured before."""

import json
import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import choose_ranking
import combined_scorers
import demo_ranking
import digits_mini
import first_experiment
import fresh_clone
import httpx
import import_benchmark
import live_cost
import nas_bench_201_small
import numpy as np
import partition
import pytest
import ranking
import ranking_quality
import torch
import training
import workers
import yaml
from measuring.arms import ABLATION
from measuring.execution import correlate
from measuring.scored import LOSS, Scored, load, save
from measuring.stand_alone import StandAloneTable

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.runs import results
from backend.runs.schemas import EventRead
from backend.settings import Settings
from backend.spaces import service
from nas.benchmarks.table import builtin
from nas.data.dataset import ImageDataset, ImageSplit
from nas.data.digits import digits
from nas.events import ArchitecturesScored, RoundFinished
from nas.experiment import Experiment
from nas.landmarks.choices.spread import SpreadChoice
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.ranking import combination
from nas.ranking.scorers.calibrated import CalibratedScorer
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Count, Space
from nas.spaces.cell import CellSpace
from nas.spaces.labelling import Reading
from nas.spec import RunSpec
from nas.training.schedule import Schedule
from nas.training.standalone import StandAloneTrainer
from nas.training.state import fresh_state
from tests.worker.running import run_to_end
from tests.worker.support import Deployment, tiny_spec

ROOT = Path(__file__).parents[2]
SCRIPTS = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}


@dataclass(frozen=True)
class Printed:
    """What a script printed: the cells of its table, the sentences below, the last line."""

    header: list[str]
    rows: list[list[str]]
    sentences: list[str]
    figures: dict[str, Any]


def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    header, rule, *rest = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"-+(  -+)+", rule)
    *rest, last = rest
    table = list(takewhile(lambda line: len(line) == len(rule), rest))
    figures = json.loads(last)
    assert isinstance(figures, dict)
    assert figures
    starts = [match.start() for match in re.finditer(r"-+", rule)]
    ends = [*(start - 2 for start in starts[1:]), len(rule)]

    def cells(line: str) -> list[str]:
        return [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]

    return Printed(cells(header), [*map(cells, table)], rest[len(table) :], figures)


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


class Place:
    """Where a script runs: a folder for its results, instead of the kept ones.

    What is replaced stays replaced until the end of the test.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self.call_with()

    def call_with(self, *arguments: str) -> None:
        self._monkeypatch.setattr("sys.argv", ["script", *arguments])

    def replace(self, module: object, **names: object) -> None:
        for name, value in names.items():
            self._monkeypatch.setattr(module, name, value)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


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


def workers_rows(speedup: float = 1.9, useful: float = 0.97, write: float = 8.5) -> dict[str, Any]:
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
    return {"tau": tau, "low": tau - 0.01, "high": tau + 0.01, "num_cells": 100}


def quality_row(name: str, seed: int, tau: float = 0.8, gain: float = 0.02) -> dict[str, Any]:
    both = {"loss": quality_figures(tau - 0.1), "rank_sum": quality_figures(tau)}
    row: dict[str, Any] = {"row": name, "seed": seed, "cpu_minutes": 5.0, "forward_passes": 24000}
    if name == "alone":
        return row | {"scorers": {"flops": quality_figures(0.5), "loss": quality_figures(0.6)}}
    if name != "headline":
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
    readme.write_text(f"What it says itself.\n\n{ranking_quality.MARKER}\n\nAn older table.\n")
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


CASES: list[tuple[str, Callable[[Place], None]]] = [
    ("choose_ranking", two_recipes),
    ("combined_scorers", combined),
    ("demo_ranking", demo),
    ("digits_mini", every_seed),
    ("digits_mini", two_seeds),
    ("nas_bench_201_small", small_networks),
    ("first_experiment", all_variants),
    ("first_experiment", without_few_shot),
    ("fresh_clone", clone),
    ("import_benchmark", imports),
    ("live_cost", live),
    ("partition", exact),
    ("ranking", scores_side_by_side),
    ("ranking_quality", quality_rows),
    ("workers", slots),
    ("training", steps_side_by_side),
]
MAINS = {
    module.__name__: module.main
    for module in (
        choose_ranking,
        combined_scorers,
        demo_ranking,
        digits_mini,
        first_experiment,
        fresh_clone,
        import_benchmark,
        live_cost,
        nas_bench_201_small,
        partition,
        ranking,
        ranking_quality,
        workers,
        training,
    )
}


def test_every_script_is_run_by_the_next_test() -> None:
    assert set(MAINS) == {name for name, _ in CASES} == SCRIPTS


@pytest.mark.parametrize(("name", "prepare"), CASES)
def test_a_script_prints_a_table_and_ends_with_one_line_of_json(
    name: str, prepare: Callable[[Place], None], place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(place)
    MAINS[name]()
    first = printed(capsys)
    assert first.rows
    # What was measured is kept: the second time nothing is measured, and the same is printed.
    for module in (combined_scorers, demo_ranking, first_experiment, live_cost):
        place.replace(module, measure=lambda *_: pytest.fail("measured twice"))
    MAINS[name]()
    assert printed(capsys) == first


class TestDigitsMini:
    def test_all_seeds_give_the_committed_table(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        committed = json.loads((ROOT / "nas" / "benchmarks" / "digits-mini.json").read_text())
        table = cells_trained(place, digits_mini, digits_mini.SEEDS)
        digits_mini.main()
        made = json.loads(table.path.read_text())
        for name in ("commit", "date", "machine", "torch"):
            assert made["recipe"].pop(name)
            assert committed["recipe"].pop(name)
        assert made == committed
        assert printed(capsys).figures["noise_ceiling"] == committed["columns"][0]["noise_ceiling"]

    def test_missing_seeds_are_counted_and_no_table_is_written(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = cells_trained(place, digits_mini, (0, 7))
        place.call_with("--seed", "0", "7")
        digits_mini.main()
        shown = printed(capsys)
        assert shown.header == ["seed", "cells trained of 125"]
        trained = {seed: "125" if seed in (0, 7) else "0" for seed in range(10)}
        assert shown.rows == [[str(seed), number] for seed, number in trained.items()]
        assert shown.figures == {"seeds": 2, "seeds_missing": 8}
        assert not table.path.exists()

    def test_an_interrupted_training_goes_on_where_it_stopped(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = cells_trained(place, digits_mini, digits_mini.SEEDS)
        whole = table.values()
        path = table.results_of(4)
        lines = path.read_text().splitlines(keepends=True)
        # The last line was being written.
        path.write_text("".join(lines[:-2]) + lines[-2][:20])
        assert table.values() is None
        trained = []

        def train(_trainer: object, architecture: Architecture, seed: int) -> float:
            trained.append((table.space.encode(architecture), seed))
            return 50.0

        place.replace(StandAloneTrainer, test_accuracy=train)
        digits_mini.main()
        lost = [json.loads(line)["architecture"] for line in lines[-2:]]
        assert trained == [(code, 4) for code in lost]
        made = table.values()
        assert whole is not None
        assert made is not None
        assert {code for code in whole if made[code] != whole[code]} <= set(lost)


class TestNasBench201Small:
    def test_its_cells_are_valid_and_compute_different_things(self) -> None:
        space = catalogue()["nas-bench-201"]
        cells = nas_bench_201_small.cells(space)
        assert len(cells) == 100
        assert all(space.is_valid(cell) for cell in cells)
        computed = {
            tuple(name for name, alive in zip(cell, space.live(cell), strict=True) if alive)
            + space.live(cell)
            for cell in cells
        }
        assert len(computed) == 100


def shortened(spec: Path, place: Place, **training: int) -> Path:
    """Return a spec of few steps and little to rank."""
    document = yaml.safe_load(spec.read_text())
    document["training"] |= training
    document["ranking"] |= {"num_architectures": 12, "num_images": 60, "every_steps": 1000}
    path = place.folder / spec.name
    path.write_text(yaml.safe_dump(document))
    return path


class TestDemoRanking:
    def test_a_seed_is_measured_on_the_experiment_of_the_demo(self, place: Place) -> None:
        short = shortened(demo_ranking.SPEC, place, steps=30, warm_up_steps=12)
        place.replace(demo_ranking, SPEC=short)
        row = demo_ranking.measure(3)
        assert RunSpec.model_validate(row["spec"]).seed == 3
        assert [part["label"] for part in row["subspaces"]] == ["count 0", "count 1", "count 2"]
        assert sum(part["valid"] for part in row["subspaces"]) == 116
        assert row["updates"]["warm-up"] == 12
        assert sum(row["updates"].values()) == 30
        assert row["loss"]["num_architectures"] == row["accuracy"]["num_architectures"] == 12
        assert row["count_alone_tau"] == pytest.approx(0.4375, abs=1e-3)


class TestFirstExperiment:
    TAUS = (0.58, 0.64, 0.61)

    def rows(self, variant: str, *taus: float) -> list[dict[str, Any]]:
        return [
            first_experiment_row(variant, seed, tau, minutes=9 + 2.25 * seed)
            for seed, tau in enumerate(taus)
        ]

    def test_all_three_taus_their_median_and_the_longest_minutes_are_printed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        others = [*self.rows("one-shot", 0.5, 0.6, 0.4), *self.rows("cold", 0.55, 0.3, 0.45)]
        first_experiment.show([*self.rows("few-shot", *self.TAUS), *others])
        shown = printed(capsys)
        assert shown.header[:3] == ["variant", "seed", "tau"]
        assert [row[:3] for row in shown.rows] == [
            ["few-shot", "0", "0.580"],
            ["few-shot", "1", "0.640"],
            ["few-shot", "2", "0.610"],
            ["few-shot, median", "", "0.610"],
            ["one-shot", "0", "0.500"],
            ["one-shot", "1", "0.600"],
            ["one-shot", "2", "0.400"],
            ["one-shot, median", "", "0.500"],
            ["cold", "0", "0.550"],
            ["cold", "1", "0.300"],
            ["cold", "2", "0.450"],
            ["cold, median", "", "0.450"],
        ]
        assert shown.sentences == ["Few-shot has the best median tau of these variants."]
        assert list(shown.figures)[:2] == ["tau_median", "minutes_max"]
        assert shown.figures["tau_median"] == 0.61
        assert shown.figures["minutes_max"] == 13.5

    @pytest.mark.parametrize("median", [0.61, 0.7])
    def test_it_is_said_that_few_shot_does_not_win(
        self, median: float, capsys: pytest.CaptureFixture[str]
    ) -> None:
        others = [*self.rows("one-shot", 0.9, median, 0.1), *self.rows("cold", 0.3, 0.3, 0.99)]
        first_experiment.show([*self.rows("few-shot", *self.TAUS), *others])
        (sentence,) = printed(capsys).sentences
        assert sentence == "Few-shot does not win: one-shot ranked no worse (median tau)."

    def test_without_few_shot_its_figures_are_unknown(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first_experiment.show(self.rows("cold", 0.3, 0.5, 0.4))
        shown = printed(capsys)
        assert shown.sentences == ["Few-shot has not been measured."]
        assert shown.figures == {
            "tau_median": None,
            "minutes_max": None,
            "tau_median_cold": 0.4,
        }

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("variant", "updates"),
        [
            ("few-shot", {"warm-up": 4, "others": 4}),
            ("cold", {"warm-up": 0, "others": 8}),
            ("one-shot", {"warm-up": 0, "others": 8}),
            ("one-shot-balanced", {"warm-up": 8, "others": 1}),
        ],
    )
    def test_a_variant_is_measured_against_the_ground_truth(
        self, variant: str, updates: dict[str, int], place: Place, shared_data: Path
    ) -> None:
        rng = np.random.default_rng(0)
        images = rng.integers(256, size=(60, 3, 16, 16), dtype=np.uint8)
        split = ImageSplit(images, np.arange(60) % 10)
        classes = tuple(map(str, range(10)))
        short = shortened(first_experiment.SPEC, place, steps=8, warm_up_steps=4, batch_size=4)
        place.replace(
            first_experiment,
            SPEC=short,
            SHARED=shared_data,
            dataset=lambda: ImageDataset(split, split, split, classes, 0),
        )
        row = first_experiment.measure(variant, 1)
        made = dict(row["updates"])
        assert {"warm-up": made.pop("warm-up", 0), "others": sum(made.values())} == updates
        assert row["num_architectures"] == 12
        overall = row["correlations"]["loss"]["all"]
        assert overall["num_architectures"] == 12
        assert -1 <= overall["tau"] <= 1

    def test_its_images_are_cifar_10_at_16_pixels_as_the_example_imports_them(
        self, place: Place
    ) -> None:
        asked: dict[str, Any] = {}

        def import_dataset(source: Path, **options: int) -> ImageDataset:
            asked.update(source=source.name, **options)
            size = options["size"]
            images = np.zeros((2, 3, size, size), dtype=np.uint8)
            split = ImageSplit(images, np.array([0, 1]))
            return ImageDataset(split, split, split, ("cat", "dog"), options["split_seed"])

        place.replace(
            first_experiment, CACHE=place.folder / "cache.npz", import_dataset=import_dataset
        )
        assert first_experiment.dataset().image_shape == (3, 16, 16)
        assert asked == {
            "source": "cifar10-images.zip",
            "size": 16,
            "num_validation": 1000,
            "split_seed": 0,
        }
        shown = "efsnas datasets import cifar10-images.zip --name cifar10-16 --size 16"
        for document in ("README.md", "examples/nas-bench-201-cifar10.yaml"):
            assert f"{shown} --num-validation 1000\n" in (ROOT / document).read_text()
        place.replace(
            first_experiment, import_dataset=lambda *_, **__: pytest.fail("imported twice")
        )
        assert first_experiment.dataset().image_shape == (3, 16, 16)


class TestPartition:
    TEN = (
        "darts-cell",
        "digits-mini",
        "mobilenet-proxyless-se",
        "mobilenet-proxyless",
        "nas-bench-201",
        "complete-4",
        "complete-5",
        "complete-6",
        "complete-7",
        "complete-8",
    )

    def test_the_last_line_has_three_figures_and_the_table_ten_spaces(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        exact(place)
        slowest = {"complete-8": partition.Times(processor=0.75, clock=0.8)}
        place.replace(
            partition,
            measure=lambda space: replace(
                found := measured(space), histogram=slowest.get(space.name, found.histogram)
            ),
        )
        partition.main()
        shown = printed(capsys)
        # The slowest histogram of all spaces; 10,000 draws by the slower way, of the processor.
        assert shown.figures == {
            "histogram_ms_max": 750.0,
            "samples_per_s_nb201": 80_000,
            "samples_per_s_mobilenet": 80_000,
        }
        assert sorted(row[0] for row in shown.rows) == sorted(self.TEN)
        columns = {row[0]: dict(zip(shown.header, row, strict=True)) for row in shown.rows}
        assert columns["complete-8"]["histogram ms"] == "750.0 / 800.0"
        assert columns["nas-bench-201"]["10,000 samples ms"] == "125.0 / 9,000.0"
        assert columns["nas-bench-201"]["in sub-spaces ms"] == "100.0 / 7,000.0"
        assert columns["nas-bench-201"]["samples/s"] == "80,000"
        assert columns["nas-bench-201"]["brute force ms"] == ""
        served = {row[0]: row[-2:] for row in shown.rows}
        assert [*served.values()][:2] == [
            ["3.0 .. 9.0", "1.2 .. 1.5"],
            ["3.0 .. 10.0", "1.2 .. 2.5"],
        ]
        assert [name for name, texts in served.items() if all(texts)] == [*catalogue()]
        assert shown.sentences == [
            "Pairs of times: of the processor / by the clock. Of GET: median .. slowest.",
            "Resident memory grew by 2 KiB over 15 requests.",
        ]

    def test_cells_of_four_to_eight_nodes_have_every_edge(self) -> None:
        cells = [*partition.complete_cells(catalogue()["nas-bench-201"])]
        assert [cell.num_nodes for cell in cells] == [4, 5, 6, 7, 8]
        assert [len(cell.graph.edges) for cell in cells] == [6, 10, 15, 21, 28]

    @pytest.mark.parametrize(
        ("space_name", "seconds", "sentence"),
        [
            (
                "nas-bench-201",
                0.2001,
                "49,975 architectures of nas-bench-201 per second, not 50,000",
            ),
            (
                "mobilenet-proxyless",
                1.0002,
                "9,998 architectures of mobilenet-proxyless per second",
            ),
        ],
    )
    def test_slow_sampling_fails_after_its_figures(
        self,
        space_name: str,
        seconds: float,
        sentence: str,
        place: Place,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        exact(place)
        place.replace(
            partition,
            measure=lambda space: measured(space, seconds if space.name == space_name else 0.01),
        )
        with pytest.raises(SystemExit, match=sentence) as failure:
            partition.main()
        assert failure.value.code not in (0, None)
        assert min(list(printed(capsys).figures.values())[1:]) == round(10_000 / seconds)

    def test_a_space_is_measured_and_counted_as_by_brute_force(self, place: Place) -> None:
        place.replace(partition, DRAWS=50, REPETITIONS=2)
        found = partition.measure(catalogue()["digits-mini"])
        every = (
            found.histogram,
            found.samples,
            found.subspace_samples,
            found.membership,
            found.ranges,
            found.brute_force,
        )
        for times in every:
            assert times is not None
            assert times.processor > 0
            assert times.clock > 0
        line = found.line()
        assert line[:2] == ["digits-mini", "125"]
        assert all(re.fullmatch(r"[\d,]+\.\d / [\d,]+\.\d", line[at]) for at in (2, 3, 4, 6, 7, 8))
        slower = max(found.samples.processor, found.subspace_samples.processor)
        assert found.samples_per_s == round(50 / slower)

    def test_a_space_too_large_to_enumerate_has_no_brute_force(self, place: Place) -> None:
        place.replace(partition, MAX_ENUMERATED=124)
        assert partition.brute_force(catalogue()["digits-mini"]) == (None, None)

    def test_a_histogram_that_brute_force_does_not_confirm_fails(self, place: Place) -> None:
        place.replace(partition, DRAWS=5, REPETITIONS=1)
        right = CellSpace.histogram

        def wrong(space: CellSpace, reading: Reading = "effective") -> dict[int, Count]:
            found = right(space, reading)
            return found | {0: Count(found[0].all, found[0].valid + 1)}

        place.replace(CellSpace, histogram=wrong)
        with pytest.raises(
            SystemExit, match="histogram of digits-mini is not that of brute force"
        ):
            partition.measure(catalogue()["digits-mini"])

    def test_samples_are_drawn_as_runs_draw_them(self, place: Place) -> None:
        place.replace(partition, DRAWS=9)
        space = catalogue()["digits-mini"]
        asked: list[Any] = []
        sample = CellSpace.sample

        def noted(space: CellSpace, rng: Any, labels: Any = None, *more: Any) -> Any:
            asked.append(labels)
            return sample(space, rng, labels, *more)

        place.replace(CellSpace, sample=noted)
        partition.draw(space)
        assert asked == [None] * 9
        asked.clear()
        partition.draw_in_turn(NonlinearitySplitter(num_subspaces=3).split(space))
        assert asked == [{0}, {1}, {2}] * 3

    def test_the_repetition_that_took_the_processor_least_counts(self, place: Place) -> None:
        ticks = iter([0.0, 3.0, 3.0, 4.0, 4.0, 6.0])
        clock = iter([0.0, 3.0, 3.0, 9.0, 9.0, 11.0])
        done: list[str] = []
        place.replace(
            partition,
            REPETITIONS=3,
            time=SimpleNamespace(
                process_time=lambda: next(ticks), perf_counter=lambda: next(clock)
            ),
        )
        times = partition.repeated(lambda: done.append("timed"), lambda: done.append("before"))
        assert times == partition.Times(processor=1.0, clock=6.0)
        assert done == ["before", "timed"] * 3

    def test_histograms_are_asked_of_the_server_itself_and_timed_after_warm_up(
        self, place: Place
    ) -> None:
        place.replace(partition, WARM_UP=2, REQUESTS=3)
        asked: list[str] = []
        answers = service.histogram

        def histogram(session: Any, reference: str, count: Any) -> Any:
            asked.append(reference)
            return answers(session, reference, count)

        place.replace(service, histogram=histogram)
        served = partition.serve(["digits-mini", "nas-bench-201"])
        assert Counter(asked) == {"digits-mini": 5, "nas-bench-201": 5}
        assert {name: len(times) for name, times in served.milliseconds.items()} == {
            "digits-mini": 3,
            "nas-bench-201": 3,
        }
        assert all(time > 0 for times in served.milliseconds.values() for time in times)
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            partition.serve(["no-such-space"])


class TestLiveCost:
    def test_a_share_above_the_limit_fails_after_its_figures(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        live(place)
        shares = {"digits-mini": 0.02, "nas-bench-201": 0.1501}
        place.replace(live_cost, measure=lambda space, _: live_cost_row(space, shares[space]))
        with pytest.raises(SystemExit, match=r"more than 15% of training") as failure:
            live_cost.main()
        assert failure.value.code not in (0, None)
        figures = printed(capsys).figures
        assert figures["share_max"] == 0.1501
        assert figures["limit"] == 0.15

    def test_live_scores_are_timed_apart_from_training(self, place: Place) -> None:
        live_scores = ArchitecturesScored(step=1, scores=())
        events = [RoundFinished(1), live_scores, live_scores, RoundFinished(2)]
        # Seconds before the first event, between the events, and after the last one.
        times = iter([100.0, 103.0, 103.0, 103.5, 103.5, 104.25, 104.25, 109.25, 109.25])
        place.replace(
            live_cost,
            fresh_state=lambda *_: None,
            train_unit=lambda *_: iter(events),
            time=SimpleNamespace(process_time=lambda: next(times)),
        )
        assert live_cost.seconds_of(None) == (8.0, 1.25)

    def test_it_is_measured_with_the_default_settings(self, place: Place) -> None:
        place.replace(live_cost, seconds_of=lambda _: (20.0, 1.0))
        row = live_cost.measure("digits-mini", None)
        assert row["share"] == 0.05
        spec = RunSpec.model_validate(row["spec"])
        assert spec.ranking == type(spec.ranking)()
        assert spec.training.warm_up_steps == row["steps"] == 2 * spec.ranking.every_steps


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
        assert asked == [True, True, True]
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


class TestTraining:
    def test_the_figures_are_medians_for_architectures_drawn_uniformly(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        steps_side_by_side(place)
        training.main()
        # The seeds 0, 1 and 2 are 0, 0.25 and 0.5 above the limits 1.7, 2.1 and 1.5.
        assert printed(capsys).figures == {
            "speedup_w8_n1_r16": pytest.approx(1.95),
            "speedup_w8_n5_r32": pytest.approx(2.35),
            "speedup_w5_n5_r32": pytest.approx(1.75),
        }

    def test_a_ratio_below_its_limit_fails_after_the_figures(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        steps_side_by_side(place)
        place.replace(
            training,
            measure=lambda *given: training_row(*given) | {"ratio": 2.0},
        )
        with pytest.raises(SystemExit, match="slower than promised"):
            training.main()
        assert printed(capsys).figures["speedup_w8_n5_r32"] == 2.0

    def test_the_plain_network_computes_what_ours_does(self) -> None:
        setting = training.Setting(8, 2, 8, steps=3, limit=1.0)
        experiment = training.experiment_of(setting, "uniform", 0)
        ours = fresh_state(experiment, None).supernet.double()
        plain = training.PlainNetwork(8, 2).double()
        with torch.no_grad():
            for name, weight in ours.named_parameters():
                # blocks.3.operations.2-nor_conv_1x1.0.weight is blocks.3.edges.2.nor_conv_1x1.1.weight.
                edge = r"operations\.(\d+)-(\w+)\.0"
                there = re.sub(edge, r"edges.\1.\2.1", name).replace("widen.0", "1")
                plain.get_parameter(there).copy_(weight)
        images, _ = experiment.batches[0]
        schedule = Schedule(experiment.spec, experiment.partition, num_images=512)
        for step in range(20):
            (route,) = schedule.routes(step)
            architecture = route.architecture
            difference = ours(images.double(), architecture) - plain(images.double(), architecture)
            assert difference.abs().max() < 1e-9, architecture

    def test_both_are_timed_on_the_architectures_of_the_sampler(self) -> None:
        setting = training.Setting(4, 1, 4, steps=3, limit=1.0)
        row = training.measure(setting, "balanced", 1)
        assert row["ratio"] == pytest.approx(row["plain_ms"] / row["ours_ms"], rel=0.05)
        assert row["steps"] == 5


class TestRanking:
    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            # 5.83 is the mean over 300 architectures of 5 and 7.5: (200 * 5 + 100 * 7.5) / 300.
            ({"ratio": 5.0}, None),
            ({"ratio": 1.25}, "ranking_speedup is 1.458, less than 1.7"),
            ({"difference": 2e-5}, "scores differ by 2.0e-05, more than 1e-05"),
            ({"seconds": 211.0}, "all_cells_minutes is 3.52, more than 3.5"),
        ],
    )
    def test_it_fails_below_a_promise(
        self,
        changes: dict[str, float],
        sentence: str | None,
        place: Place,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        rows = ranking_rows(**changes)
        place.replace(
            ranking,
            KEPT=place.folder,
            ALLOCATION={},
            MEASUREMENTS={name: lambda _, row=row: row for name, row in rows.items()},
        )
        if sentence is None:
            ranking.main()
            assert printed(capsys).figures["ranking_speedup"] == 5.833
        else:
            with pytest.raises(SystemExit, match=re.escape(sentence)):
                ranking.main()

    def test_both_ways_give_the_same_scores(self, tiny: Experiment) -> None:
        supernet = fresh_state(tiny, None).supernet
        chosen = ranking.of_different_forms(tiny.space, 30, seed=1)
        assert len({tiny.space.live_form(member) for member in chosen}) == 30
        plain, ours = (
            way(supernet, chosen, tiny.scoring_images)
            for way in (ranking.one_at_a_time, ranking.together)
        )
        assert ours == pytest.approx(plain, abs=1e-5)

    def test_the_span_is_from_the_first_claim_to_the_last_end(self) -> None:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        told = [("train-0", "leased", 0), ("rank-0-0", "leased", 5), ("rank-0-1", "leased", 6)]
        told += [("rank-0-0", "done", 20), ("rank-0-1", "done", 31), ("search", "done", 50)]
        events = [
            EventRead(
                id=index,
                created_at=start + timedelta(seconds=second),
                kind="unit-state",
                level="info",
                unit=unit,
                message="",
                data={"from": "", "to": state},
            )
            for index, (unit, state, second) in enumerate(told)
        ]
        began, ended = ranking.span(events, ["rank-0-0", "rank-0-1"])
        assert ((began - start).seconds, (ended - start).seconds) == (5, 31)


@pytest.fixture
def tiny() -> Experiment:
    spec, space = tiny_spec(), catalogue()["digits-mini"]
    return Experiment(spec, space, spec.partition(space), digits())


class TestImportBenchmark:
    def test_the_figures_are_the_slowest_and_the_largest(self) -> None:
        assert import_benchmark.summary(imported()) == {
            "nas_bench_201_processor_seconds": 1.5,
            "nas_bench_201_clock_seconds": 2.5,
            "million_clock_seconds": 200.0,
            "million_grown_mib": 82.0,
            "mib_more_for_a_million": 2.0,
        }

    @pytest.mark.parametrize(("seconds", "more"), [(5.0, 0.0), (1.0, 64.5)])
    def test_a_slow_or_a_large_import_fails(self, seconds: float, more: float) -> None:
        found = imported(seconds, more)
        with pytest.raises(SystemExit):
            import_benchmark.show(found, import_benchmark.summary(found))

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_a_made_up_table_is_imported(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "made.csv"
        import_benchmark.write_csv(path, 200)
        import_benchmark.write_parquet(path, tmp_path / "made.parquet")
        with import_benchmark.new_database("sqlite", tmp_path, None) as url:
            found = import_benchmark.import_once(tmp_path / f"made.{kind}", url, "five-nodes")
        assert found.rows == 200
        assert found.processor_seconds > 0


def test_combined_scorers_are_measured_on_what_is_no_landmark() -> None:
    space = catalogue()["digits-mini"]
    content = {"name": "x", "space": space.name, "dataset": "digits", "training": {"steps": 1}}
    ranking = {"scorers": [{"kind": "loss"}, {"kind": "flops"}]}
    spec = RunSpec.model_validate({**content, "ranking": ranking})
    codes = [space.encode(member) for member in space.enumerate() if space.is_valid(member)]
    worth = {code: float(place) for place, code in enumerate(codes)}
    experiment = SimpleNamespace(partition=spec.partition(space), spec=spec, space=space)
    done = SimpleNamespace(experiment=experiment, scores={"loss": worth, "flops": worth})
    landmarks = {code: 40 + worth[code] / 3 for code in codes[::6]}
    others = [code for code in codes if code not in landmarks]
    for scorer in combined_scorers.COMBINED.values():
        scores, left_out = combined_scorers.combined_scores(done, scorer, landmarks, others)
        assert list(scores) == others
        assert correlate(space, scores, worth, None).tau.value > 0.8
        assert (left_out is not None) == scorer.needs_landmarks


class TestChooseRanking:
    def test_what_ranks_best_is_chosen_and_can_be_read(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        two_recipes(place)
        choose_ranking.main()
        row = json.loads((place.folder / "chosen.json").read_text())
        assert row["recipe"]["steps"] == choose_ranking.LONGER
        taus = row["taus"]["recipes"]
        assert taus[row["recipe"]["name"]] == max(taus.values())
        assert row["of"] == ["loss", "flops"]
        assert len(row["weights"]) == 2
        assert row["taus"]["num_lists"] == 255 * len(choose_ranking.LOSS_WEIGHTS)
        figures = printed(capsys).figures
        assert figures["tau"] == max(row["taus"]["lists"].values())
        place.replace(ranking_quality, commit_of=lambda _: "c" * 12)
        choice = ranking_quality.Choice.read(place.folder / "chosen.json")
        assert choice.recipe == choose_ranking.longer(
            next(arm for arm in choose_ranking.RECIPES if arm.name in row["recipe"]["name"])
        )
        assert choice.calibrated.of == choice.rank_sum.of == ("loss", "flops")
        assert choice.without_supernet.of == ("flops",)

    def test_a_table_is_judged_among_the_reference_sample(self, place: Place) -> None:
        two_recipes(place)
        judged = choose_ranking.judge(choose_ranking.TABLES[0], choose_ranking.RECIPES[0], 0)
        places = np.exp(judged.log_places(["flops"]))[:, 0] * 116
        flops = [judged.scores[code]["flops"] for code in judged.codes]
        # All valid cells of the space are both the table and the reference sample.
        assert sorted(places) == pytest.approx(list(range(1, 117)))
        assert np.argsort(places).tolist() == np.argsort(flops).tolist()


class TestRankingQuality:
    def test_the_last_line_has_the_means_of_all_seeds(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        quality_rows(place)
        ranking_quality.main()
        found = printed(capsys).figures
        assert list(found)[:4] == [
            "tau_no_truth",
            "tau_50_landmarks",
            "supernet_gain",
            "core_minutes",
        ]
        assert found["tau_no_truth"] == 0.8
        assert found["tau_50_landmarks"] == pytest.approx(0.8505)
        assert found["supernet_gain"] == 0.02
        assert found["core_minutes"] == 42.0

    @pytest.mark.parametrize(
        ("figures", "complaint"),
        [
            ({"tau": 0.75}, "tau_no_truth is 0.75, less than 0.78"),
            ({"gain": 0.01}, "supernet_gain is 0.01"),
        ],
    )
    def test_it_fails_below_a_promise(
        self, figures: dict[str, float], complaint: str, place: Place
    ) -> None:
        quality_rows(place, **figures)
        with pytest.raises(SystemExit, match=complaint):
            ranking_quality.main()

    def test_some_rows_are_shown_and_not_judged(self, place: Place) -> None:
        quality_rows(place, tau=0.5)
        place.call_with("--seed", "1", "--row", "headline")
        ranking_quality.main()

    def test_the_tables_are_written_below_what_the_readme_says_itself(self, place: Place) -> None:
        quality_rows(place)
        ranking_quality.main()
        text = (place.folder / "README.md").read_text()
        assert text.startswith("What it says itself.")
        assert "An older table." not in text
        assert "2 times loss, flops, synflow" in text
        for arm in ranking_quality.ABLATION:
            assert f"| {arm.title} |" in text

    def test_a_choice_that_is_not_committed_is_refused(self, tmp_path: Path) -> None:
        def git(*arguments: str) -> None:
            identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
            subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True)

        with pytest.raises(SystemExit, match="nothing is chosen yet"):
            ranking_quality.Choice.read(tmp_path / "chosen.json")
        path = tmp_path / "chosen.json"
        path.write_text("{}")
        git("init", "-q")
        with pytest.raises(SystemExit, match="not committed"):
            ranking_quality.commit_of(path)
        git("add", "chosen.json")
        git("commit", "-qm", "chosen")
        assert re.fullmatch(r"[0-9a-f]{12}", ranking_quality.commit_of(path))
        path.write_text('{"of": []}')
        with pytest.raises(SystemExit, match="not committed"):
            ranking_quality.commit_of(path)

    def test_cells_are_judged_with_and_without_supernet_and_on_what_is_no_landmark(
        self, place: Place
    ) -> None:
        space = catalogue()["nas-bench-201"]
        rng = random.Random(1)
        members = list(ranking_quality._reference())[:400]
        truth = {space.encode(one): space.flops(one) / 1e6 + rng.random() for one in members}
        dead = space.encode(next(one for one in space.enumerate() if not space.is_valid(one)))

        def noisy(*kinds: str) -> Scored:
            scores = {
                kind: {code: value + rng.gauss(0, 20) for code, value in truth.items()}
                for kind in kinds
            }
            return Scored(scores, 3.0, {"all": 9}, {"commit": "d" * 12})

        trained, before = noisy("loss"), noisy(*choose_ranking.BEFORE_TRAINING)
        place.replace(
            ranking_quality,
            NUM_DRAWS=2,
            NUMBERS_OF_LANDMARKS=(20,),
            NUM_RESAMPLES=25,
            valid=lambda: tuple(members),
            truth=lambda: {**truth, dead: 10.0},
            _reference=lambda: tuple(members),
            trained_scores=lambda *_: trained,
            untrained_scores=lambda *_: before,
        )
        place.replace(combination, reference_sample=lambda *_: tuple(members))
        place.replace(
            SpreadChoice, choose=lambda self, _, known, rng: tuple(rng.sample(members, self.count))
        )
        row: Any = ranking_quality.headline(a_choice(), seed=3)
        assert row["num_cells"] == 400
        assert row["with_dead_cells"]["num_cells"] == 401
        assert row["gain"] == pytest.approx(
            row["rank_sum"]["tau"] - row["without_supernet"]["tau"], abs=2e-5
        )
        assert row["gain"] > 0
        assert len(row["gains"]) == 25
        assert row["cpu_minutes"]["all"] == pytest.approx(6, abs=0.5)
        first, second = row["landmarks"]["20"]
        assert first["tau"] != second["tau"]
        assert 0.5 < first["tau"] < 1
        assert all(300 < draw["num_cells"] <= 380 for draw in (first, second))


def test_kept_orders_are_those_of_the_scores(tmp_path: Path) -> None:
    codes = ["a", "b", "c", "d"]
    scores = {"loss": dict(zip(codes, [-1.5, -9.0, -1.5, 0.25], strict=True))}
    origin: dict[str, Any] = {"commit": "e" * 12}
    save(tmp_path / "one.npz", Scored(scores, 1.25, {"warm-up": 7}, origin), codes)
    found = load(tmp_path / "one.npz", codes)
    assert found.scores == {"loss": {"a": 1.0, "b": 0.0, "c": 1.0, "d": 2.0}}
    assert (found.cpu_minutes, found.updates, found.origin) == (1.25, {"warm-up": 7}, origin)
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_arms_differ_in_what_their_names_say() -> None:
    specs = {arm.name: arm.spec("nas-bench-201-cifar10", 5, [LOSS]) for arm in ABLATION}
    steps = {name: spec.training.steps for name, spec in specs.items()}
    assert {name: number for name, number in steps.items() if number != 24_000} == {
        "narrow-balanced": 24_001,
        "narrow-balanced-landmarks": 24_001,
        "warm-private-all-equal-passes": 8_000,
    }
    passes = {name: ranking_quality._passes(spec) for name, spec in specs.items()}
    assert {name: number for name, number in passes.items() if number != 24_000} == {
        "warm-private-all": 72_000
    }
    assert specs["one-shot"].supernet.width == 16
    assert {spec.supernet.width for name, spec in specs.items() if name != "one-shot"} == {5}
    assert [name for name, spec in specs.items() if spec.landmarks is not None] == [
        "narrow-balanced-landmarks",
        "warm-private-landmarks",
    ]
    space = catalogue()["nas-bench-201"]
    sizes = {
        name: [part.size.valid for part in spec.partition(space).subspaces]
        for name, spec in specs.items()
    }
    by_count = [8_764, 5_520, 1_000]
    assert sizes.pop("one-shot") == sizes.pop("narrow-one-shot") == [15_284]
    assert sizes.pop("random-partition") != by_count
    assert all(found == by_count for found in sizes.values())
