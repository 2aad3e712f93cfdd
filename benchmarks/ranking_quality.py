"""How well are the cells of NAS-Bench-201 ranked, without ground truth and with a few landmarks?

Judged by the published table of CIFAR-10 accuracies. Everything that could be fitted to it was chosen
before by `choose_ranking.py` on benchmarks of our own, and is read from its committed result.

* headline, one row per seed: all 15,284 valid cells, scored by the chosen rank sum, beside the same
  rank sum without the supernet's scores; then by the chosen calibration on 50 and on 100 landmarks,
  ten draws each, over the valid cells that compute something else than every landmark.
* second choice, one row per seed: the same with a choice that the same script made once more calibrations
  could be chosen from, on our own benchmarks alone, but after the judge had told how the first one and some in sight do;
* in sight, one row per seed: the same with a list and a calibration that were chosen in sight of the
  judge. It tells what such a choice would have been worth, and is no result;
* ablation, one row per recipe and seed: a fixed sample of 1,000 cells, scored by the supernet's loss
  alone and by the rank sum; and by every scorer alone.

A row that was measured before is read from `results/ranking_quality/`, and what it is made of from
`results/scored/`; delete the files to measure it again. Writes the tables into `benchmarks/README.md`.
Exits with 1 if a promise is not kept. A headline row takes about forty minutes of a core, one of the
ablation five to twenty.

    python benchmarks/ranking_quality.py [--seed 0 ...] [--row headline ...] [--processes 2]

Needs the shared data: `../shared/data`, or the folder that EFSNAS_SHARED_DATA names.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from random import Random

import numpy as np
import torch
from choose_ranking import BEFORE_TRAINING, CHOSEN
from first_experiment import SHARED, dataset
from measuring.arms import (
    ABLATION,
    BALANCED_LANDMARKS,
    NARROW_BALANCED,
    PRIVATE_LANDMARKS,
    WARM_PRIVATE,
    Arm,
)
from measuring.quality_tables import (
    ablation_tables,
    headline_tables,
    summary,
    write_below_marker,
)
from measuring.report import RESULTS, Row, keep, number_of, print_figures, print_table, provenance
from measuring.scored import LOSS, Scored, combined_scores, trained_scores, untrained_scores

from nas.benchmarks.table import read_table
from nas.landmarks.choices.spread import SpreadChoice
from nas.landmarks.choosing import choose_landmarks
from nas.ranking.metrics import RankCorrelation, rank_correlation
from nas.ranking.reference import reference_sample
from nas.ranking.resampling import paired_taus
from nas.ranking.scorers.base import CombinedScorer
from nas.ranking.scorers.calibrated import CalibratedScorer
from nas.ranking.scorers.rank_sum import RankSumScorer
from nas.ranking.spec import RankingSpec
from nas.seeds import stream
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Space
from nas.spaces.distinct import draw_distinct
from nas.spec import RunSpec

KEPT = RESULTS / "ranking_quality"
SECOND = CHOSEN.with_stem("second")
README = Path(__file__).parent / "README.md"
EXAMPLE = "nas-bench-201-cifar10"
SEEDS = (0, 1, 2)
NUM_ABLATION = 1000
NUM_DRAWS = 10
NUM_RESAMPLES = 261
NUMBERS_OF_LANDMARKS = (50, 100)
LIMITS = {"tau_no_truth": 0.78, "tau_50_landmarks": 0.81, "tau_100_landmarks": 0.83}
GAIN_LIMIT = 0.015
MINUTES_LIMIT = 60.0
WITHOUT = {BALANCED_LANDMARKS: NARROW_BALANCED, PRIVATE_LANDMARKS: WARM_PRIVATE}
"""The same recipe without landmarks."""
# Scorers that no list could hold: too dear for all cells, or of a supernet's gradients.
DEAR = ("ntk-min-eigenvalue",)
OF_GRADIENTS = ("zico", "sigeo")
IN_SIGHT = (
    "loss",
    "live-conv-params",
    "naswot",
    "progressivity",
    "nonlinearity-count",
    "expressivity",
)

Table = dict[str, dict[str, float]]
"""Architecture string to scorer kind to score."""


@dataclass(frozen=True)
class Choice:
    """What `choose_ranking.py` chose."""

    recipe: Arm
    of: tuple[str, ...]
    weights: tuple[float, ...]
    calibrated: CalibratedScorer
    script_commit: str
    commit: str

    @classmethod
    def read(cls, path: Path = CHOSEN) -> "Choice":
        """Read what is committed.

        Raises:
            SystemExit: if nothing is chosen, or the choice is not committed.
        """
        if not path.exists():
            sys.exit(f"nothing is chosen yet: {path} does not exist; run choose_ranking.py")
        content = json.loads(path.read_text())
        of = tuple(content["of"])
        return cls(
            recipe=Arm(**content["recipe"]),
            of=of,
            weights=tuple(content["weights"]),
            calibrated=CalibratedScorer(of=of, **content["calibrated"]),
            script_commit=content["commit"],
            commit=commit_of(path),
        )

    @property
    def told(self) -> Row:
        """What makes a row one of this choice."""
        return {"choice_commit": self.commit, "choice_script_commit": self.script_commit}

    @cached_property
    def rank_sum(self) -> RankSumScorer:
        """Return the rule of the headline."""
        return RankSumScorer(of=self.of, weights=self.weights)

    @cached_property
    def without_supernet(self) -> RankSumScorer:
        """Return the same rule without scores of a supernet."""
        left = [
            (kind, weight)
            for kind, weight in zip(self.of, self.weights, strict=True)
            if kind in BEFORE_TRAINING
        ]
        return RankSumScorer(
            of=tuple(kind for kind, _ in left), weights=tuple(weight for _, weight in left)
        )


def commit_of(path: Path) -> str:
    """Return the last commit of a file.

    Raises:
        SystemExit: if it has changes that are not committed, or was never committed.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(path.parent), *arguments, "--", path.name]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    found = git("log", "-1", "--format=%h", "--abbrev=12")
    if not found or git("status", "--porcelain"):
        sys.exit(f"{path} is not committed as it is: the choice stands before the judge is asked")
    return found


