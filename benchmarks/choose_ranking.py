"""Chooses how `ranking_quality.py` is to rank: scorers, recipe of training, form of the calibration.

Reads three benchmarks of our own, `digits-mini`, `nas-bench-201-small` and `nas-bench-201-medium`, and
never the published table that judges the choice. What is chosen is written to `results/choose_ranking/chosen.json` and
committed before that table is read. A later choice, made when more can be chosen from, has another name, and
never takes the place of the first.

1. Recipe: the candidate whose `loss` has the highest mean tau over tables and seeds; then four times
   the steps, if that is higher.
2. List: scorers that are computed before training, beside `loss`, and a weight for each. Of the table
   whose networks are nearest to those that are to be judged, the last one: the longer its networks are
   trained, the less say `loss` has in the best list, and lists that are best for one table foretell
   little of a table two steps away. What is best for a few dozen architectures is so by chance as well,
   hence the weights are the mean of those of the best list of many resamples of the table (bagging).
   The same is done with every earlier table and judged by the next one, which is kept beside the choice.
3. Calibration: the regression that predicts best, from 30 landmarks, the other architectures.

Orders are kept under `results/scored/`, so the script can be stopped and started. About an
hour on two cores.

    python benchmarks/choose_ranking.py [--processes 2] [--name chosen]

Needs the shared data: `../shared/data`, or the folder that EFSNAS_SHARED_DATA names.
"""

import argparse
import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product
from multiprocessing import get_context

import first_experiment
import numpy as np
import torch
from measuring.arms import EXAMPLE_WIDTH, Arm
from measuring.report import RESULTS, Row, keep, print_figures, print_table, provenance
from measuring.scored import LOSS, Scored, combined_scores, trained_scores, untrained_scores
from nas_bench_201_small import cells

from nas.benchmarks.table import builtin
from nas.data.dataset import ImageDataset
from nas.data.digits import digits
from nas.ranking.metrics import kendall_tau
from nas.ranking.places import Values, mid_ranks
from nas.ranking.reference import reference_sample
from nas.ranking.scorers.calibrated import CalibratedScorer
from nas.ranking.spec import RankingSpec
from nas.seeds import stream
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Space
from nas.spec import RunSpec

CHOSEN = RESULTS / "choose_ranking" / "chosen.json"
SEEDS = (0, 1)
BEFORE_TRAINING = (
    "flops",
    "live-conv-params",
    "nonlinearity-count",
    "synflow",
    "naswot",
    "expressivity",
    "progressivity",
    "trainability",
)
KINDS = ("loss", *BEFORE_TRAINING)
RECIPES = (
    Arm("balanced", "one-shot, balanced", EXAMPLE_WIDTH, shared=1),
    Arm("few-shot", "K = 3, warm, private", EXAMPLE_WIDTH, shared=0.5),
)
NUM_REFERENCE = RankingSpec().reference_architectures
LONGER = 4
LOSS_WEIGHTS = (0.5, 1.0, 2.0, 4.0, 8.0)
NUM_RESAMPLES = 200
LEAST_WEIGHT = 0.05
"""In units of the greatest one; what would have less is no part of the list."""
NUM_LANDMARKS = 30
NUM_DRAWS = 10
CALIBRATIONS = tuple(
    CalibratedScorer(model=model, kernel=kernel, target=target, architecture_features=features)
    for (model, kernel), target, features in product(
        (
            ("gaussian-process", "matern"),
            ("gaussian-process", "rbf"),
            ("ridge", "matern"),
            ("average", "matern"),
        ),
        ("logit", "rank-normal"),
        ("none", "counts", "choices"),
    )
)


@dataclass(frozen=True, slots=True)
class Table:
    """A benchmark of our own, and the example whose runs it judges."""

    benchmark: str
    example: str
    images: Callable[[], ImageDataset]
    architectures: Callable[[Space], Sequence[Architecture]]

    def members(self, space: Space) -> tuple[Architecture, ...]:
        """Return the table's architectures, and those among which they are ranked."""
        sample = reference_sample(space, NUM_REFERENCE)
        return tuple(dict.fromkeys((*self.architectures(space), *sample)))


