"""Trains every cell of `digits-mini` alone, with several seeds: the benchmark of the demo.

Writes `nas/benchmarks/digits-mini.json`: recipe, test accuracy per seed, noise ceiling. A cell and
seed trained before is read from `var/benchmarks/`, so the script can be stopped and started; give
disjoint seeds to train some in parallel. About one minute per seed on one core.

    python benchmarks/digits_mini.py [--seed 0 1 ...]
"""

import argparse
import hashlib
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from measuring.report import Row, print_figures, print_table, provenance

import nas.benchmarks
from nas.benchmarks.table import noise_ceiling
from nas.data.digits import digits
from nas.ranking.metrics import rank_correlation
from nas.spaces import catalogue
from nas.spaces.cell import CellSpace
from nas.spec import AugmentationSpec
from nas.training.standalone import StandAloneRecipe, StandAloneTrainer

SPACE = "digits-mini"
SEEDS = tuple(range(10))
# Noise on the training images and few epochs keep the cells apart: without them most reach 97 %,
# and their order is that of the seeds.
RECIPE = StandAloneRecipe(
    epochs=12,
    batch_size=64,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    augmentation=AugmentationSpec(gaussian_noise=0.5),
)
TABLE = Path(nas.benchmarks.__path__[0]) / "digits-mini.json"


def main() -> None:
    """Train what is missing; with all seeds there, write the benchmark. Print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", nargs="+", type=int, default=list(SEEDS), choices=SEEDS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    space = catalogue()[SPACE]
    assert isinstance(space, CellSpace)
    folder = _folder(space)
    for seed in arguments.seed:
        train_all(space, seed, folder / f"seed-{seed}.jsonl")
    by_seed = [read(folder / f"seed-{seed}.jsonl") for seed in SEEDS]
    codes = [space.encode(architecture) for architecture in space.enumerate()]
    if any(len(values) < len(codes) for values in by_seed):
        show_progress(by_seed, len(codes))
        return
    values = {code: [round(seed[code], 2) for seed in by_seed] for code in codes}
    valid = {code: values[code] for code in codes if space.is_valid(space.decode(code))}
    ceiling = round(noise_ceiling(valid, seed=0), 4)
    write_table(values, ceiling)
    show(space, values, ceiling)


def train_all(space: CellSpace, seed: int, path: Path) -> None:
    """Train every cell that `path` does not hold yet, and append its accuracy."""
    known = read(path)
    trainer = StandAloneTrainer(space, digits(), RECIPE)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for architecture in space.enumerate():
            code = space.encode(architecture)
            if code not in known:
                accuracy = trainer.test_accuracy(architecture, seed)
                file.write(json.dumps({"architecture": code, "accuracy": accuracy}) + "\n")
                file.flush()
    print(f"seed {seed} is trained", file=sys.stderr, flush=True)


def read(path: Path) -> dict[str, float]:
    """Return the accuracies in percent that `path` holds; an interrupted last line is left out."""
    if not path.exists():
        return {}
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    rows = [json.loads(line) for line in lines]
    return {row["architecture"]: row["accuracy"] for row in rows}


def write_table(values: dict[str, list[float]], ceiling: float) -> None:
    """Write the benchmark, one line per architecture."""
    table: Row = {
        "space": SPACE,
        "dataset": "digits",
        "recipe": {
            **RECIPE.model_dump(mode="json"),
            "optimizer": "SGD, Nesterov, cosine to 0",
            "figure": "accuracy in percent on the 400 test images, without noise",
            "script": "benchmarks/digits_mini.py",
            **provenance(),
        },
        "seeds": list(SEEDS),
        "noise_ceiling": ceiling,
        "entries": {},
    }
    lines = ",\n".join(f"  {json.dumps(code)}: {seeds}" for code, seeds in values.items())
    head = json.dumps(table, indent=1)
    TABLE.write_text(head.replace('"entries": {}', f'"entries": {{\n{lines}\n }}') + "\n")


def show_progress(by_seed: Sequence[dict[str, float]], num_cells: int) -> None:
    """Print how far each seed is; the benchmark is written when all are there."""
    rows = [[str(seed), str(len(values))] for seed, values in zip(SEEDS, by_seed, strict=True)]
    print_table(["seed", f"cells trained of {num_cells}"], rows)
    complete = sum(len(values) == num_cells for values in by_seed)
    print_figures({"seeds": complete, "seeds_missing": len(SEEDS) - complete})


def show(space: CellSpace, values: dict[str, list[float]], ceiling: float) -> None:
    """Print accuracy per nonlinearity count, and how well the count alone ranks."""
    mean = {code: statistics.fmean(seeds) for code, seeds in values.items()}
    valid = [code for code in mean if space.is_valid(space.decode(code))]
    count = {code: space.nonlinearity_count(space.decode(code)) for code in valid}
    groups = {
        f"count {number}": [code for code in valid if count[code] == number]
        for number in sorted(set(count.values()))
    }
    groups["dead"] = [code for code in mean if code not in count]
    rows = [
        [
            name,
            str(len(codes)),
            f"{min(mean[code] for code in codes):.2f}",
            f"{statistics.median(mean[code] for code in codes):.2f}",
            f"{max(mean[code] for code in codes):.2f}",
        ]
        for name, codes in groups.items()
    ]
    print_table(["cells", "number", "worst %", "median %", "best %"], rows)
    truth = [mean[code] for code in valid]
    by_count = rank_correlation([float(count[code]) for code in valid], truth, seed=0)
    by_size = rank_correlation(
        [float(space.parameters(space.decode(code))) for code in valid], truth, seed=0
    )
    print_figures(
        {
            "noise_ceiling": ceiling,
            "seeds": len(SEEDS),
            "count_alone_tau": by_count.tau.value,
            "parameters_alone_tau": by_size.tau.value,
            "best": max(valid, key=mean.__getitem__),
        }
    )


def _folder(space: CellSpace) -> Path:
    """Return a folder of this recipe and space alone, so that results never mix."""
    content = space.model_dump_json() + RECIPE.model_dump_json()
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return Path(__file__).parent.parent / "var" / "benchmarks" / f"digits-mini-{digest}"


if __name__ == "__main__":
    main()
