import pytest
from sqlalchemy import event, select

from backend.benchmarks.service import add_benchmark
from backend.db import Database
from backend.models import (
    Artifact,
    Balance,
    Candidate,
    Combination,
    Correlation,
    LandmarkRow,
    Metric,
    Run,
    Score,
    SearchSpace,
    SubspaceRow,
    Unit,
)
from backend.references import get
from backend.runs import results, service
from nas.benchmarks.table import Entry, GroundTruth
from nas.ranking.calibration import Calibration, Scales
from nas.ranking.regression import Regression
from nas.spec import RunSpec
from tests.backend.api import Api, problem_of
from tests.backend.conftest import CONV, SKIP
from tests.ranked import stored_correlation

UNKNOWN = "|skip_connect~0|+|nor_conv_3x3~0|none~1|"


@pytest.fixture
def run_id(stocked: Database, new_run) -> int:
    """A run with a little of every result."""
    run_id = new_run()
    with stocked.unit_of_work() as session:
        unit = session.scalars(select(Unit)).one()
        for index, (size_all, valid) in enumerate([("30", "10"), ("95", "90")]):
            session.add(
                SubspaceRow(
                    run_id=run_id,
                    index=index,
                    label=f"count {index}",
                    counts=[index],
                    size_all=size_all,
                    size_valid=valid,
                    target_share=0.5,
                    target_updates=0.5,
                    operation_targets=[{"none": 1.0}],
                    supernet_width=5,
                    supernet_parameters=str(10**20),
                )
            )
        for step in (10, 20, 30):
            session.add(
                Metric(unit_id=unit.id, run_id=run_id, series="loss", step=step, value=1 / step)
            )
            session.add(
                Balance(
                    unit_id=unit.id,
                    run_id=run_id,
                    subspace=0,
                    step=step,
                    phase="train",
                    updates=step,
                    samples=2 * step,
                    images=128 * step,
                    operation_updates=[{"none": step}],
                    operation_samples=[{"none": 2 * step}],
                    operation_images=[{"none": 128 * step}],
                    bank_updates=[{"0": step}],
                )
            )
        session.add(
            Metric(unit_id=unit.id, run_id=run_id, series="learning rate", step=10, value=0.1)
        )
        for stage, step, architecture, score in (
            ("live", 10, CONV, -1.0),
            ("live", 20, CONV, -0.5),
            ("live", 20, UNKNOWN, -0.7),
            ("final", 30, SKIP, -0.4),
        ):
            session.add(
                Score(
                    run_id=run_id,
                    stage=stage,
                    step=step,
                    scorer="loss",
                    architecture=architecture,
                    subspace=0,
                    score=score,
                )
            )
        for stage, step, scope, tau in (
            ("live", 10, "overall", 0.1),
            ("live", 30, "overall", 0.2),
            ("final", 30, "overall", 0.3),
            ("final", 30, "0", 0.9),
        ):
            session.add(
                Correlation(
                    run_id=run_id,
                    stage=stage,
                    step=step,
                    scorer="loss",
                    scope=scope,
                    **stored_correlation(tau),
                    conditions={},
                )
            )
        session.add(
            Candidate(
                run_id=run_id,
                evaluation=1,
                architecture=CONV,
                subspace=0,
                score=1.0,
                best_score=1.0,
                flops=2**40,
                parameters=5,
                nonlinearity_count=2,
                objectives={"loss": 1.0, "flops": float(2**40)},
                seconds=0.5,
                true_accuracy=90.0,
                true_rank=1,
            )
        )
        session.add(
            Combination(
                run_id=run_id,
                scorer="calibrated",
                components=["loss"],
                num_reference=1000,
                landmarks=[CONV, SKIP, UNKNOWN],
                calibration=Calibration(
                    scales=Scales(prior=(0.0, 1.0), features=()),
                    regression=Regression(
                        target="logit", intercept=0.1, prior_slope=0.2, offsets=(0.3, -0.3)
                    ),
                    left_out=(81.0, 82.0, 83.0),
                    left_out_tau=1.0,
                    accuracies=(91.0, 92.0, 93.0),
                ),
            )
        )
        session.add(
            Artifact(
                run_id=run_id,
                unit_id=unit.id,
                kind="checkpoint",
                attempt=1,
                step=10,
                path="a",
                sha256="0" * 64,
                num_bytes=7,
            )
        )
    return run_id


