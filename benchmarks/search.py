"""What do the searchers find on NAS-Bench-201, and what do they cost?

Scores are those of the committed ranking of `ranking_quality.py`, which has seen no accuracy; every
searcher has its default parameters, 300 evaluations and ten seeds. The published table then tells
what was found.

* winners: true accuracy of the best candidate of every searcher of one objective, and its regret,
  beside random search with the same seed and budget;
* fronts: what the searchers of score and FLOPs found, looked at with true accuracies: its
  hypervolume as a share of that of the true front;
* overhead: processor time of an evolution beside that of scoring its candidates;
* look-ups: 100,000 evaluations in a space of 5^10 cells whose scores are known.

What was measured before is read from `results/search/`; delete a file to measure it again. With
`--short` everything is measured on little work, and neither kept nor judged. Orders of scores are
read from `results/scored/`; without them the supernets are trained first.

    python benchmarks/search.py [--short]

Needs the shared data: `../shared/data`, or the folder that EFSNAS_SHARED_DATA names.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import scipy
import torch
from first_experiment import dataset
from measuring.report import RESULTS, Row, measured_row, number_of, print_figures, print_table
from ranking_quality import EXAMPLE, Choice, scored, truth, valid
from ranking_quality import SEEDS as RANKINGS

from nas.events import CandidateEvaluated
from nas.experiment import Experiment
from nas.partition.none import NoneSplitter
from nas.pipeline import search_unit
from nas.ranking.metrics import CONFIDENCE
from nas.search.base import Searcher
from nas.search.evolution import EvolutionSearcher
from nas.search.local_search import LocalSearcher
from nas.search.loop import search
from nas.search.nsga2 import Nsga2Searcher
from nas.search.pareto import hypervolume, pareto_front
from nas.search.pareto_novelty import ParetoNoveltySearcher
from nas.search.random import RandomSearcher
from nas.search.regularised_evolution import RegularisedEvolutionSearcher
from nas.search.state import SearchState
from nas.seeds import stream
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Space
from nas.spaces.cell import CellSpace
from nas.training.state import fresh_state

KEPT = RESULTS / "search"
SEEDS = range(10)
BUDGET = 300
MANY = 100_000
SCORER = "rank-sum"
OBJECTIVES = (SCORER, "flops")
OF_ONE: tuple[type[Searcher], ...] = (
    RandomSearcher,
    EvolutionSearcher,
    RegularisedEvolutionSearcher,
    LocalSearcher,
)
OF_SEVERAL: tuple[type[Searcher], ...] = (RandomSearcher, Nsga2Searcher, ParetoNoveltySearcher)
REFERENCE = (1.05, 1.05)
"""Of the hypervolume, in units of what the valid cells span; as in arXiv 2407.20656."""

LIMITS: Mapping[str, float] = {"evolution_accuracy": 93.6, "evolution_gain": 0.0}
OVERHEAD_LIMIT = 0.05
SECONDS_LIMIT = 30.0

Scored = Callable[[Architecture], float]


def main() -> None:
    """Measure what is missing, print it, and fail below the limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="measure on little work")
    short = parser.parse_args().short
    torch.set_num_threads(1)
    rows = {
        name: measured_row(KEPT, name, measure, short=short)
        for name, measure in MEASUREMENTS.items()
    }
    show(rows)
    found = figures(rows)
    print_figures(found)
    failed = [] if short else missed(found)
    if failed:
        sys.exit("; ".join(failed))


def measure_winners(short: bool) -> Row:
    """Search for the best score with every searcher of one objective."""
    found: Row = {"seed": 0, "choice_commit": Choice.read().commit}
    for made in OF_ONE:
        searcher = made(scorer=SCORER, budget=BUDGET)  # type: ignore[call-arg]  # fields of the base
        found[searcher.kind] = [winner(searcher, seed) for seed in seeds(short)]
    best = max(truth()[code] for code in map(_space().encode, valid()))
    highest = [max(valid(), key=ranking(one)) for one in RANKINGS]
    return found | {
        "best_accuracy": best,
        "accuracy_of_highest_scores": [truth()[_space().encode(one)] for one in highest],
    }


def winner(searcher: Searcher, seed: int) -> Row:
    """Return score and true accuracy of the candidate that a search prefers."""
    scores = ranking(RANKINGS[seed % len(RANKINGS)])
    state = searched(_space(), searcher, scores, seed)
    best = max(state.evaluations, key=lambda one: one.score)
    return {
        "seed": seed,
        "evaluations": len(state.evaluations),
        "score": round(best.score, 6),
        "accuracy": truth()[_space().encode(best.architecture)],
    }


def measure_fronts(short: bool) -> Row:
    """Search for trade-offs of score and FLOPs, and look at them with true accuracies."""
    found: Row = {"seed": 0, "choice_commit": Choice.read().commit}
    every = true_points(valid())
    whole = hypervolume([every[place] for place in pareto_front(every)], REFERENCE)
    for made in OF_SEVERAL:
        searcher = made(scorer=SCORER, objectives=OBJECTIVES, budget=BUDGET)  # type: ignore[call-arg]  # fields of the base
        found[searcher.kind] = [
            round(front_volume(searcher, seed) / whole, 5) for seed in seeds(short)
        ]
    return found | {"true_front": round(whole, 5)}


