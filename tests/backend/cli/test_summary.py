import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from backend.benchmarks.schemas import BenchmarkRead, ColumnRead
from backend.cli.summary import (
    Outcome,
    bank_updates,
    correlation_text,
    measure_tables,
    summary,
)
from backend.runs.schemas import (
    BalanceRead,
    CandidateRead,
    CombinationRead,
    CorrelationRead,
    LandmarkRead,
    RunRead,
    SubspaceRead,
)
from nas.ranking.measures import MEASURES
from nas.search.random import RandomSearcher
from nas.spec import RunSpec
from tests.frontend import made
from tests.ranked import stored_correlation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CELL = "|nor_conv_3x3~0|"


def _balance(phase: str, subspace: int, step: int, updates: int) -> BalanceRead:
    return BalanceRead(
        unit=phase,
        phase=phase,
        subspace=subspace,
        step=step,
        updates=updates,
        samples=updates,
        images=64 * updates,
        operation_updates=[],
        operation_samples=[],
        operation_images=[],
        bank_updates=[],
    )


def _correlation(stage: str, step: int, tau: float | None, scope: str = "overall"):
    return CorrelationRead(
        stage=stage,
        step=step,
        scorer="loss",
        scope=scope,
        **stored_correlation(tau, n=116),
        conditions={},
    )


def _candidate(evaluation: int, score: float, rank: int) -> CandidateRead:
    return CandidateRead(
        evaluation=evaluation,
        architecture=CELL if rank == 4 else "|other~0|",
        subspace=0,
        score=score,
        best_score=score,
        flops=1,
        parameters=1,
        nonlinearity_count=1,
        objectives={"loss": score, "flops": 1.0},
        seconds=evaluation / 2,
        latency_ms=None,
        latency_spread_ms=None,
        latency_device=None,
        true_accuracy=91.25,
        true_rank=rank,
    )


@pytest.fixture
def found() -> Outcome:
    spec = RunSpec.model_validate(
        {
            "name": "x",
            "space": "digits-mini",
            "dataset": "digits",
            "training": {"steps": 300, "warm_up_steps": 100},
        }
    )
    run = RunRead(
        id=3,
        name="first",
        state="succeeded",
        space="digits-mini@1",
        dataset="digits@1",
        benchmark="truth@1",
        benchmark_column="digits/accuracy",
        num_subspaces=2,
        progress=1.0,
        tau=0.6,
        revision=9,
        archived=False,
        waiting_reason=None,
        failure_class=None,
        failure_message=None,
        created_at=NOW,
        started_at=NOW,
        finished_at=NOW,
        spec=spec,
        note="",
        cloned_from=None,
        inherits_from=None,
        noise_ceiling=0.77,
        allowed_actions=[],
    )
    benchmark = BenchmarkRead(
        name="truth",
        version=1,
        space="digits-mini@1",
        num_entries=125,
        num_valid=116,
        columns=[
            ColumnRead(
                name="digits/accuracy",
                dataset="digits",
                metric="accuracy",
                unit="percent",
                is_truth=True,
                num_known=125,
                num_valid=116,
                seeds=list(range(10)),
                noise_ceiling=0.77,
                noise_architectures=None,
                lowest=10.0,
                highest=97.0,
            )
        ],
        truth="digits/accuracy",
        num_seeds=10,
        noise_ceiling=0.77,
        recipe={},
        sha256="",
        created_at=NOW,
    )
    subspace = SubspaceRead(
        index=0,
        label="count 0-1",
        counts=[0, 1],
        size_all="80",
        size_valid="71",
        share_valid=0.61,
        target_share=1.0,
        target_updates=1.0,
        operation_targets=None,
        supernet_width=8,
        supernet_parameters="2082",
        num_landmarks=None,
        num_landmark_pairs=None,
    )
    return Outcome(
        run=run,
        benchmark=benchmark,
        subspaces=[subspace],
        balance=[
            _balance("warm-up", 0, 100, 50),
            _balance("train", 0, 200, 60),
            _balance("train", 0, 300, 110),
        ],
        correlations=[
            _correlation("final", 300, 0.6),
            _correlation("live", 300, 0.5),
            _correlation("final", 300, 0.9, scope="0"),
        ],
        candidates=[_candidate(1, -0.5, 9), _candidate(2, -0.2, 4), _candidate(3, -0.2, 7)],
    )


def shown(found: Outcome) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(summary(found))
    return captured.get()


def test_one_supernet_has_no_training_balance_and_the_table_says_why(found: Outcome):
    assert "undefined: one supernet" in shown(found)