def test_shares_are_of_the_valid_architectures(stocked: Database, run_id: int):
    with stocked.reading() as session:
        found = results.subspaces(session, run_id)
    assert [row.share_valid for row in found] == [0.1, 0.9]
    assert [row.size_all for row in found] == ["30", "95"]
    # More than an integer column holds.
    assert [(row.supernet_width, row.supernet_parameters) for row in found] == [
        (5, "100000000000000000000")
    ] * 2


def test_scores_stand_beside_the_truth_where_it_is_known(stocked: Database, run_id: int):
    with stocked.reading() as session:
        found = results.scores(session, run_id, stage="live", step=20)
    assert {row.architecture: row.true_accuracy for row in found} == {CONV: 90.0, UNKNOWN: None}


def test_metrics_beyond_a_step_come_in_its_order(stocked: Database, run_id: int):
    with stocked.reading() as session:
        found = results.metrics(session, run_id, after_step=10, series="loss")
        everything = results.metrics(session, run_id)
    assert [(row.step, row.unit) for row in found] == [(20, "partition"), (30, "partition")]
    assert [(row.step, row.series) for row in everything][:2] == [
        (10, "learning rate"),
        (10, "loss"),
    ]


def test_a_round_is_complete_once_it_has_an_overall_correlation(stocked: Database, run_id: int):
    with stocked.unit_of_work() as session:
        assert results.newest_complete_round(session, run_id, "loss") == 30
        assert results.newest_complete_round(session, run_id, "accuracy") is None
        newest = select(Correlation).where(Correlation.step == 30, Correlation.stage == "live")
        session.scalars(newest).one().scope = "1"
        session.flush()
        assert results.newest_complete_round(session, run_id, "loss") == 10


def test_correlations_over_steps_are_the_whole_rows_but_for_the_other_measures(
    stocked: Database, run_id: int
):
    with stocked.reading() as session:
        whole = results.correlations(session, run_id)
        found = results.correlations_over_steps(session, run_id, {"tau", "sparse-tau"})
    assert len(found) == 4
    for row, narrow in zip(whole, found, strict=True):
        measures = {name: row.measures[name] for name in ("sparse-tau", "tau")}
        assert narrow == row.model_copy(update={"measures": measures})


def test_the_newest_correlations_are_those_of_the_final_ranking_and_of_the_last_round(
    stocked: Database, run_id: int
):
    with stocked.reading() as session:
        found = results.newest_correlations(session, run_id)
        everything = results.correlations(session, run_id)
    assert [(row.stage, row.step, row.scope) for row in found] == [
        ("live", 30, "overall"),
        ("final", 30, "overall"),
        ("final", 30, "0"),
    ]
    assert found == everything[1:]


def test_the_run_shows_the_final_tau_rather_than_a_live_one_of_the_same_step(
    stocked: Database, run_id: int
):
    with stocked.reading() as session:
        assert service.get_run(session, run_id).tau == 0.3
        assert service.list_runs(session).items[0].tau == 0.3


def test_the_list_of_runs_holds_every_tau_beside_its_noise_ceiling(
    api: Api, stocked: Database, run_id: int, spec: dict
):
    with stocked.unit_of_work() as session:
        space = get(session, SearchSpace, "digits-mini")
        add_benchmark(session, "seedless", space, GroundTruth(entries={CONV: Entry(90.0)}))
    for benchmark in ("seedless", None):
        assert api.post("/api/v1/runs", json=spec | {"benchmark": benchmark}).status_code == 201
    without, unknown, known = api.get("/api/v1/runs").json()["items"]
    assert (known["id"], known["tau"], known["noise_ceiling"]) == (run_id, 0.3, 0.8)
    assert (unknown["benchmark"], unknown["noise_ceiling"]) == ("seedless@1", None)
    assert (without["benchmark"], without["noise_ceiling"]) == (None, None)