@dataclass(frozen=True)
class Ranked:
    """Scores of some valid cells by one run, and how they are combined.

    Attributes:
        spec: of the run.
        table: scores of at least the reference sample.
    """

    spec: RunSpec
    table: Table

    def combined(
        self,
        scorer: CombinedScorer,
        codes: Sequence[str],
        landmarks: Mapping[str, float] | None = None,
    ) -> list[float]:
        """Return scores of a combined scorer, which learns from landmarks where it can."""
        return combined_scores(self.spec, scorer, self.table, codes, landmarks)


def main() -> None:
    """Measure what is missing, then print and write every row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", nargs="+", type=int, default=list(SEEDS), choices=SEEDS)
    parser.add_argument("--row", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--processes", type=int, default=1, help="that measure in parallel")
    arguments = parser.parse_args()
    choice = Choice.read()
    missing = [
        (name, seed)
        for seed, name in product(arguments.seed, arguments.row)
        if not _path(name, seed).exists()
    ]
    # Other rows of a seed go on with the scores of its headline.
    missing.sort(key=lambda row: row[0] != "headline")
    if arguments.processes == 1:
        for name, seed in missing:
            measure_row(name, seed)
    else:
        with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
            for done in [pool.submit(measure_row, *row) for row in missing]:
                done.result()
    rows = [json.loads(path.read_text()) for path in sorted(KEPT.glob("*-seed*.json"))]
    figures = show(rows, choice)
    print_figures(figures)
    failed = missed(figures)
    if failed:
        sys.exit("; ".join(failed))


def measure_row(name: str, seed: int) -> None:
    """Measure one row with one core, and keep it."""
    torch.set_num_threads(1)
    choice, origin = Choice.read(), provenance()
    row = ROWS[name](choice, seed)
    keep(_path(name, seed), {"row": name, "seed": seed, **origin, **choice.told, **row})


def _path(name: str, seed: int) -> Path:
    return KEPT / f"{name}-seed{seed}.json"


@cache
def truth() -> dict[str, float]:
    """Return the accuracies of the judge, in percent, by architecture string."""
    table = read_table(SHARED / "nas-bench-201-cifar10-test.csv", _space())
    return {code: entry.accuracy for code, entry in table.entries.items()}


def valid() -> tuple[Architecture, ...]:
    """Return all valid cells."""
    space = _space()
    return tuple(member for member in space.enumerate() if space.is_valid(member))


def valid_truth() -> dict[str, float]:
    """Return the judge's accuracies of the valid cells, of which landmarks may be."""
    return {code: truth()[code] for code in map(_space().encode, valid())}


