"""Every script of benchmarks/ prints a table, ends with a line of JSON, and reads what was measured before."""

from collections.abc import Callable

import choose_ranking
import combined_scorers
import demo_ranking
import digits_mini
import first_experiment
import fresh_clone
import import_benchmark
import live_cost
import nas_bench_201_medium
import nas_bench_201_small
import partition
import pytest
import ranking
import ranking_quality
import search
import training
import workers

from tests.benchmarks.prepared import (
    all_variants,
    clone,
    combined,
    demo,
    every_seed,
    exact,
    imports,
    live,
    medium_networks,
    quality_rows,
    scores_side_by_side,
    searches,
    slots,
    small_networks,
    steps_side_by_side,
    two_recipes,
    two_seeds,
    without_few_shot,
)
from tests.benchmarks.printed import ROOT, Place, printed

SCRIPTS = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}


CASES: list[tuple[str, Callable[[Place], None]]] = [
    ("choose_ranking", two_recipes),
    ("combined_scorers", combined),
    ("demo_ranking", demo),
    ("digits_mini", every_seed),
    ("digits_mini", two_seeds),
    ("nas_bench_201_medium", medium_networks),
    ("nas_bench_201_small", small_networks),
    ("first_experiment", all_variants),
    ("first_experiment", without_few_shot),
    ("fresh_clone", clone),
    ("import_benchmark", imports),
    ("live_cost", live),
    ("partition", exact),
    ("ranking", scores_side_by_side),
    ("ranking_quality", quality_rows),
    ("search", searches),
    ("workers", slots),
    ("training", steps_side_by_side),
]


MAINS = {
    module.__name__: module.main
    for module in (
        choose_ranking,
        combined_scorers,
        demo_ranking,
        digits_mini,
        first_experiment,
        fresh_clone,
        import_benchmark,
        live_cost,
        nas_bench_201_medium,
        nas_bench_201_small,
        partition,
        ranking,
        ranking_quality,
        search,
        workers,
        training,
    )
}


def test_every_script_is_run_by_the_next_test() -> None:
    assert set(MAINS) == {name for name, _ in CASES} == SCRIPTS


@pytest.mark.parametrize(("name", "prepare"), CASES)
def test_a_script_prints_a_table_and_ends_with_one_line_of_json(
    name: str, prepare: Callable[[Place], None], place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(place)
    MAINS[name]()
    first = printed(capsys)
    assert first.rows
    # What was measured is kept: the second time nothing is measured, and the same is printed.
    for module in (combined_scorers, demo_ranking, first_experiment, live_cost):
        place.replace(module, measure=lambda *_: pytest.fail("measured twice"))
    MAINS[name]()
    assert printed(capsys) == first
