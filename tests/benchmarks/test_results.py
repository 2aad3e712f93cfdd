"""The committed measurements belong to the committed examples, and show what is claimed of them."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.benchmarks.table import builtin, noise_ceiling
from nas.spaces import catalogue
from nas.spec import RunSpec

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def rows(folder: str, pattern: str = "*.json") -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((RESULTS / folder).glob(pattern))]


def example(file: str, **changes: Any) -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "examples" / file).read_text())
    return RunSpec.model_validate({**content, **changes}).model_dump(mode="json")


def test_the_digits_mini_table_holds_every_cell_and_its_own_noise_ceiling() -> None:
    space_name, table = builtin()["digits-mini"]
    space = catalogue()[space_name]
    codes = [space.encode(member) for member in space.enumerate()]
    assert set(table.entries) == set(codes)
    assert len(codes) == 125
    values = {
        code: entry.seeds
        for code, entry in table.entries.items()
        if space.is_valid(space.decode(code)) and entry.seeds is not None
    }
    assert len(values) == 116
    assert {len(seeds) for seeds in values.values()} == {table.num_seeds} == {10}
    assert table.noise_ceiling is not None
    assert table.noise_ceiling == pytest.approx(noise_ceiling(values, seed=0), abs=1e-4)
    assert table.noise_ceiling >= 0.75


def test_the_demo_ranks_well_enough_over_five_seeds() -> None:
    measured = rows("demo_ranking")
    assert [row["seed"] for row in measured] == [0, 1, 2, 3, 4]
    median = statistics.median(row["loss"]["tau"] for row in measured)
    ceiling = builtin()["digits-mini"][1].noise_ceiling
    assert ceiling is not None
    assert {row["noise_ceiling"] for row in measured} == {ceiling}
    assert median >= 0.6 * ceiling
    assert median > measured[0]["count_alone_tau"]
    assert {row["loss"]["num_architectures"] for row in measured} == {116}


def test_the_demo_was_measured_with_the_spec_it_runs() -> None:
    for row in rows("demo_ranking"):
        assert row["spec"] == example("digits-mini.yaml", seed=row["seed"])


def test_few_shot_ranks_nas_bench_201_well_enough_within_the_time() -> None:
    measured = rows("first_experiment", "few-shot-*.json")
    assert [row["seed"] for row in measured] == [0, 1, 2]
    assert statistics.median(row["correlations"]["loss"]["all"]["tau"] for row in measured) >= 0.55
    assert max(row["wall_minutes"] for row in measured) <= 20
    for row in measured:
        assert row["num_architectures"] == row["correlations"]["loss"]["all"]["num_architectures"]
        assert row["num_architectures"] == 1000
        assert row["spec"] == example(
            "nas-bench-201-cifar10.yaml", name="few-shot", seed=row["seed"]
        )


def test_every_row_spent_the_same_number_of_steps() -> None:
    measured = rows("first_experiment")
    assert measured
    for row in measured:
        assert row["variant"] in ("few-shot", "one-shot", "one-shot-balanced", "cold")
        assert row["seed"] in (0, 1, 2)
        # The balanced one-shot is a warm-up, after which one step more has to follow.
        trained = sum(row["updates"].values()) - (row["variant"] == "one-shot-balanced")
        assert trained == 24_000
