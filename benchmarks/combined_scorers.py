"""How well do scorers rank digits-mini, and what do combined ones add?

Executes `examples/digits-mini.yaml` with all scorers, and scores all valid cells: Kendall tau of every
scorer alone (the table of docs/scorers.md). Then draws 20 landmarks from the benchmark, ten times: tau
of components, rank sum and calibration, of the cells which are no landmarks (docs/combined-scorers.md).
A seed measured before is read from `results/combined_scorers/`; delete its file to measure it again.
About three minutes per seed.

    python benchmarks/combined_scorers.py [--seed 0 1 ...]
"""

import argparse
import json
import statistics
from pathlib import Path

import yaml
from measuring.execution import Execution, correlate, execute
from measuring.report import RESULTS, Row, keep, print_figures, print_table, provenance

from nas.benchmarks.table import builtin
from nas.data.digits import digits
from nas.ranking.combination import combine, learn
from nas.ranking.scorers.base import CombinedScorer
from nas.ranking.scorers.calibrated import CalibratedScorer
from nas.ranking.scorers.rank_sum import RankSumScorer
from nas.seeds import stream
from nas.spaces import catalogue
from nas.spec import RunSpec

SPEC = Path(__file__).parent.parent / "examples" / "digits-mini.yaml"
KEPT = RESULTS / "combined_scorers"
SEEDS = (0, 1, 2)
MEASURED = ("loss", "accuracy", "flops", "nonlinearity-count", "live-conv-params")
ALONE = (
    *MEASURED,
    "synflow",
    "naswot",
    "expressivity",
    "progressivity",
    "trainability",
    "ntk-min-eigenvalue",
    "zico",
    "sigeo",
)
NUM_DRAWS = 10
NUM_LANDMARKS = 20
COMBINED: dict[str, CombinedScorer] = {
    "rank-sum of the five": RankSumScorer(of=MEASURED),
    "rank-sum of loss and flops": RankSumScorer(of=("loss", "flops")),
    "calibrated, Gaussian process": CalibratedScorer(of=MEASURED),
    "calibrated, Gaussian process, loss alone": CalibratedScorer(of=("loss",)),
    "calibrated, ridge": CalibratedScorer(of=MEASURED, model="ridge"),
}


def main() -> None:
    """Measure the seeds that are missing, then print all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", nargs="+", type=int, default=list(SEEDS), choices=SEEDS)
    arguments = parser.parse_args()
    for seed in arguments.seed:
        path = KEPT / f"seed{seed}.json"
        if not path.exists():
            keep(path, measure(seed))
    show([json.loads(path.read_text()) for path in sorted(KEPT.glob("seed*.json"))])


def measure(seed: int) -> Row:
    """Execute the experiment with one seed and return its row."""
    origin = provenance()
    content = yaml.safe_load(SPEC.read_text())
    content["ranking"]["scorers"] = [{"kind": kind} for kind in ALONE]
    spec = RunSpec.model_validate({**content, "seed": seed})
    done = execute(spec, catalogue()[spec.space], digits())
    assert spec.benchmark is not None
    _, table = builtin()[spec.benchmark]
    truth = {code: entry.accuracy for code, entry in table.entries.items()}
    taus: dict[str, list[float | None]] = {name: [] for name in (*MEASURED, *COMBINED)}
    left_out: dict[str, list[float | None]] = {
        name: [] for name, scorer in COMBINED.items() if scorer.needs_landmarks
    }
    for draw in range(NUM_DRAWS):
        codes = sorted(done.scores["loss"])
        chosen = stream(seed, "landmarks", draw).sample(codes, NUM_LANDMARKS)
        landmarks = {code: truth[code] for code in chosen}
        others = [code for code in codes if code not in landmarks]
        for kind in MEASURED:
            scores = {code: done.scores[kind][code] for code in others}
            taus[kind].append(_tau(done, scores, truth))
        for name, scorer in COMBINED.items():
            scores, learned_tau = combined_scores(done, scorer, landmarks, others)
            taus[name].append(_tau(done, scores, truth))
            if scorer.needs_landmarks:
                left_out[name].append(learned_tau)
    return {
        "seed": seed,
        **origin,
        "num_landmarks": NUM_LANDMARKS,
        "num_ranked": len(done.scores["loss"]) - NUM_LANDMARKS,
        "alone": {kind: _tau(done, done.scores[kind], truth) for kind in ALONE},
        "taus": {name: list(found) for name, found in taus.items()},
        "left_out_taus": {name: list(found) for name, found in left_out.items()},
        "noise_ceiling": table.noise_ceiling,
        "wall_minutes": round(done.wall_minutes, 2),
        "cpu_minutes": round(done.cpu_minutes, 2),
        "spec": spec.model_dump(mode="json"),
    }


def combined_scores(
    done: Execution, scorer: CombinedScorer, landmarks: dict[str, float], codes: list[str]
) -> tuple[dict[str, float], float | None]:
    """Return the scores of some architectures, and the tau of landmarks that were left out."""
    partition, ranking = done.experiment.partition, done.experiment.spec.ranking
    table = {
        code: {kind: scores[code] for kind, scores in done.scores.items()}
        for code in done.scores["loss"]
    }
    learned = learn(combine(ranking, partition, scorer, table), table, landmarks)
    ready = combine(ranking, partition, scorer, table, learned)
    members = [partition.space.decode(code) for code in codes]
    values = [[table[code][kind] for kind in ready.components] for code in codes]
    scores = dict(zip(codes, ready.scores(members, values), strict=True))
    return scores, None if learned is None else learned.left_out_tau


def show(rows: list[Row]) -> None:
    """Print the taus of every scorer alone; then means over the draws of each seed, and the spread."""
    print_table(
        ["scorer alone", *(f"seed {row['seed']}" for row in rows)],
        [[kind, *(_alone(row, kind) for row in rows)] for kind in ALONE],
    )
    header = ["scorer", *(f"seed {row['seed']}" for row in rows), "lowest", "highest", "left out"]
    table, figures = [], {}
    for name in (*MEASURED, *COMBINED):
        found = [_numbers(row, "taus", name) for row in rows]
        everything = [tau for taus in found for tau in taus]
        left_out = [tau for row in rows for tau in _numbers(row, "left_out_taus", name)]
        figures[name] = round(statistics.mean(everything), 4)
        table.append(
            [
                name,
                *(f"{statistics.mean(taus):.3f}" for taus in found),
                f"{min(everything):.3f}",
                f"{max(everything):.3f}",
                f"{statistics.mean(left_out):.3f}" if left_out else "–",
            ]
        )
    print_table(header, table)
    print(
        f"Mean tau over {NUM_DRAWS} draws of {rows[0]['num_landmarks']} landmarks per seed, of the "
        f"{rows[0]['num_ranked']} other cells; left out: mean leave-one-out tau of the landmarks. "
        f"Noise ceiling {rows[0]['noise_ceiling']:.3f}."
    )
    print_figures({"mean_taus": {**figures}, "seeds": len(rows)})


def _tau(done: Execution, scores: dict[str, float], truth: dict[str, float]) -> float | None:
    return correlate(done.experiment.space, scores, truth, None).tau.value


def _alone(row: Row, kind: str) -> str:
    taus = row["alone"]
    assert isinstance(taus, dict)
    return f"{taus[kind]:.3f}"


def _numbers(row: Row, field: str, name: str) -> list[float]:
    taus: dict[str, list[float]] = row[field]  # type: ignore[assignment]  # written by `measure`
    return taus.get(name, [])


if __name__ == "__main__":
    main()