def ablation_sample() -> tuple[Architecture, ...]:
    """Return the cells on which recipes are compared, the same for all of them."""
    return draw_distinct(_space(), stream(0, "ranking quality"), NUM_ABLATION)


def headline(choice: Choice, seed: int) -> Row:
    """Score all valid cells by the chosen rule and judge it."""
    ranked, parts = scored(choice.recipe, choice, seed, valid())
    codes = sorted(ranked.table)
    accuracies = [truth()[code] for code in codes]
    began = time.process_time()
    scores = ranked.combined(choice.rank_sum, codes)
    combining = (time.process_time() - began) / 60
    without = ranked.combined(choice.without_supernet, codes)
    found = judged(scores, accuracies)
    # Dead cells are no candidates; published figures rank them too, below all others.
    dead = [code for code in truth() if code not in ranked.table]
    with_dead = judged(
        [*scores, *[min(scores) - 1] * len(dead)],
        [*accuracies, *(truth()[code] for code in dead)],
    )
    resampled = paired_taus(
        [np.array(scores), np.array(without)],
        np.array(accuracies),
        seed=0,
        num_resamples=NUM_RESAMPLES,
    )
    minutes = sum(part.cpu_minutes for part in parts) + combining
    return {
        "num_cells": len(codes),
        "rank_sum": figures_of(found),
        "with_dead_cells": figures_of(with_dead),
        "without_supernet": figures_of(judged(without, accuracies)),
        "gain": round(_tau(found) - _tau(judged(without, accuracies)), 5),
        "gains": [round(float(gain), 5) for gain in resampled[0] - resampled[1]],
        "landmarks": {
            str(number): [
                with_landmarks(choice, ranked, seed, number, draw) for draw in range(NUM_DRAWS)
            ]
            for number in NUMBERS_OF_LANDMARKS
        },
        "cpu_minutes": {
            "training and scores": round(parts[0].cpu_minutes, 2),
            "scores before training": round(parts[1].cpu_minutes, 2),
            "combining": round(combining, 2),
            "all": round(minutes, 2),
        },
        "updates": dict(parts[0].updates),
        "origins": [dict(part.origin) for part in parts],
        "spec": ranked.spec.model_dump(mode="json"),
    }


def second_choice(_: Choice, seed: int) -> Row:
    """Judge what was chosen when the judge had been read."""
    choice = Choice.read(SECOND)
    return headline(choice, seed) | choice.told


def in_sight(choice: Choice, seed: int) -> Row:
    """Judge a choice that was made in sight of the judge, with the same supernets."""
    other = dataclasses.replace(
        choice,
        of=IN_SIGHT,
        weights=(1.0,) * len(IN_SIGHT),
        calibrated=CalibratedScorer(of=IN_SIGHT),
    )
    return headline(other, seed)


def with_landmarks(choice: Choice, ranked: Ranked, seed: int, number: int, draw: int) -> Row:
    """Calibrate on landmarks that are chosen without looking at accuracies, and rank the others."""
    space = _space()
    partition = ranked.spec.partition(space)
    rng: Random = stream(seed, "landmarks", number, draw)
    chosen = SpreadChoice(count=number).choose(partition, None, rng)
    forms = {space.live_form(one) for one in chosen}
    landmarks = {space.encode(one): truth()[space.encode(one)] for one in chosen}
    pool = [code for code in sorted(ranked.table) if form(code) not in forms]
    began = time.process_time()
    scores = ranked.combined(choice.calibrated, pool, landmarks)
    minutes = (time.process_time() - began) / 60
    accuracies = [truth()[code] for code in pool]
    found = judged(scores, accuracies, resample=False)
    before = judged(ranked.combined(choice.rank_sum, pool), accuracies, resample=False)
    assert found.best is not None
    return {
        "tau": round(_tau(found), 5),
        "tau_before": round(_tau(before), 5),
        "precision_at_1_percent": found.measures["precision-at-1-percent"].value,
        "best_accuracy": round(found.best.truth, 3),
        "best_rank": found.best.rank,
        "num_cells": len(pool),
        "cpu_minutes": round(minutes, 3),
    }