def front_volume(searcher: Searcher, seed: int) -> float:
    """Return the true hypervolume of what a search takes for its Pareto front."""
    scores = ranking(RANKINGS[seed % len(RANKINGS)])
    evaluations = searched(_space(), searcher, scores, seed).evaluations
    places = pareto_front([searcher.losses(one.objectives) for one in evaluations])
    return hypervolume(
        true_points([evaluations[place].architecture for place in places]), REFERENCE
    )


def true_points(members: Sequence[Architecture]) -> list[tuple[float, float]]:
    """Return error and FLOPs, each 0 for the least and 1 for the greatest of all valid cells."""
    every = np.array([_true_point(one) for one in valid()])
    found = np.array([_true_point(one) for one in members])
    scaled = (found - every.min(axis=0)) / (every.max(axis=0) - every.min(axis=0))
    return [(error, flops) for error, flops in scaled.tolist()]


@cache
def _true_point(one: Architecture) -> tuple[float, float]:
    return 100 - truth()[_space().encode(one)], float(_space().flops(one))


def measure_overhead(short: bool) -> Row:
    """Time an evolution with supernets, and what is left of it without scoring."""
    spec = Choice.read().recipe.spec(EXAMPLE, 0, [{"kind": "loss"}])
    budget = 16 if short else BUDGET
    spec = spec.model_copy(update={"search": EvolutionSearcher(budget=budget)})
    experiment = Experiment(spec, _space(), spec.partition(_space()), dataset())
    states = [fresh_state(experiment, one.index) for one in experiment.partition.subspaces]
    known: dict[str, float] = {}
    began = time.process_time()
    for event in search_unit(experiment, states, SearchState()):
        assert isinstance(event, CandidateEvaluated)
        known[event.architecture] = event.score
    whole = time.process_time() - began
    began = time.process_time()
    searcher = EvolutionSearcher(budget=budget)
    searched(_space(), searcher, lambda one: known[_space().encode(one)], spec.seed)
    beside = time.process_time() - began
    return {
        "seed": spec.seed,
        "evaluations": len(known),
        "seconds": round(whole, 3),
        "seconds_beside_scoring": round(beside, 4),
        "share": round(beside / whole, 5),
    }


def measure_look_ups(short: bool) -> Row:
    """Search a large space of known scores with every searcher, and time it."""
    space = CellSpace.model_validate(
        _space().model_dump(exclude={"edges"}) | {"name": "ten-decisions", "num_nodes": 5}
    )
    rng = stream(0, "look-ups")
    gains = [{name: rng.random() for name in choices} for choices in space.choices]
    budget = 500 if short else MANY
    found: Row = {"seed": 0, "evaluations": budget}
    for made in dict.fromkeys((*OF_ONE, *OF_SEVERAL)):
        objectives = OBJECTIVES if made in OF_SEVERAL and made is not RandomSearcher else None
        searcher = made(scorer=SCORER, objectives=objectives, budget=budget)  # type: ignore[call-arg]  # fields of the base
        began = time.process_time()
        state = searched(space, searcher, lambda one: _gain(gains, one), seed=0)
        assert len(state.evaluations) == budget
        found[searcher.kind] = round(time.process_time() - began, 2)
    return found


def _gain(gains: Sequence[Mapping[str, float]], one: Architecture) -> float:
    return sum(gain[name] for gain, name in zip(gains, one, strict=True))


MEASUREMENTS: Mapping[str, Callable[[bool], Row]] = {
    "winners": measure_winners,
    "fronts": measure_fronts,
    "overhead": measure_overhead,
    "look-ups": measure_look_ups,
}


def seeds(short: bool) -> Sequence[int]:
    """Return the seeds of the searches."""
    return SEEDS[:2] if short else SEEDS


@cache
def ranking(seed: int) -> Scored:
    """Return the headline's scores of all valid cells by one seed of its supernets."""
    choice = Choice.read()
    ranked, _ = scored(choice.recipe, choice, seed, valid())
    codes = sorted(ranked.table)
    table = dict(zip(codes, ranked.combined(choice.rank_sum, codes), strict=True))
    return lambda one: table[_space().encode(one)]


def searched(space: Space, searcher: Searcher, scores: Scored, seed: int) -> SearchState:
    """Search by known scores to the end."""
    state = SearchState()
    partition = NoneSplitter().split(space)
    for _ in search(
        searcher, partition, lambda chunk: [(scores(one),) for one in chunk], state, seed
    ):
        pass
    return state


@cache
def _space() -> Space:
    return catalogue()["nas-bench-201"]


