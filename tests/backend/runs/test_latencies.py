"""Latency in the specs of runs, and in what they find."""

import csv
import io
import zipfile

import pytest

from backend.db import Database
from backend.models import BenchmarkColumn, Candidate, LatencyRow, Run, Score
from backend.runs.latencies import latency_table, measured_latencies
from nas.latency.latency import Latency
from nas.spaces import catalogue
from tests.backend.api import Api, fields_of, problem_of
from tests.backend.conftest import CONV, DEAD, POOL, SKIP
from tests.backend.tables import add_csv

SPACE = catalogue()["digits-mini"]
UNKNOWN = "|skip_connect~0|+|nor_conv_3x3~0|none~1|"

SECONDS = f"""architecture,phone/latency [s],desk/latency [us],accuracy
{CONV},0.004,300,90
{SKIP},0.0015,,80
{POOL},0.003,200,70
{DEAD},0.0001,100,10
{UNKNOWN},,150,60
"""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(autouse=True)
def tables(stocked: Database) -> None:
    add_csv(stocked, "devices", SECONDS)
    add_csv(stocked, "one-device", f"architecture,latency\n{SKIP},1.5\n{CONV},4\n")


def looked_up(column: str | None = "phone/latency", **search) -> dict:
    latency = {"kind": "table", "benchmark": "devices", "column": column}
    return {"search": {"kind": "random", "latency": latency, **search}}


def posted(api: Api, spec: dict, changes: dict) -> dict:
    answer = api.post("/api/v1/runs", json={**spec, **changes})
    assert answer.status_code == 201, answer.text
    run = answer.json()
    assert api.get(f"/api/v1/runs/{run['id']}").json()["spec"] == run["spec"]
    return run


@pytest.mark.parametrize(
    "search",
    [
        {"kind": "evolution", "constraints": {"latency": 2.5}},
        {"kind": "nsga2", "objectives": ["loss", "latency"]},
    ],
)
def test_latency_that_nobody_explains_is_stored_as_measured(api: Api, spec: dict, search: dict):
    found = posted(api, spec, {"search": search})["spec"]["search"]
    measured = {"kind": "measured", "batch_size": 1, "warm_up": 3, "repeats": 20}
    assert found["latency"] == measured
    assert posted(api, spec, {"search": {"kind": "random"}})["spec"]["search"]["latency"] is None


def test_a_benchmark_is_stored_with_its_version_and_column(
    api: Api, spec: dict, stocked: Database
):
    latency = {"kind": "table", "benchmark": "one-device"}
    run = posted(api, spec, {"search": {"kind": "random", "latency": latency}})
    pinned = {"kind": "table", "benchmark": "one-device@1", "column": "latency"}
    assert run["spec"]["search"]["latency"] == pinned
    # A later version changes nothing for this run, nor for a clone of it.
    add_csv(stocked, "one-device", f"architecture,latency\n{POOL},7\n")
    clone = api.post(f"/api/v1/runs/{run['id']}/clone", json={}).json()
    assert clone["spec"]["search"]["latency"] == pinned
    assert table_of(stocked, run["id"]) == {SKIP: 1.5, CONV: 4}


def test_without_a_name_it_is_the_runs_own_benchmark(api: Api, spec: dict, stocked: Database):
    latency = {"kind": "table", "column": "phone/latency"}
    changes = {"benchmark": "devices", "search": {"kind": "random", "latency": latency}}
    run = posted(api, spec, changes)
    assert run["spec"]["search"]["latency"]["benchmark"] == "devices@1"
    # In milliseconds, whatever the file had them in; of valid architectures alone.
    assert table_of(stocked, run["id"]) == {CONV: 4, SKIP: 1.5, POOL: 3}