def ablation(arm: Arm) -> Callable[[Choice, int], Row]:
    """Return what measures one recipe."""

    def measure(choice: Choice, seed: int) -> Row:
        members = tuple(dict.fromkeys((*ablation_sample(), *_reference())))
        ranked, parts = scored(arm, choice, seed, members)
        pool = tuple(_space().encode(one) for one in ablation_sample())
        row: Row = {
            "title": arm.title,
            "forward_passes": _passes(ranked.spec),
            "cpu_minutes": round(parts[0].cpu_minutes, 2),
            "updates": dict(parts[0].updates),
            "spec": ranked.spec.model_dump(mode="json"),
        }
        if arm.landmarks:
            forms = {form(code) for code in landmarks_of(ranked.spec)}
            pool = tuple(code for code in pool if form(code) not in forms)
            other, _ = scored(WITHOUT[arm], choice, seed, members)
            row["without_landmarks"] = measures(other, choice, pool)
        return row | measures(ranked, choice, pool)

    return measure


def measures(ranked: Ranked, choice: Choice, pool: Sequence[str]) -> Row:
    """Judge a supernet's loss alone, and the chosen rank sum with it."""
    accuracies = [truth()[code] for code in pool]
    loss = [ranked.table[code]["loss"] for code in pool]
    combined = ranked.combined(choice.rank_sum, pool)
    return {
        "loss": figures_of(judged(loss, accuracies)),
        "rank_sum": figures_of(judged(combined, accuracies)),
    }


def alone(choice: Choice, seed: int) -> Row:
    """Judge every scorer by itself on the sample of the ablation."""
    sample = ablation_sample()
    before = _before(seed, BEFORE_TRAINING, valid())
    dear = _before(seed, DEAR, sample)
    arm = dataclasses.replace(NARROW_BALANCED, name="narrow-balanced-gradients")
    spec = arm.spec(
        EXAMPLE, seed, [{"kind": kind} for kind in ("loss", "accuracy", *OF_GRADIENTS)]
    )
    gradients = trained_scores(spec, arm, dataset, sample)
    scores = before.scores | dear.scores | gradients.scores
    codes = [_space().encode(one) for one in sample]
    accuracies = [truth()[code] for code in codes]
    return {
        "scorers": {
            kind: figures_of(judged([found[code] for code in codes], accuracies))
            for kind, found in scores.items()
        },
        "spec": spec.model_dump(mode="json"),
    }


MARKED = {
    "second-choice": "Second choice, when this table had been read: ",
    "in-sight": "Chosen in sight of this table, no result: ",
}
"""What rows like those of the headline are called that are none."""

ROWS: dict[str, Callable[[Choice, int], Row]] = {
    "headline": headline,
    "second-choice": second_choice,
    "in-sight": in_sight,
    "alone": alone,
    **{arm.name: ablation(arm) for arm in ABLATION},
}


def scored(
    arm: Arm, choice: Choice, seed: int, members: Sequence[Architecture]
) -> tuple[Ranked, tuple[Scored, Scored]]:
    """Score cells by the supernets of a recipe, and by what is known before training."""
    accuracies = None
    if arm.landmarks:
        accuracies = valid_truth()
    spec = arm.spec(EXAMPLE, seed, [LOSS])
    trained = trained_scores(spec, arm, dataset, members, accuracies)
    before = _before(seed, BEFORE_TRAINING, valid())
    both = before.scores | trained.scores
    table = {code: {kind: both[kind][code] for kind in both} for code in trained.scores["loss"]}
    # The ranking of a run that has all these scorers.
    scorers: list[Row] = [{"kind": kind} for kind in both]
    return Ranked(arm.spec(EXAMPLE, seed, scorers), table), (trained, before)


def judged(
    scores: Sequence[float], accuracies: Sequence[float], *, resample: bool = True
) -> RankCorrelation:
    """Compare scores with the judge."""
    return rank_correlation(scores, accuracies, seed=0, num_bootstrap=None if resample else 0)