def show(rows: Mapping[str, Row]) -> None:
    """Print a line per searcher and measurement."""
    winners, fronts, look_ups = rows["winners"], rows["fronts"], rows["look-ups"]
    lines = []
    for kind in sorted({made.model_fields["kind"].default for made in (*OF_ONE, *OF_SEVERAL)}):
        accuracies = _column(winners, kind, "accuracy") if kind in winners else []
        lines.append(
            [
                kind,
                _spread(accuracies, 2),
                _spread([number_of(winners, "best_accuracy") - value for value in accuracies], 2),
                _spread(_list(fronts, kind) if kind in fronts else [], 3),
                f"{number_of(look_ups, kind):.1f}",
            ]
        )
    header = ["searcher", "true accuracy", "regret", "share of true hypervolume", "s per look-ups"]
    print_table(header, lines)
    of_highest = ", ".join(
        f"{value:.2f}" for value in _list(winners, "accuracy_of_highest_scores")
    )
    overhead = rows["overhead"]
    print(
        f"best cell {number_of(winners, 'best_accuracy'):.2f}; of the highest score {of_highest}"
    )
    low, high = gain_interval(winners)
    print(
        f"evolution beside random, paired over {len(_list(winners, 'evolution'))} seeds: "
        f"{statistics.mean(gains(winners)):+.3f} points, "
        f"{100 * CONFIDENCE:.0f} % interval {low:+.3f} to {high:+.3f}; higher score in "
        f"{score_wins(winners)}"
    )
    print(
        f"{number_of(overhead, 'seconds_beside_scoring'):.3f} of {number_of(overhead, 'seconds'):.1f} s "
        f"of an evolution of {overhead['evaluations']} are not scoring; "
        f"{look_ups['evaluations']} look-ups"
    )


def figures(rows: Mapping[str, Row]) -> Row:
    """Return what the promises are about."""
    winners, fronts = rows["winners"], rows["fronts"]
    evolution = statistics.mean(_column(winners, "evolution", "accuracy"))
    times = [number_of(rows["look-ups"], made.model_fields["kind"].default) for made in OF_ONE]
    times += [
        number_of(rows["look-ups"], made.model_fields["kind"].default) for made in OF_SEVERAL
    ]
    return {
        "evolution_accuracy": round(evolution, 3),
        "random_accuracy": round(statistics.mean(_column(winners, "random", "accuracy")), 3),
        "evolution_regret": round(number_of(winners, "best_accuracy") - evolution, 3),
        "evolution_gain": round(statistics.mean(gains(winners)), 3),
        "evolution_gain_low": round(gain_interval(winners)[0], 3),
        "score_wins": score_wins(winners),
        "searches": len(_list(winners, "evolution")),
        "nsga2_hypervolume": round(statistics.mean(_list(fronts, "nsga2")), 4),
        "pareto_novelty_hypervolume": round(statistics.mean(_list(fronts, "pareto-novelty")), 4),
        "random_hypervolume": round(statistics.mean(_list(fronts, "random")), 4),
        "overhead": number_of(rows["overhead"], "share"),
        "look_up_seconds": max(times),
    }


def missed(found: Row) -> list[str]:
    """Return a sentence for every promise that is not kept."""
    complaints = [
        f"{name} is {found[name]}, less than {limit}"
        for name, limit in LIMITS.items()
        if number_of(found, name) < limit
    ]
    if found["score_wins"] != found["searches"]:
        complaints.append(f"evolution scores higher in {found['score_wins']} searches only")
    if number_of(found, "overhead") >= OVERHEAD_LIMIT:
        complaints.append(f"overhead is {found['overhead']}, not below {OVERHEAD_LIMIT}")
    if number_of(found, "look_up_seconds") >= SECONDS_LIMIT:
        complaints.append(
            f"look_up_seconds is {found['look_up_seconds']}, not below {SECONDS_LIMIT}"
        )
    return complaints


def gains(winners: Row) -> list[float]:
    """Return by how many points evolution found a better cell than random search, per seed."""
    both = (_column(winners, kind, "accuracy") for kind in ("evolution", "random"))
    return [ours - other for ours, other in zip(*both, strict=True)]


def gain_interval(winners: Row) -> tuple[float, float]:
    """Return Student's interval of the mean gain."""
    found = np.array(gains(winners))
    error = found.std(ddof=1) / np.sqrt(len(found))
    half = scipy.stats.t.ppf((1 + CONFIDENCE) / 2, len(found) - 1) * error
    return float(found.mean() - half), float(found.mean() + half)


def score_wins(winners: Row) -> int:
    """Return in how many searches evolution found a higher score than random search."""
    both = (_column(winners, kind, "score") for kind in ("evolution", "random"))
    return sum(ours > other for ours, other in zip(*both, strict=True))


def _column(row: Row, kind: str, name: str) -> list[float]:
    found = row[kind]
    assert isinstance(found, list)
    return [number_of(one, name) for one in found]


def _list(row: Row, name: str) -> list[float]:
    found = row[name]
    assert isinstance(found, list)
    return found  # type: ignore[return-value]  # own file


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


if __name__ == "__main__":
    main()