def table_of(stocked: Database, run_id: int) -> dict[str, float]:
    with stocked.reading() as session:
        spec = session.get_one(Run, run_id).spec
        table = latency_table(session, spec.search, SPACE)
    assert table is not None
    assert list(table) == sorted(table, key=SPACE.encode)
    return {SPACE.encode(member): ms for member, ms in table.items()}


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        (looked_up(None), "search.latency.column", "several of latencies, phone/latency, desk/"),
        (looked_up("tv/latency"), "search.latency.column", "known: phone/latency, desk/latency"),
        (looked_up("accuracy"), "search.latency.column", "should match pattern"),
        (
            {"search": {"kind": "random", "latency": {"kind": "table", "benchmark": "x"}}},
            "search.latency.benchmark",
            "there is no benchmark 'x'",
        ),
        (
            {"search": {"kind": "random", "latency": {"kind": "table"}}},
            "search.latency.benchmark",
            "mini-truth@1 holds no latencies, only accuracy",
        ),
        (
            {"search": {"kind": "random", "latency": {"kind": "table"}}, "benchmark": None},
            "search.latency.benchmark",
            "the run has no benchmark to look latencies up in",
        ),
        (
            {**looked_up(), "space": "nas-bench-201", "benchmark": None},
            "search.latency.benchmark",
            "of digits-mini@1, not of nas-bench-201@1",
        ),
        (
            {"search": {"kind": "random", "latency": {"kind": "measured", "repeats": 1}}},
            "search.latency.repeats",
            "greater than or equal to 2",
        ),
        (
            {"search": {"kind": "random", "constraints": {"latency": 0}}},
            "search.constraints.latency",
            "greater than 0",
        ),
        (
            looked_up(constraints={"latency": 1.4}),
            "search.constraints",
            "of the 3 architectures whose latency is known none takes at most 1.4 ms; the lowest "
            "is 1.5 ms",
        ),
        (
            looked_up(constraints={"latency": 1.4, "flops": 10**9}),
            "search.constraints",
            "among those within 1000000000 FLOPs; the lowest is 1.5 ms",
        ),
        (
            looked_up("desk/latency", constraints={"latency": 1, "nonlinearity_count": 0}),
            None,
            "",
        ),
        (
            looked_up("desk/latency", constraints={"latency": 0.19, "nonlinearity_count": 0}),
            "search.constraints",
            "within 0 nonlinear functions; the lowest is 0.2 ms",
        ),
        (
            {"search": {**looked_up()["search"], "kind": "exhaustive", "budget": 2}},
            "search.budget",
            "do not reach to the end of the 3 architectures of digits-mini whose latency is known",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_could(
    changes: dict, field: str | None, told: str, api: Api, spec: dict
):
    answer = api.post("/api/v1/runs", json={**spec, **changes})
    if field is None:
        assert answer.status_code == 201, answer.text
        return
    assert fields_of(answer) == [field]
    assert told in problem_of(answer, 422)["detail"]


def test_a_table_of_dead_architectures_alone_is_refused(api: Api, spec: dict, stocked: Database):
    add_csv(stocked, "dead", f"architecture,latency\n{DEAD},1\n")
    latency = {"kind": "table", "benchmark": "dead"}
    answer = api.post(
        "/api/v1/runs", json={**spec, "search": {"kind": "random", "latency": latency}}
    )
    assert fields_of(answer) == ["search.latency"]
    assert "latency of no valid architecture of digits-mini" in problem_of(answer, 422)["detail"]


def candidate(run_id: int, number: int, code: str, **latency) -> Candidate:
    return Candidate(
        run_id=run_id,
        evaluation=number,
        architecture=code,
        subspace=0,
        score=float(number),
        best_score=float(number),
        flops=SPACE.flops(SPACE.decode(code)),
        parameters=1,
        nonlinearity_count=1,
        objectives={"loss": float(number), "latency": latency["latency_ms"]},
        seconds=0.1,
        **latency,
    )


@pytest.fixture
def measured_run(api: Api, spec: dict, stocked: Database) -> int:
    search = {"kind": "nsga2", "objectives": ["loss", "latency"], "constraints": {"latency": 3}}
    run_id: int = posted(api, spec, {"search": search})["id"]
    found = {CONV: (2.5, 0.25), SKIP: (1.25, 0.125), POOL: (3.5, 0.5)}
    with stocked.unit_of_work() as session:
        for number, (code, (ms, spread)) in enumerate(found.items(), start=1):
            latency = {
                "latency_ms": ms,
                "latency_spread_ms": spread,
                "latency_device": "cpu Some Chip",
            }
            session.add(LatencyRow(run_id=run_id, architecture=code, number=number, **latency))
            if ms <= 3:
                session.add(candidate(run_id, number, code, **latency))
    return run_id


def test_candidates_tell_their_latency_and_the_list_of_latencies_what_was_too_slow(
    api: Api, measured_run: int
):
    told = api.get(f"/api/v1/runs/{measured_run}/candidates").json()["items"]
    assert [
        (row["latency_ms"], row["latency_spread_ms"], row["latency_device"]) for row in told
    ] == [(2.5, 0.25, "cpu Some Chip"), (1.25, 0.125, "cpu Some Chip")]
    answer = api.get(f"/api/v1/runs/{measured_run}/latencies", params={"limit": 2}).json()
    rest = api.get(
        f"/api/v1/runs/{measured_run}/latencies", params={"cursor": answer["next_cursor"]}
    ).json()
    listed = answer["items"] + rest["items"]
    assert [(row["number"], row["architecture"], row["is_candidate"]) for row in listed] == [
        (1, CONV, True),
        (2, SKIP, True),
        (3, POOL, False),
    ]
    assert listed[2]["latency_ms"] == 3.5


def test_the_bundle_has_both_tables(api: Api, measured_run: int):
    answer = api.get(f"/api/v1/runs/{measured_run}/bundle")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))

    def lines(name: str) -> list[dict]:
        return list(csv.DictReader(io.TextIOWrapper(archive.open(f"{name}.csv"), "utf-8")))

    assert [row["latency_ms"] for row in lines("candidates")] == ["2.5", "1.25"]
    assert [row["latency_spread_ms"] for row in lines("candidates")] == ["0.25", "0.125"]
    assert [row["is_candidate"] for row in lines("latencies")] == ["True", "True", "False"]