def all_valid(space: Space) -> tuple[Architecture, ...]:
    """Return every valid architecture: tables and samples are parts of them."""
    return tuple(member for member in space.enumerate() if space.is_valid(member))


# In the order in which their networks come nearer to those of the published table.
TABLES = (
    Table("digits-mini", "digits-mini", digits, all_valid),
    Table("nas-bench-201-small", "nas-bench-201-cifar10", first_experiment.dataset, cells),
    Table("nas-bench-201-medium", "nas-bench-201-cifar10", first_experiment.dataset, cells),
)
RUNS = tuple(product(TABLES, SEEDS))


@dataclass(frozen=True, slots=True)
class Task:
    """What one process measures: a recipe, or what is known before training."""

    table: Table
    seed: int
    arm: Arm | None

    def measure(self) -> None:
        """Measure it, unless it is kept."""
        torch.set_num_threads(1)
        if self.arm is None:
            before_training(self.table, self.seed)
        else:
            trained(self.table, self.arm, self.seed)


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of one run beside the truth of one table.

    Attributes:
        table: whose truth.
        spec: of the run.
        scores: of the reference sample and of the table's architectures, by code and kind.
        codes: of the architectures that are judged.
        truth: their accuracy in percent.
    """

    table: Table
    spec: RunSpec
    scores: dict[str, dict[str, float]]
    codes: tuple[str, ...]
    truth: Values

    @property
    def space(self) -> Space:
        """Whose architectures they are."""
        return catalogue()[self.spec.space]

    def tau(self, scores: Sequence[float] | Values) -> float:
        """Return Kendall's tau-b of one score per architecture."""
        return kendall_tau(np.asarray(scores, dtype=np.float64), self.truth) or 0.0

    def log_places(self, kinds: Sequence[str]) -> Values:
        """Return log(rank / n) in the reference sample, shape (architectures, kinds)."""
        sample = [self.space.encode(one) for one in reference_sample(self.space, NUM_REFERENCE)]
        columns = [
            np.log(mid_ranks(self._of(self.codes, kind), self._of(sample, kind)) / len(sample))
            for kind in kinds
        ]
        return np.stack(columns, axis=1)

    def _of(self, codes: Sequence[str], kind: str) -> Values:
        return np.array([self.scores[code][kind] for code in codes], dtype=np.float64)