def test_the_training_balance_is_one_number_beside_its_target(found: Outcome):
    (first,) = found.subspaces
    parts = [
        first.model_copy(update={"index": index, "target_share": target})
        for index, target in ((0, 0.9), (1, 0.1))
    ]
    three_each = _balance("train", 1, 300, 330).model_copy(update={"samples": 990})
    text = shown(replace(found, subspaces=parts, balance=[*found.balance, three_each]))
    # Shares 1/4 and 3/4.
    assert "normalised entropy of updates 0.811 (even = 1; target 0.469)" in text
    assert "110 updates, 25.0% (target 90.0%)" in text
    assert "330 updates on 990 architectures, 75.0% (target 10.0%)" in text
    aimless = [part.model_copy(update={"target_share": None}) for part in parts]
    text = shown(replace(found, subspaces=aimless, balance=[*found.balance, three_each]))
    assert "0.811 (even = 1; target none)" in text


def test_updates_of_weight_banks_are_summed_by_cell_over_the_newest_rows(found: Outcome):
    def row(subspace: int, step: int, banks: list[dict[str, int]]) -> BalanceRead:
        return _balance("train", subspace, step, 1).model_copy(update={"bank_updates": banks})

    balance = [
        row(0, 300, [{"0": 7}, {"0": 7, "1": 0}]),
        row(0, 200, []),
        row(1, 300, [{"0": 4}, {"0": 0, "1": 4}]),
    ]
    assert bank_updates(balance) == {0: {1: 11, 2: 7}, 1: {2: 4}}
    console = Console(width=200)
    with console.capture() as captured:
        console.print(summary(replace(found, balance=balance)))
    text = captured.get()
    assert "weight bank 0" in text
    assert "updates 11 (cell 1), 7 (cell 2)" in text
    assert "updates 4 (cell 2)" in text


def test_the_final_tau_is_shown_with_its_conditions(found: Outcome):
    assert correlation_text(found) == (
        "tau = 0.600, 95 % interval 0.500 to 0.700, n = 116 (final, scorer loss, step 300)"
    )


def test_an_undefined_tau_is_said_so(found: Outcome):
    found = replace(found, correlations=[_correlation("final", 300, None)])
    assert correlation_text(found) == (
        "undefined for 116 architectures (loss): All scores are equal."
    )
    (row,) = found.correlations
    lacking = row.model_copy(update={"conditions": {**row.conditions, "not_in_benchmark": 84}})
    assert correlation_text(replace(found, correlations=[lacking])) == (
        "undefined for 116 architectures (loss; not in benchmark 84): All scores are equal."
    )


def test_every_measure_of_the_newest_ranking_is_a_row_with_interval_and_reason(found: Outcome):
    rows = [
        _correlation("final", 300, 0.6),
        _correlation("live", 300, 0.5),
        _correlation("final", 300, None, scope="0"),
    ]
    rows[0] = rows[0].model_copy(
        update={"conditions": {"batch_norm": {"kind": "batch-stats"}, "metric": "accuracy"}}
    )
    (table,) = measure_tables(replace(found, correlations=rows))
    console = Console(width=220)
    with console.capture() as captured:
        console.print(table)
    text = captured.get()
    assert "After training, by loss (step 300): measures with 95 % bootstrap intervals" in text
    assert re.search(r"all sub-spaces +┃ count 0-1", text)
    for title in (one.title for one in MEASURES.values()):
        assert title in text
    assert re.search(
        r"Kendall τ-b +│ 0\.600 \[0\.500, 0\.700\] +│ undefined: All scores are equal\.", text
    )
    assert re.search(r"regret in the pool \(percentage points\) +│ 0\.60 ", text)
    assert re.search(r"its true accuracy +│ 91\.50 %, true rank 3 of 116 +│ undefined", text)
    assert "noise ceiling of tau: 0.770 (10 seeds); batch norm batch-stats, metric accuracy" in (
        " ".join(text.split())
    )


def test_what_is_unusual_about_the_training_is_shown_with_tau(found: Outcome):
    row = _correlation("final", 300, 0.5)
    conditions = {"micro_batches": 2, "precision": "bfloat16", "processes": 1, "threads": 1}
    found = replace(found, correlations=[row.model_copy(update={"conditions": conditions})])
    assert correlation_text(found).endswith("step 300; micro batches 2; precision bfloat16)")


