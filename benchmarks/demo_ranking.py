"""How well does the demo's experiment rank digits-mini? Kendall tau of five seeds.

Executes `examples/digits-mini.yaml` with seeds 0 to 4 and compares the scores of all valid cells
with their stand-alone accuracy, beside the benchmark's noise ceiling and what the nonlinearity
count and the parameters rank without any training. A seed measured before is read from
`results/demo_ranking/`; delete its file to measure it again. About a minute per seed.

    python benchmarks/demo_ranking.py [--seed 0 1 ...]
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import yaml
from measuring.execution import correlate, execute, ranking_figures
from measuring.report import RESULTS, Row, keep, print_figures, print_table, provenance

from nas.benchmarks.table import GroundTruth, builtin
from nas.data.digits import digits
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Space
from nas.spec import RunSpec

SPEC = Path(__file__).parent.parent / "examples" / "digits-mini.yaml"
KEPT = RESULTS / "demo_ranking"
SEEDS = (0, 1, 2, 3, 4)


def main() -> None:
    """Measure the seeds that are missing, then print all of them and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", nargs="+", type=int, default=list(SEEDS), choices=SEEDS)
    arguments = parser.parse_args()
    for seed in arguments.seed:
        path = KEPT / f"seed{seed}.json"
        if not path.exists():
            keep(path, measure(seed))
    show([json.loads(path.read_text()) for path in sorted(KEPT.glob("seed*.json"))])


def measure(seed: int) -> Row:
    """Execute the demo's experiment with one seed and return its row."""
    origin = provenance()
    spec = RunSpec.model_validate({**yaml.safe_load(SPEC.read_text()), "seed": seed})
    space = catalogue()[spec.space]
    truth, table = _truth(spec)
    done = execute(spec, space, digits())
    row: Row = {
        "seed": seed,
        **origin,
        "updates": dict(done.updates),
        "subspaces": [
            {"label": part.title, "all": part.size.all, "valid": part.size.valid}
            for part in done.experiment.partition.subspaces
        ],
        "noise_ceiling": table.noise_ceiling,
        "count_alone_tau": _alone(space, truth, space.nonlinearity_count),
        "parameters_alone_tau": _alone(space, truth, space.parameters),
        "wall_minutes": round(done.wall_minutes, 2),
        "cpu_minutes": round(done.cpu_minutes, 2),
        "spec": spec.model_dump(mode="json"),
    }
    for scorer, scores in done.scores.items():
        rank = correlate(space, scores, truth, None)
        best = max(scores, key=scores.__getitem__)
        row[scorer] = {
            **ranking_figures(rank),
            "best_cell": best,
            "best_cell_true_rank": 1 + sum(truth[code] > truth[best] for code in scores),
        }
    return row


def show(rows: list[Row]) -> None:
    """Print one line per seed, then the median against ceiling and count."""
    header = ["seed", "tau", "95 % interval", "tau accuracy", "best cell's true rank", "minutes"]
    table = []
    for row in rows:
        loss, accuracy = _scored(row, "loss"), _scored(row, "accuracy")
        table.append(
            [
                str(row["seed"]),
                f"{loss['tau']:.3f}",
                f"{loss['tau_low']:.3f} to {loss['tau_high']:.3f}",
                f"{accuracy['tau']:.3f}",
                f"{loss['best_cell_true_rank']:.0f} of {loss['num_architectures']:.0f}",
                f"{row['wall_minutes']:.1f}",
            ]
        )
    print_table(header, table)
    median = statistics.median(_scored(row, "loss")["tau"] for row in rows)
    ceiling = float(str(rows[0]["noise_ceiling"]))
    print(f"Median tau is {median / ceiling:.0%} of the noise ceiling {ceiling:.3f}.")
    print_figures(
        {
            "tau_median": round(median, 4),
            "noise_ceiling": ceiling,
            "share_of_ceiling": round(median / ceiling, 4),
            "count_alone_tau": rows[0]["count_alone_tau"],
            "parameters_alone_tau": rows[0]["parameters_alone_tau"],
            "seeds": len(rows),
            "minutes_max": max(float(str(row["wall_minutes"])) for row in rows),
        }
    )


def _truth(spec: RunSpec) -> tuple[dict[str, float], GroundTruth]:
    assert spec.benchmark is not None
    _, table = builtin()[spec.benchmark]
    return {code: entry.accuracy for code, entry in table.entries.items()}, table


def _alone(
    space: Space, truth: dict[str, float], figure: Callable[[Architecture], int]
) -> float | None:
    members = {code: space.decode(code) for code in truth}
    scores = {
        code: float(figure(member)) for code, member in members.items() if space.is_valid(member)
    }
    return correlate(space, scores, truth, None).tau.value


def _scored(row: Row, scorer: str) -> dict[str, float]:
    found: dict[str, float] = row[scorer]  # type: ignore[assignment]  # written by `measure`
    return found


if __name__ == "__main__":
    main()