def main() -> None:
    """Measure what is missing, then choose, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=1, help="that measure in parallel")
    parser.add_argument("--name", default=CHOSEN.stem, help="of the file that is written")
    arguments = parser.parse_args()
    processes = arguments.processes
    tasks = [Task(table, seed, arm) for table, seed in RUNS for arm in (*RECIPES, None)]
    in_parallel(tasks, processes)
    best = max(RECIPES, key=recipe_tau)
    in_parallel([Task(table, seed, longer(best)) for table, seed in RUNS], processes)
    compared = {arm: recipe_tau(arm) for arm in (*RECIPES, longer(best))}
    recipe = max((best, longer(best)), key=lambda arm: compared[arm])
    judged = [judge(table, recipe, seed) for table, seed in RUNS]
    keep(CHOSEN.with_stem(arguments.name), choose(recipe, compared, judged))


def in_parallel(tasks: Sequence[Task], processes: int) -> None:
    """Measure what is not kept yet; the last of the list first, for they take longest."""
    # Tables of the same architectures ask the same of a run.
    by_run = {
        (one.table.example, one.table.architectures, one.seed, one.arm): one for one in tasks
    }
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(task.measure) for task in reversed(by_run.values())]:
            done.result()


def before_training(table: Table, seed: int) -> Scored:
    """Score all valid architectures by what is known without a supernet."""
    scorers: list[Row] = [{"kind": kind} for kind in BEFORE_TRAINING]
    spec = Arm("untrained", "before training").spec(table.example, seed, scorers)
    return untrained_scores(spec, table.images, all_valid(catalogue()[spec.space]))


def trained(table: Table, arm: Arm, seed: int) -> Scored:
    """Score architectures by the supernets of a recipe.

    All valid ones by long training, for those scores `ranking_quality.py` goes on with.
    """
    spec = arm.spec(table.example, seed, [LOSS])
    space = catalogue()[spec.space]
    members = all_valid(space) if arm.steps > 1 else table.members(space)
    return trained_scores(spec, arm, table.images, members)


@lru_cache
def judge(table: Table, arm: Arm, seed: int) -> Judged:
    """Return all scores of a recipe beside the truth of a table."""
    scorers: list[Row] = [{"kind": kind} for kind in KINDS]
    spec = arm.spec(table.example, seed, scorers)
    space = catalogue()[spec.space]
    both = before_training(table, seed).scores | trained(table, arm, seed).scores
    _, known = builtin()[table.benchmark]
    codes = tuple(code for code in known.entries if space.is_valid(space.decode(code)))
    return Judged(
        table=table,
        spec=spec,
        scores={code: {kind: both[kind][code] for kind in both} for code in both["loss"]},
        codes=codes,
        truth=np.array([known.entries[code].accuracy for code in codes]),
    )


def recipe_tau(arm: Arm) -> float:
    """Return the mean tau of a recipe's supernets by themselves."""
    judged = [judge(table, arm, seed) for table, seed in RUNS]
    return statistics.mean(
        one.tau([one.scores[code]["loss"] for code in one.codes]) for one in judged
    )


def longer(arm: Arm) -> Arm:
    """Return the recipe with more steps."""
    return dataclasses.replace(
        arm, name=f"{arm.name}-long", title=f"{arm.title}, {LONGER} times the steps", steps=LONGER
    )


def choose(recipe: Arm, compared: Mapping[Arm, float], judged: Sequence[Judged]) -> Row:
    """Choose list and calibration, print the choice, and return it to be kept."""
    by_table: dict[str, list[Judged]] = {}
    for one in judged:
        by_table.setdefault(one.table.benchmark, []).append(one)
    bagged = {name: bagged_weights(runs) for name, runs in by_table.items()}
    *_, nearest = bagged
    chosen = {
        kind: weight
        for kind, weight in zip(KINDS, bagged[nearest].tolist(), strict=True)
        if weight >= LEAST_WEIGHT
    }
    regressions = calibration_taus(judged, tuple(chosen))
    form = max(regressions, key=lambda option: regressions[option])
    alone = {
        kind: {name: mean_tau(runs, _unit(kind)) for name, runs in by_table.items()}
        for kind in KINDS
    }
    told = {
        f"bagged on {source}": {name: mean_tau(runs, weights) for name, runs in by_table.items()}
        for source, weights in bagged.items()
    }
    by_form = sorted(regressions.items(), key=lambda item: -item[1])
    print_table(
        ["choice", *by_table],
        [
            [title, *(f"{tau:.3f}" for tau in taus.values())]
            for title, taus in (alone | told).items()
        ],
    )
    print_table(
        ["choice", "mean tau over tables"],
        [
            *([f"recipe {arm.title}", f"{tau:.4f}"] for arm, tau in compared.items()),
            *([_form_title(option), f"{tau:.4f}"] for option, tau in by_form),
        ],
    )
    weights = {kind: round(weight, 2) for kind, weight in chosen.items()}
    print_figures({"recipe": recipe.name, "weights": dict(weights)})
    return {
        "seed": 0,
        **provenance(),
        "recipe": dataclasses.asdict(recipe),
        "of": list(weights),
        "weights": list(weights.values()),
        "calibrated": form.model_dump(mode="json", exclude={"kind", "of"}),
        "taus": {
            "seeds": list(SEEDS),
            "recipes": {arm.name: round(tau, 4) for arm, tau in compared.items()},
            "scorers": _rounded(alone),
            "lists": _rounded(told),
            "weights": {
                name: dict(zip(KINDS, np.round(found, 3).tolist(), strict=True))
                for name, found in bagged.items()
            },
            "calibrations": {_form_title(option): round(tau, 4) for option, tau in by_form},
        },
    }