def test_a_worker_reads_what_was_measured(measured_run: int, stocked: Database):
    with stocked.reading() as session:
        found = measured_latencies(session, session.get_one(Run, measured_run))
    assert found[SPACE.decode(POOL)] == Latency(ms=3.5, spread_ms=0.5, device="cpu Some Chip")
    assert len(found) == 3


def test_the_front_of_score_and_measured_latency_has_no_counterpart_in_truth(
    api: Api, measured_run: int
):
    front = api.get(f"/api/v1/runs/{measured_run}/front").json()["items"]
    assert [row["architecture"] for row in front] == [SKIP]
    assert api.get(f"/api/v1/runs/{measured_run}/true-front").json() is None


def test_the_front_of_score_and_known_latency_stands_beside_that_of_the_benchmark(
    api: Api, spec: dict, stocked: Database
):
    changes = looked_up(objectives=["loss", "latency"]) | {"benchmark": "devices"}
    run_id = posted(api, spec, changes)["id"]
    with stocked.unit_of_work() as session:
        session.add(candidate(run_id, 1, POOL, latency_ms=3.0))
    found = api.get(f"/api/v1/runs/{run_id}/true-front").json()
    assert found["objectives"] == ["accuracy", "latency"]
    # The fourth accuracy belongs to an architecture that has no latency on a phone.
    assert found["num_known"] == 3
    assert [(one["architecture"], one["objectives"]) for one in found["front"]] == [
        (CONV, {"accuracy": 90, "latency": 4}),
        (SKIP, {"accuracy": 80, "latency": 1.5}),
    ]
    assert [one["architecture"] for one in found["found"]] == [POOL]
    assert 0 < found["hypervolume_share"] < 1


@pytest.mark.parametrize(
    ("search", "number"),
    [
        (looked_up(constraints={"latency": 3.5})["search"], 2),
        (looked_up()["search"], 3),
        ({"kind": "random", "constraints": {"latency": 3.5}}, 0),
    ],
)
def test_random_search_draws_what_is_known_to_keep_the_limit(
    search: dict, number: int, api: Api, spec: dict, stocked: Database
):
    run_id = posted(api, spec, {"search": search, "benchmark": "devices"})["id"]
    with stocked.unit_of_work() as session:
        for code in (CONV, SKIP, POOL, UNKNOWN):
            session.add(
                Score(
                    run_id=run_id,
                    stage="final",
                    step=9,
                    scorer="loss",
                    architecture=code,
                    subspace=0,
                    score=1.0,
                )
            )
    found = api.get(f"/api/v1/runs/{run_id}/search-control").json()
    assert found["num_scored"] == number
    assert bool(found["random"]) == bool(number)


def test_columns_of_latency_are_kept_in_milliseconds(stocked: Database):
    with stocked.reading() as session:
        highest = {
            row.name: row.highest
            for row in session.query(BenchmarkColumn)
            if row.metric == "latency" and row.dataset is not None
        }
    assert highest == {"phone/latency": 4.0, "desk/latency": pytest.approx(0.3)}