def test_the_table_tells_sizes_updates_ceiling_and_the_best_cells_rank(found: Outcome):
    console = Console(width=200)
    with console.capture() as captured:
        console.print(summary(found))
    text = captured.get()
    assert "80 architectures, 71 valid (61%); 110 updates" in text
    assert "supernet of width 8, 2082 parameters" in text
    assert "100 updates, shared by all sub-spaces" in text
    assert "0.770 (10 seeds)" in text
    assert CELL in text
    assert "-0.2000, evaluation 2 of 3" in text
    assert "91.25 %, rank 4 of 116" in text


def text_of(outcome: Outcome) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(summary(outcome))
    return captured.get()


def test_the_latency_of_the_best_stands_with_what_it_rests_on(found: Outcome):
    assert "its latency" not in text_of(found)
    timed = replace(
        found, run=made.timed_run(), candidates=[made.timed_candidate(1, 1.0, 2.5, code=CELL)]
    )
    told = " ".join(text_of(timed).split())
    assert "2.5 ms (interquartile range 0.125 ms): measured on cpu Some Chip, 1 thread" in told


def test_the_size_of_the_front_is_told_where_there_are_several_objectives(found: Outcome):
    assert "Pareto front" not in text_of(found)
    search = RandomSearcher(objectives=("loss", "flops"))
    spec = found.run.spec.model_copy(update={"search": search})
    trading = replace(found, run=found.run.model_copy(update={"spec": spec}))
    assert "2 of 3: maximise loss, minimise flops" in text_of(trading)


def test_landmarks_are_shown_with_what_is_known_of_them(found: Outcome):
    (first,) = found.subspaces
    several = first.model_copy(update={"num_landmarks": 3, "num_landmark_pairs": 3})
    alone = first.model_copy(update={"num_landmarks": 1, "num_landmark_pairs": 0, "index": 1})
    landmarks = [
        LandmarkRead(
            index=index,
            architecture=CELL,
            subspace=0,
            source="stand-alone",
            accuracy=accuracy,
            seeds=[],
        )
        for index, accuracy in enumerate([71.25, None, 64.5, 90.0])
    ]
    text = shown(replace(found, subspaces=[several, alone], landmarks=landmarks))
    assert "2082 parameters; 3 landmarks" in text
    assert "2082 parameters; 1 landmark, no pair of them" in text
    assert "4 (accuracy: stand-alone), 3 of them known so far, 64.50 to 90.00 %" in text
    assert "landmarks" not in shown(found)


def test_without_a_benchmark_nothing_is_invented(found: Outcome):
    bare = replace(found, benchmark=None, correlations=[], candidates=[])
    console = Console(width=200)
    with console.capture() as captured:
        console.print(summary(bare))
    text = captured.get()
    assert "none: the run has no benchmark" in text
    assert "no benchmark" in text
    assert "best cell" not in text


def test_a_combined_scorer_tells_what_it_combines_and_how_well_it_learned(found: Outcome):
    learned = CombinationRead(
        scorer="calibrated",
        components=["loss", "flops"],
        num_reference=116,
        num_landmarks=20,
        left_out_tau=0.5,
        offsets=[0.25, -1.0],
        landmarks=[],
    )
    final = _correlation("final", 300, 0.7).model_copy(update={"scorer": "calibrated"})
    outcome = replace(found, combinations=[learned], correlations=[*found.correlations, final])
    console = Console(width=400)
    with console.capture() as captured:
        console.print(summary(outcome))
    assert (
        "tau = 0.700, 95 % interval 0.600 to 0.800, n = 116 (final, scorer calibrated, step 300); "
        "combines loss, flops among 116 architectures; leave-one-out tau 0.500 of 20 landmarks; "
        "offsets of the sub-spaces +0.250, -1.000"
    ) in captured.get()
    assert correlation_text(outcome).startswith("tau = 0.600")


def test_a_retrained_architecture_stands_beside_score_and_benchmark(found: Outcome):
    one = made.retrained(
        CELL,
        [0, 1, 2],
        num_done=2,
        num_diverged=1,
        test_accuracy=91.5,
        test_deviation=0.25,
        score=-0.2,
        true_accuracy=90.25,
    )
    text = shown(replace(found, retrained=[one]))
    assert "91.50 ± 0.25 % of the test images, 2 of 3 seeds, recipe digits" in text
    assert "1 diverged; score by loss -0.2000; benchmark 90.25 %" in text
    waiting = made.retrained(CELL, [0, 1])
    assert "2 trainings, none has ended yet" in shown(replace(found, retrained=[waiting]))
    lost = made.retrained(CELL, [0], num_diverged=1)
    assert "diverged 1 of 1 times (recipe digits)" in shown(replace(found, retrained=[lost]))
    assert "retrained" not in shown(found)