def bagged_weights(judged: Sequence[Judged]) -> Values:
    """Return the mean weights of the lists that are best for resamples of one table.

    Args:
        judged: runs of different seeds, by the same table.

    Returns:
        Weights of all kinds, the greatest of which is 1, shape (kinds,).
    """
    lists = all_lists()
    earlier, later = np.triu_indices(len(judged[0].truth), 1)
    truth = np.sign(judged[0].truth[earlier] - judged[0].truth[later])
    # Shape (pairs, lists): 1 where a list orders a pair as the truth does, -1 where the other way round.
    agrees = np.zeros((len(truth), len(lists)), dtype=np.float32)
    for one in judged:
        scores = one.log_places(KINDS) @ lists.T
        agrees += truth[:, None] * np.sign(scores[earlier] - scores[later]) / len(judged)
    number = len(judged[0].truth)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(number, np.full(number, 1 / number), size=NUM_RESAMPLES)
    # Copies of one architecture are no pair. What divides the sum is the same for all lists.
    concordance = (drawn[:, earlier] * drawn[:, later]).astype(np.float32) @ agrees
    found = lists[concordance.argmax(axis=1)].mean(axis=0)
    weights: Values = found / found.max()
    return weights


def all_lists() -> Values:
    """Return the weights of every list, which add up to 1, shape (lists, kinds)."""
    found = [
        [weight, *(float(kind in of) for kind in BEFORE_TRAINING)]
        for number in range(1, len(BEFORE_TRAINING) + 1)
        for of, weight in product(combinations(BEFORE_TRAINING, number), LOSS_WEIGHTS)
    ]
    return np.array([np.array(weights) / sum(weights) for weights in found])


def mean_tau(judged: Sequence[Judged], weights: Values) -> float:
    """Return the mean tau of a list over runs."""
    return statistics.mean(one.tau(one.log_places(KINDS) @ weights) for one in judged)


def calibration_taus(
    judged: Sequence[Judged], of: tuple[str, ...]
) -> dict[CalibratedScorer, float]:
    """Return the mean tau of every form of calibration over draws of landmarks."""
    found: dict[CalibratedScorer, float] = {}
    for option in CALIBRATIONS:
        scorer = option.model_copy(update={"of": of})
        found[scorer] = statistics.mean(
            calibrated_tau(one, scorer, draw)
            for one, draw in product(judged, range(NUM_DRAWS))
            if one.spec.seed == SEEDS[0]
        )
    return found


def calibrated_tau(judged: Judged, scorer: CalibratedScorer, draw: int) -> float:
    """Return the tau of the architectures that are no landmarks."""
    chosen = set(stream(draw, "landmarks").sample(sorted(judged.codes), NUM_LANDMARKS))
    truth = dict(zip(judged.codes, judged.truth.tolist(), strict=True))
    landmarks = {code: truth[code] for code in judged.codes if code in chosen}
    others = [code for code in judged.codes if code not in chosen]
    scores = combined_scores(judged.spec, scorer, judged.scores, others, landmarks)
    kept = np.array([truth[code] for code in others])
    return kendall_tau(np.array(scores), kept) or 0.0


def _unit(kind: str) -> Values:
    return np.array([float(kind == one) for one in KINDS])


def _rounded(taus: Mapping[str, Mapping[str, float]]) -> Row:
    return {
        title: {name: round(tau, 4) for name, tau in found.items()}
        for title, found in taus.items()
    }


def _form_title(scorer: CalibratedScorer) -> str:
    kernel = f" {scorer.kernel}" if scorer.model == "gaussian-process" else ""
    return f"{scorer.model}{kernel}, {scorer.target}, {scorer.architecture_features}"


if __name__ == "__main__":
    main()
