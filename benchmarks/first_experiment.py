"""Does few-shot training rank NAS-Bench-201 better than one-shot? Kendall tau on CIFAR-10.

Executes `examples/nas-bench-201-cifar10.yaml` and its variants with seeds 0, 1 and 2, all at the
same total of optimizer steps on one cosine, and compares the scores of 1,000 random valid cells
with their stand-alone accuracy. A row that was measured before is read from
`results/first_experiment/`; delete its file to measure it again. A row takes minutes.

    python benchmarks/first_experiment.py [--variant few-shot ...] [--seed 0 ...]

Needs the shared data: `../shared/data`, or the folder that EFSNAS_SHARED_DATA names.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import yaml
from measuring.execution import Execution, Scores, correlate, execute, ranking_figures
from measuring.report import RESULTS, Row, keep, print_figures, print_table, provenance
from pydantic import JsonValue

from nas.benchmarks.table import read_table
from nas.data.dataset import ImageDataset
from nas.data.importing import import_dataset
from nas.spaces import catalogue
from nas.spaces.base import Space
from nas.spec import RunSpec

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "examples" / "nas-bench-201-cifar10.yaml"
SHARED = Path(os.environ.get("EFSNAS_SHARED_DATA", ROOT.parent / "shared" / "data"))
CACHE = ROOT / "var" / "benchmarks" / "cifar10-16.npz"
KEPT = RESULTS / "first_experiment"
SEEDS = (0, 1, 2)


def few_shot(spec: Row) -> Row:
    """K = 3: half of the steps on one shared supernet, then private copies."""
    return spec


def cold(spec: Row) -> Row:
    """K = 3 without warm-up: private supernets from the first step."""
    return _with_training(spec, warm_up_steps=0)


def one_shot(spec: Row) -> Row:
    """One supernet, architectures drawn uniformly."""
    spec = _with_training(spec, warm_up_steps=0, sampler={"kind": "uniform"})
    return {**spec, "splitter": {"kind": "nonlinearity", "num_subspaces": 1}}


def one_shot_balanced(spec: Row) -> Row:
    """One supernet, architectures drawn as in few-shot: it is the warm-up, all steps long.

    One more step has to follow a warm-up; the shared supernet is scored before it.
    """
    training = spec["training"]
    assert isinstance(training, dict)
    steps = training["steps"]
    assert isinstance(steps, int)
    return _with_training(spec, warm_up_steps=steps, steps=steps + 1)


VARIANTS: dict[str, Callable[[Row], Row]] = {
    "few-shot": few_shot,
    "one-shot": one_shot,
    "one-shot-balanced": one_shot_balanced,
    "cold": cold,
}


def main() -> None:
    """Measure what is missing, then print every row and the figures of few-shot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seed", nargs="+", type=int, default=list(SEEDS))
    arguments = parser.parse_args()
    for seed in arguments.seed:
        for variant in arguments.variant:
            path = KEPT / f"{variant}-seed{seed}.json"
            if not path.exists():
                keep(path, measure(variant, seed))
    rows = [
        json.loads(path.read_text())
        for variant in VARIANTS
        for seed in SEEDS
        if (path := KEPT / f"{variant}-seed{seed}.json").exists()
    ]
    show(rows)


def measure(variant: str, seed: int) -> Row:
    """Execute one variant with one seed and return its row."""
    origin = provenance()
    spec = RunSpec.model_validate(
        {**VARIANTS[variant](yaml.safe_load(SPEC.read_text())), "name": variant, "seed": seed}
    )
    space = catalogue()[spec.space]
    table = read_table(SHARED / "nas-bench-201-cifar10-test.csv", space)
    truth = {code: entry.accuracy for code, entry in table.entries.items()}
    by_warm_up = variant == "one-shot-balanced"
    done = execute(spec, space, dataset(), rank_by_warm_up=by_warm_up)
    return {
        "variant": variant,
        "seed": seed,
        **origin,
        "steps": spec.training.steps,
        "updates": dict(done.updates),
        "num_architectures": len(done.scores["loss"]),
        "validation_images": len(done.experiment.dataset.validation),
        "wall_minutes": round(done.wall_minutes, 2),
        "cpu_minutes": round(done.cpu_minutes, 2),
        "correlations": correlations(done, truth),
        "count_alone_tau": _count_alone(space, done.scores, truth),
        "spec": spec.model_dump(mode="json"),
    }


