"""The examples with the authors' settings: what they say, and that they run, shortened."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.benchmarks.service import add_benchmark
from backend.models import SearchSpace
from backend.references import get
from backend.runs import results
from nas.benchmarks.table import Entry, GroundTruth
from nas.seeds import stream
from nas.spaces import catalogue
from nas.spec import RunSpec
from tests.worker.running import run_to_end
from tests.worker.support import Deployment

FOLDER = Path(__file__).parents[2] / "examples"
SPACE = catalogue()["nas-bench-201"]
BENCHMARK = "nas-bench-201-cifar10"


def document(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return content


def merged(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = content | changes
    for name, change in changes.items():
        if isinstance(change, dict) and isinstance(content.get(name), dict):
            both[name] = merged(content[name], change)
    return both


SHORT = {
    "dataset": "digits",
    "training": {"steps": 8, "batch_size": 8},
    "ranking": {
        "num_architectures": 6,
        "every_steps": 4,
        "live_architectures": 3,
        "live_images": 20,
        "num_images": 40,
    },
    "search": {"budget": 4},
}
"""What a test can afford: digits instead of CIFAR-10, eight steps, few architectures."""


@pytest.fixture
def known(embedded: Deployment) -> Deployment:
    """A deployment whose table knows some hundred cells; the accuracies are made up."""
    rng = stream(0, "cells of the examples")
    cells = {SPACE.encode(SPACE.sample(rng)): Entry(rng.uniform(10, 94)) for _ in range(300)}
    with embedded.db.unit_of_work() as session:
        row = get(session, SearchSpace, SPACE.name)
        add_benchmark(session, BENCHMARK, row, GroundTruth(entries=cells))
    return embedded


def finished(deployment: Deployment, content: dict[str, Any]) -> int:
    run_id = deployment.create(RunSpec.model_validate(content))
    run_to_end(deployment, run_id)
    assert deployment.state(run_id) == "succeeded", deployment.messages(run_id)
    return run_id


def test_the_efs_nas_example_has_the_authors_settings() -> None:
    spec = RunSpec.model_validate(document("efs-nas"))
    training = spec.training
    assert training.steps == 1000 * (25_000 // 128)
    assert (training.learning_rate, training.final_learning_rate) == (0.025, 0.001)
    assert (training.weight_decay, training.gradient_clip) == (5e-4, None)
    assert (spec.supernet.width, training.sampler.kind) == (5, "supernet-balanced")
    partition = spec.partition(SPACE)
    groups = {}
    for cell in (SPACE.sample(stream(0, "groups", number)) for number in range(300)):
        groups.setdefault(partition.route(cell), set()).add(SPACE.nonlinearity_count(cell))
    assert sorted(map(sorted, groups.values())) == [[0, 1], [2], [3]]
    # The table of banks by count for thresholds 15, 20: cells 1 to 5 are shared.
    for count, expected in {
        1: [0] * 15,
        2: [0] * 7 + [1] * 3 + [2] * 5,
        3: [0] * 5 + [1] + [2] * 9,
    }.items():
        assert list(partition.banks.profile(count)) == expected


def test_the_landmark_example_has_the_authors_settings() -> None:
    spec = RunSpec.model_validate(document("landmark"))
    training = spec.training
    steps_per_epoch = 25_000 // 256
    assert training.steps == 400 * steps_per_epoch
    assert (training.learning_rate, training.weight_decay) == (0.025, 5e-4)
    assert (training.gradient_clip, spec.supernet.width) == (5, 16)
    assert spec.landmarks is not None
    assert (spec.landmarks.kind, spec.landmarks.choice.number) == ("benchmark", 50)
    (term,) = training.regularisers
    assert term.first_step(training.steps) == 150 * steps_per_epoch
    # What the file says is what the regulariser is without it.
    assert term == type(term)()


def test_the_efs_nas_example_runs(known: Deployment) -> None:
    run_id = finished(known, merged(document("efs-nas"), SHORT))
    with known.db.reading() as session:
        assert len(results.subspaces(session, run_id)) == 3
        (row,) = results.metrics(session, run_id, series="learning_rate")[-1:]
        assert 0.001 < row.value < 0.025
        banks = results.newest_balance(session, run_id)[0].bank_updates
        # The banks that some count reaches there: cells 6, 7: two; 8 to 10: all; then 0 and 2.
        assert [len(by_bank) for by_bank in banks] == [1] * 5 + [2] * 2 + [3] * 3 + [2] * 5


def test_the_landmark_example_runs(known: Deployment) -> None:
    content = merged(document("landmark"), merged(SHORT, {"training": {"steps": 24}}))
    run_id = finished(known, content)
    with known.db.reading() as session:
        landmarks = {row.architecture: row for row in results.landmarks(session, run_id)}
        scored = {row.architecture for row in results.scores(session, run_id)}
        penalties = results.metrics(session, run_id, series="penalty")
    assert len(landmarks) == 50
    assert {row.source for row in landmarks.values()} == {"benchmark"}
    assert not scored & set(landmarks)
    assert any(row.value > 0 for row in penalties)


def test_the_landmark_example_runs_few_shot_with_landmarks_of_its_own(known: Deployment) -> None:
    few_shot = {
        "benchmark": None,
        "splitter": {"kind": "nonlinearity", "num_subspaces": 3},
        "supernet": {"width": 4, "cells_per_stage": 1},
        "training": {"warm_up_steps": 4},
        "landmarks": {
            "kind": "stand-alone",
            "choice": {"kind": "spread", "count": 6},
            "recipe": {"epochs": 1, "batch_size": 500},
        },
    }
    run_id = finished(known, merged(merged(document("landmark"), SHORT), few_shot))
    with known.db.reading() as session:
        assert [part.num_landmarks for part in results.subspaces(session, run_id)] == [2, 2, 2]
        assert all(row.accuracy is not None for row in results.landmarks(session, run_id))
