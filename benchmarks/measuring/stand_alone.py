"""Tables of stand-alone results: every cell of a list trained with several seeds, and kept."""

import hashlib
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import torch
from pydantic import JsonValue

import nas.benchmarks
from measuring.report import Row, print_figures, print_table, provenance
from nas.benchmarks.noise import noise_ceiling
from nas.data.dataset import ImageDataset
from nas.ranking.metrics import rank_correlation
from nas.spaces.base import Architecture, Space
from nas.training.recipe import StandAloneRecipe
from nas.training.standalone import StandAloneTrainer

SHIPPED = Path(nas.benchmarks.__path__[0])
"""Where the package keeps its benchmarks."""


@dataclass(frozen=True)
class StandAloneTable:
    """What a table of stand-alone results is made of.

    Attributes:
        name: of the benchmark.
        space: whose architectures it holds, with the skeleton that they are trained in.
        architectures: which of them.
        dataset: names the images.
        images: loads them; a function of a module, for several processes call it.
        recipe: of the training.
        seeds: of the trainings.
        told: more about the recipe, for people.
        kept: folder of the results of single trainings, where the work may stop and go on.
        path: of the benchmark.
    """

    name: str
    space: Space
    architectures: Sequence[Architecture]
    dataset: str
    images: Callable[[], ImageDataset]
    recipe: StandAloneRecipe
    seeds: Sequence[int]
    told: Row
    kept: Path
    path: Path

    def make(self, seeds: Sequence[int], processes: int = 1) -> None:
        """Train what is missing for some seeds; with all there, write the benchmark. Print figures."""
        for seed in seeds:
            self.train(seed, processes)
        values = self.values()
        if values is None:
            self.show_progress()
            return
        self.write(values)
        self.show(values)

    def train(self, seed: int, processes: int = 1) -> None:
        """Train every architecture that is not kept yet for a seed, and keep its accuracy.

        Args:
            seed: of the trainings.
            processes: that train at the same time, each on one core.
        """
        path = self.results_of(seed)
        known = read(path)
        missing = [one for one in self.architectures if self.space.encode(one) not in known]
        if not missing:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            # A line that was being written when the work stopped; the next would join it.
            file.truncate(sum(len(line) for line in _whole_lines(path)))
            for architecture, accuracy in self._accuracies(missing, seed, processes):
                row = {"architecture": self.space.encode(architecture), "accuracy": accuracy}
                file.write(json.dumps(row) + "\n")
                file.flush()
        print(f"seed {seed} is trained", file=sys.stderr, flush=True)

    def _accuracies(
        self, architectures: Sequence[Architecture], seed: int, processes: int
    ) -> Iterator[tuple[Architecture, float]]:
        """Train architectures, and yield each as soon as it is trained."""
        held = (self.space, self.images, self.recipe)
        if processes == 1:
            _hold_trainer(*held)
            for architecture in architectures:
                yield architecture, _test_accuracy(architecture, seed)
            return
        with ProcessPoolExecutor(
            processes, get_context("spawn"), initializer=_hold_trainer, initargs=held
        ) as pool:
            trainings = {pool.submit(_test_accuracy, one, seed): one for one in architectures}
            for trained in as_completed(trainings):
                yield trainings[trained], trained.result()

    def values(self) -> dict[str, list[float]] | None:
        """Return the accuracies of every architecture by seed, None while some are missing."""
        by_seed = [read(self.results_of(seed)) for seed in self.seeds]
        codes = [self.space.encode(architecture) for architecture in self.architectures]
        if any(code not in known for known in by_seed for code in codes):
            return None
        return {code: [round(known[code], 2) for known in by_seed] for code in codes}

    def noise_ceiling(self, values: dict[str, list[float]]) -> float | None:
        """Return the noise ceiling over the valid architectures, None if there is only one seed."""
        if len(self.seeds) == 1:
            return None
        decode, is_valid = self.space.decode, self.space.is_valid
        valid = {code: seeds for code, seeds in values.items() if is_valid(decode(code))}
        return round(noise_ceiling(valid, seed=0), 4)

    def write(self, values: dict[str, list[float]]) -> None:
        """Write the benchmark, one line per architecture."""
        table: Row = {
            "space": self.space.name,
            "recipe": {
                **self.recipe.model_dump(mode="json"),
                "optimizer": "SGD, Nesterov, cosine to 0",
                **self.told,
                **provenance(),
            },
            "columns": [
                {
                    "metric": "accuracy",
                    "dataset": self.dataset,
                    "unit": "percent",
                    "seeds": list[JsonValue](self.seeds),
                    "noise_ceiling": self.noise_ceiling(values),
                }
            ],
            "entries": {},
        }
        lines = ",\n".join(f"  {json.dumps(code)}: [{seeds}]" for code, seeds in values.items())
        head = json.dumps(table, indent=1)
        entries = f'"entries": {{\n{lines}\n }}'
        self.path.write_text(head.replace('"entries": {}', entries) + "\n")

    def show_progress(self) -> None:
        """Print how far each seed is; the benchmark is written when all are there."""
        number = len(self.architectures)
        trained = {seed: len(read(self.results_of(seed))) for seed in self.seeds}
        rows = [[str(seed), str(known)] for seed, known in trained.items()]
        print_table(["seed", f"cells trained of {number}"], rows)
        complete = sum(known == number for known in trained.values())
        print_figures({"seeds": complete, "seeds_missing": len(self.seeds) - complete})

    def show(self, values: dict[str, list[float]]) -> None:
        """Print accuracy per nonlinearity count, and how well count and size alone rank."""
        space = self.space
        mean = {space.decode(code): statistics.fmean(seeds) for code, seeds in values.items()}
        count = {cell: space.nonlinearity_count(cell) for cell in mean if space.is_valid(cell)}
        groups = {
            f"count {number}": [mean[cell] for cell in count if count[cell] == number]
            for number in sorted(set(count.values()))
        }
        dead = [accuracy for cell, accuracy in mean.items() if cell not in count]
        if dead:
            groups["dead"] = dead
        rows = [
            [
                name,
                str(len(group)),
                f"{min(group):.2f}",
                f"{statistics.median(group):.2f}",
                f"{max(group):.2f}",
            ]
            for name, group in groups.items()
        ]
        print_table(["cells", "number", "worst %", "median %", "best %"], rows)
        truth = [mean[cell] for cell in count]
        by_count = rank_correlation([float(number) for number in count.values()], truth, seed=0)
        by_size = rank_correlation(
            [float(space.parameters(cell)) for cell in count], truth, seed=0
        )
        print_figures(
            {
                "noise_ceiling": self.noise_ceiling(values),
                "seeds": len(self.seeds),
                "count_alone_tau": by_count.tau.value,
                "parameters_alone_tau": by_size.tau.value,
                "best": space.encode(max(count, key=mean.__getitem__)),
            }
        )

    def results_of(self, seed: int) -> Path:
        """Return the file of a seed's results: one JSON object per line, in order of training."""
        return self._folder / f"seed-{seed}.jsonl"

    @cached_property
    def _folder(self) -> Path:
        """A folder of this recipe and space alone, so that results never mix."""
        # Without defaults: a field that recipes gain later leaves what is kept where it is.
        recipe = self.recipe.model_dump_json(exclude_defaults=True)
        content = self.space.model_dump_json() + recipe
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        return self.kept / f"{self.name}-{digest}"


_trainers: list[StandAloneTrainer] = []
"""Of a process that trains: one, which holds the images."""


def _hold_trainer(
    space: Space, images: Callable[[], ImageDataset], recipe: StandAloneRecipe
) -> None:
    torch.set_num_threads(1)
    _trainers[:] = [StandAloneTrainer(space, images(), recipe)]


def _test_accuracy(architecture: Architecture, seed: int) -> float:
    return _trainers[0].test_accuracy(architecture, seed)


def read(path: Path) -> dict[str, float]:
    """Return the accuracies in percent that `path` holds; an interrupted last line is left out."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in _whole_lines(path)]
    return {row["architecture"]: row["accuracy"] for row in rows}


def _whole_lines(path: Path) -> list[bytes]:
    lines = path.read_bytes().splitlines(keepends=True)
    return [line for line in lines if line.endswith(b"\n")]