NUMBERS = {
    "units": 1,
    "subspaces": 2,
    "metrics": 4,
    "balance": 3,
    "correlations": 4,
    "scores": 4,
    "combinations": 1,
    "candidates": 1,
    "front": 0,
    "log": 1,
    "artifacts": 1,
}


def test_every_list_is_served_whole_and_404_for_an_unknown_run(api: Api, run_id: int):
    for what, number in NUMBERS.items():
        page = api.get(f"/api/v1/runs/{run_id}/{what}").json()
        assert (what, len(page["items"]), page["next_cursor"]) == (what, number, None)
        problem_of(api.get(f"/api/v1/runs/4711/{what}"), 404)


def test_the_front_of_several_objectives_is_served(api: Api, stocked: Database, run_id: int):
    with stocked.unit_of_work() as session:
        run = session.get_one(Run, run_id)
        document = run.spec.model_dump(mode="json")
        document["search"] = {"kind": "random", "objectives": ["loss", "flops"]}
        run.spec = RunSpec.model_validate(document)
        first = session.get_one(Candidate, (run_id, 1))
        columns = {
            column.name: getattr(first, column.name) for column in Candidate.__table__.columns
        }
        for evaluation, loss, flops in ((2, 2.0, 2**41), (3, 0.5, 2**41), (4, 0.5, 2**10)):
            values = {"loss": loss, "flops": float(flops)}
            session.add(Candidate(**columns | {"evaluation": evaluation, "objectives": values}))
    found = api.get(f"/api/v1/runs/{run_id}/front").json()["items"]
    # The third is worse than the first in both.
    assert [row["evaluation"] for row in found] == [1, 2, 4]
    assert found[1]["objectives"] == {"loss": 2.0, "flops": 2**41}


def test_a_calibrated_scorer_is_served_with_its_landmarks(api: Api, run_id: int):
    (found,) = api.get(f"/api/v1/runs/{run_id}/combinations").json()["items"]
    assert (found["components"], found["num_reference"]) == (["loss"], 1000)
    assert (found["num_landmarks"], found["left_out_tau"]) == (3, 1.0)
    assert found["offsets"] == [0.3, -0.3]
    assert found["landmarks"] == [
        {"architecture": code, "accuracy": 91.0 + place, "left_out_score": 81.0 + place}
        for place, code in enumerate((CONV, SKIP, UNKNOWN))
    ]


def test_scores_of_what_is_not_ranked_are_marked_and_left_out_on_request(
    api: Api, stocked: Database, run_id: int
):
    with stocked.unit_of_work() as session:
        row = session.scalars(select(Score).where(Score.stage == "final")).one()
        row.ranked = False
    address = f"/api/v1/runs/{run_id}/scores?stage=final"
    (only,) = api.get(address).json()["items"]
    assert only["ranked"] is False
    assert api.get(f"{address}&ranked=true").json()["items"] == []
    assert len(api.get(f"{address}&ranked=false").json()["items"]) == 1
    with stocked.reading() as session:
        assert results.scores(session, run_id, stage="final") == []


def test_the_balance_is_served_with_its_counts_per_operation_and_weight_bank(
    api: Api, run_id: int
):
    newest = api.get(f"/api/v1/runs/{run_id}/balance").json()["items"][-1]
    counted = {"step": 30, "updates": 30, "samples": 60, "images": 3840}
    assert {name: newest[name] for name in counted} == counted
    assert newest["operation_updates"] == [{"none": 30}]
    assert newest["operation_samples"] == [{"none": 60}]
    assert newest["operation_images"] == [{"none": 3840}]
    assert newest["bank_updates"] == [{"0": 30}]