def correlations(done: Execution, truth: dict[str, float]) -> JsonValue:
    """Return, per scorer, the correlation overall and inside each class of the partition."""
    space = done.experiment.space
    classes = {"all": None, "count 0-1": {0, 1}, "count 2": {2}, "count 3": {3}}
    result: dict[str, JsonValue] = {}
    for scorer, values in done.scores.items():
        found: dict[str, JsonValue] = {}
        for name, counts in classes.items():
            rank = correlate(space, values, truth, None if counts is None else frozenset(counts))
            found[name] = ranking_figures(rank)
        result[scorer] = found
    return result


def dataset() -> ImageDataset:
    """Return CIFAR-10 at 16x16 pixels with 1,000 validation images, imported once."""
    recorded = CACHE.with_suffix(".sha256")
    if not (CACHE.exists() and recorded.exists()):
        print(f"importing {SHARED / 'cifar10-images.zip'}", file=sys.stderr, flush=True)
        images = import_dataset(
            SHARED / "cifar10-images.zip", size=16, num_validation=1000, split_seed=0
        )
        recorded.parent.mkdir(parents=True, exist_ok=True)
        recorded.write_text(images.save(CACHE))
    return ImageDataset.load(CACHE, recorded.read_text())


def show(rows: list[Row]) -> None:
    """Print all rows, the medians of each variant, and the figures of few-shot."""
    header = ["variant", "seed", "tau", "95 % interval", "tau accuracy", "top half", "minutes"]
    table, medians, minutes = [], {}, {}
    for variant in VARIANTS:
        of_variant = [row for row in rows if row["variant"] == variant]
        for row in of_variant:
            loss, accuracy = _overall(row, "loss"), _overall(row, "accuracy")
            table.append(
                [
                    variant,
                    str(row["seed"]),
                    f"{loss['tau']:.3f}",
                    f"{loss['tau_low']:.3f} to {loss['tau_high']:.3f}",
                    f"{accuracy['tau']:.3f}",
                    f"{loss['top_half_tau']:.3f}",
                    f"{row['wall_minutes']:.1f}",
                ]
            )
        if of_variant:
            medians[variant] = statistics.median(
                _overall(row, "loss")["tau"] for row in of_variant
            )
            minutes[variant] = max(float(str(row["wall_minutes"])) for row in of_variant)
            table.append([f"{variant}, median", "", f"{medians[variant]:.3f}", "", "", "", ""])
    print_table(header, table)
    print(_verdict(medians))
    print_figures(
        {
            "tau_median": None if "few-shot" not in medians else round(medians["few-shot"], 4),
            "minutes_max": minutes.get("few-shot"),
            **{f"tau_median_{name}": round(tau, 4) for name, tau in medians.items()},
        }
    )


def _verdict(medians: dict[str, float]) -> str:
    if "few-shot" not in medians:
        return "Few-shot has not been measured."
    others = {name: tau for name, tau in medians.items() if name != "few-shot"}
    if not others:
        return "Few-shot has been compared with nothing yet."
    better = [name for name, tau in others.items() if tau >= medians["few-shot"]]
    if better:
        return f"Few-shot does not win: {', '.join(better)} ranked no worse (median tau)."
    return "Few-shot has the best median tau of these variants."


def _overall(row: Row, scorer: str) -> dict[str, float]:
    found: dict[str, dict[str, dict[str, float]]] = row["correlations"]  # type: ignore[assignment]  # own file
    return found[scorer]["all"]


def _count_alone(space: Space, scores: Scores, truth: dict[str, float]) -> float | None:
    counts = {code: float(space.nonlinearity_count(space.decode(code))) for code in scores["loss"]}
    return correlate(space, counts, truth, None).tau.value


def _with_training(spec: Row, **changes: JsonValue) -> Row:
    training = spec["training"]
    assert isinstance(training, dict)
    return {**spec, "training": {**training, **changes}}


if __name__ == "__main__":
    main()