def figures_of(found: RankCorrelation) -> Row:
    """Return what a row tells of a correlation."""
    tau, top = found.tau, found.measures["precision-at-1-percent"]
    assert found.best is not None
    return {
        "tau": _rounded(tau.value),
        "low": _rounded(tau.low),
        "high": _rounded(tau.high),
        "spearman": _rounded(found.measures["spearman"].value),
        "tau_top_half": _rounded(found.measures["tau-top-half"].value),
        "precision_at_1_percent": _rounded(top.value),
        "best_accuracy": round(found.best.truth, 3),
        "num_cells": found.num_architectures,
    }


@cache
def form(code: str) -> object:
    """Return what a cell computes."""
    return _space().live_form(_space().decode(code))


def landmarks_of(spec: RunSpec) -> list[str]:
    """Return the landmarks of a run."""
    space = _space()
    chosen = choose_landmarks(spec, spec.partition(space), valid_truth()).chosen
    return [space.encode(landmark.architecture) for landmark in chosen]


@cache
def _space() -> Space:
    return catalogue()["nas-bench-201"]


def _reference() -> tuple[Architecture, ...]:
    return reference_sample(_space(), RankingSpec().reference_architectures)


def _before(seed: int, kinds: Sequence[str], members: Sequence[Architecture]) -> Scored:
    spec = Arm("untrained", "before training").spec(
        EXAMPLE, seed, [{"kind": one} for one in kinds]
    )
    return untrained_scores(spec, dataset, members)


def _passes(spec: RunSpec) -> int:
    space = _space()
    each = spec.training.sampler.samples_per_step(space, spec.subspace_count(space))
    return each * (spec.training.steps - (spec.training.steps - 1 == spec.training.warm_up_steps))


def _tau(found: RankCorrelation) -> float:
    assert found.tau.value is not None
    return found.tau.value


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def show(rows: Sequence[Row], choice: Choice) -> Row:
    """Print every row, write them into the README, and return the figures of all seeds."""
    of_headline = [row for row in rows if row["row"] == "headline"]
    marked = [(mark, [row for row in rows if row["row"] == name]) for name, mark in MARKED.items()]
    sections = [
        *(headline_tables(of_headline, len(truth())) if of_headline else []),
        *ablation_tables(rows, NUM_ABLATION),
        *(
            section
            for mark, found in marked
            if found
            for section in headline_tables(found, len(truth()), mark)
        ),
    ]
    for title, header, body in sections:
        print_table([title, *header[1:]], body)
    write_below_marker(README, introduction(choice), sections)
    return summary(of_headline) if of_headline else {"headline_rows": 0}


def missed(figures: Row) -> list[str]:
    """Return a sentence for every promise that is not kept."""
    if figures.get("seeds") != len(SEEDS):
        return []  # Judged when all rows are there.
    found = [
        f"{name} is {figures[name]}, less than {limit}"
        for name, limit in LIMITS.items()
        if number_of(figures, name) < limit
    ]
    if (
        number_of(figures, "supernet_gain") < GAIN_LIMIT
        or number_of(figures, "supernet_gain_low") <= 0
    ):
        found.append(
            f"supernet_gain is {figures['supernet_gain']} (from {figures['supernet_gain_low']}), "
            f"less than {GAIN_LIMIT} or not above 0"
        )
    if number_of(figures, "core_minutes") > MINUTES_LIMIT:
        found.append(f"core_minutes is {figures['core_minutes']}, more than {MINUTES_LIMIT:g}")
    return found


def introduction(choice: Choice) -> str:
    """Return what was chosen, and when."""
    summed = ", ".join(
        kind if weight == 1 else f"{weight:g} times {kind}"
        for kind, weight in zip(choice.of, choice.weights, strict=True)
    )
    return (
        f"Chosen: {choice.recipe.title}, width {choice.recipe.width}; rank sum of {summed}; "
        f"calibrated by {choice.calibrated.model}. The script that chose was commit "
        f"`{choice.script_commit}`, its choice is commit `{choice.commit}`, and every row is of a "
        f"later one. The second choice is of the same script, from our own benchmarks, when `average` "
        f"had been added to the calibrations. What is marked as chosen in sight has the same supernets, a rank sum of "
        f"{', '.join(IN_SIGHT)} and a Gaussian process."
    )


if __name__ == "__main__":
    main()