def test_every_page_of_the_balance_tells_in_one_number_how_even_it_is(api: Api, run_id: int):
    address = f"/api/v1/runs/{run_id}/balance"
    whole = api.get(address).json()["summary"]
    assert api.get(f"{address}?limit=1").json()["summary"] == whole
    assert api.get(f"{address}?after_step=99").json()["summary"] == whole
    # All 30 updates went to the first of two sub-spaces.
    assert (whole["entropy"], whole["target_entropy"], whole["undefined_reason"]) == (0, 1, None)
    assert [part["updates"] for part in whole["supernets"]] == [30, 0]
    assert [part["share"] for part in whole["supernets"]] == [1, 0]
    assert [part["target_share"] for part in whole["supernets"]] == [0.5, 0.5]


def test_sub_spaces_are_served_with_what_the_sampler_aims_at(api: Api, run_id: int):
    first = api.get(f"/api/v1/runs/{run_id}/subspaces").json()["items"][0]
    assert (first["target_share"], first["target_updates"]) == (0.5, 0.5)
    assert first["operation_targets"] == [{"none": 1}]


def test_landmarks_are_served_with_their_number_per_sub_space(
    api: Api, stocked: Database, run_id: int
):
    address = f"/api/v1/runs/{run_id}"
    assert api.get(f"{address}/landmarks").json()["items"] == []
    first = api.get(f"{address}/subspaces").json()["items"][0]
    assert (first["num_landmarks"], first["num_landmark_pairs"]) == (None, None)
    known = [(CONV, 1, 90.0), (SKIP, 1, 70.0), (UNKNOWN, 1, None), ("twin", 1, 70.0)]
    with stocked.unit_of_work() as session:
        for index, (architecture, subspace, accuracy) in enumerate(known):
            session.add(
                LandmarkRow(
                    run_id=run_id,
                    architecture=architecture,
                    index=index,
                    subspace=subspace,
                    source="stand-alone",
                    accuracy=accuracy,
                    seeds=[] if accuracy is None else [accuracy],
                )
            )
    page = api.get(f"{address}/landmarks", params={"limit": 2}).json()
    assert page["items"] == [
        {
            "index": index,
            "architecture": architecture,
            "subspace": 1,
            "source": "stand-alone",
            "accuracy": accuracy,
            "seeds": [accuracy],
        }
        for index, (architecture, _, accuracy) in enumerate(known[:2])
    ]
    rest = api.get(f"{address}/landmarks", params={"cursor": page["next_cursor"]}).json()
    assert [item["accuracy"] for item in rest["items"]] == [None, 70.0]
    parts = api.get(f"{address}/subspaces").json()["items"]
    # Of six pairs, the one of two times 70 has no order.
    assert [(part["num_landmarks"], part["num_landmark_pairs"]) for part in parts] == [
        (0, 0),
        (4, 5),
    ]
    problem_of(api.get("/api/v1/runs/999/landmarks"), 404)


def test_pages_of_two_join_to_the_whole_list(api: Api, run_id: int):
    for what in ("metrics", "balance", "correlations", "scores"):
        whole = api.get(f"/api/v1/runs/{run_id}/{what}").json()["items"]
        found, cursor = [], None
        while True:
            parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = api.get(f"/api/v1/runs/{run_id}/{what}", params=parameters).json()
            assert len(page["items"]) <= 2
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == whole


def test_a_longer_list_of_runs_takes_no_more_statements(stocked: Database, new_run):
    statements: list[str] = []

    @event.listens_for(stocked.engine, "before_cursor_execute")
    def count(_, __, statement, *___) -> None:
        statements.append(statement)

    def listing_costs() -> int:
        statements.clear()
        with stocked.reading() as session:
            service.list_runs(session)
        return len(statements)

    new_run()
    alone = listing_costs()
    for _ in range(4):
        new_run()
    assert listing_costs() == alone


def test_filters_of_the_results_are_checked(api: Api, run_id: int):
    live = api.get(f"/api/v1/runs/{run_id}/scores", params={"stage": "live"}).json()["items"]
    assert len(live) == 3
    problem_of(api.get(f"/api/v1/runs/{run_id}/scores", params={"stage": "late"}), 422)
    problem_of(api.get(f"/api/v1/runs/{run_id}/metrics", params={"after_step": -2}), 422)
