"""The front that a search has found beside that of its benchmark."""

import pytest

from backend.benchmarks.service import add_benchmark
from backend.db import Database
from backend.models import Candidate, SearchSpace
from backend.references import get
from backend.runs import service
from nas.benchmarks.table import Entry, GroundTruth
from nas.search.pareto import dominates
from nas.spaces import catalogue
from nas.spec import RunSpec
from tests.backend.api import Api

SPACE = catalogue()["digits-mini"]
VALID = [one for one in SPACE.enumerate() if SPACE.is_valid(one)]
TRUTH = {SPACE.encode(one): 60.0 + 37 * place % 31 for place, one in enumerate(VALID)}


def flops(code: str) -> int:
    return SPACE.flops(SPACE.decode(code))


@pytest.fixture
def searched(stocked: Database, spec: dict):
    """Return what makes a run whose search has scored some architectures."""
    with stocked.unit_of_work() as session:
        space = get(session, SearchSpace, "digits-mini")
        table = GroundTruth({code: Entry(accuracy=value) for code, value in TRUTH.items()})
        add_benchmark(session, "all-known", space, table)

    def make(scores: dict[str, float], objectives=("loss", "flops"), **changes) -> int:
        search = {"kind": "random", "budget": 200, "objectives": objectives}
        document = {**spec, "benchmark": "all-known", "search": search, **changes}
        with stocked.unit_of_work() as session:
            run_id = service.create_run(session, RunSpec.model_validate(document)).id
            for number, (code, score) in enumerate(scores.items(), start=1):
                costs = {"flops": float(flops(code)), "parameters": 1.0, "nonlinearity-count": 1.0}
                session.add(
                    Candidate(
                        run_id=run_id,
                        evaluation=number,
                        architecture=code,
                        subspace=0,
                        score=score,
                        best_score=score,
                        flops=flops(code),
                        parameters=1,
                        nonlinearity_count=1,
                        objectives={"loss": score, "accuracy": 1.0, **costs},
                        seconds=0.1,
                    )
                )
        return run_id

    return make


def point(code: str) -> tuple[float, float]:
    return -TRUTH[code], flops(code)


def test_a_search_that_scores_as_the_truth_does_finds_its_front(api: Api, searched):
    found = api.get(f"/api/v1/runs/{searched(TRUTH)}/true-front").json()
    assert found["objectives"] == ["accuracy", "flops"]
    assert found["hypervolume_share"] == pytest.approx(1)
    assert found["num_known"] == len(VALID)
    front = {one["architecture"] for one in found["front"]}
    assert front == {
        code for code in TRUTH if not any(dominates(point(other), point(code)) for other in TRUTH)
    }
    assert {one["architecture"] for one in found["found"]} == front
    assert all(
        one["objectives"]
        == {"accuracy": TRUTH[one["architecture"]], "flops": flops(one["architecture"])}
        for one in found["front"]
    )


def test_of_a_wrong_front_remains_what_the_truth_does_not_beat(api: Api, searched):
    run_id = searched({code: -value for code, value in TRUTH.items()})
    found = api.get(f"/api/v1/runs/{run_id}/true-front").json()
    claimed = [
        one["architecture"] for one in api.get(f"/api/v1/runs/{run_id}/front").json()["items"]
    ]
    left = [
        code
        for code in claimed
        if not any(dominates(point(other), point(code)) for other in claimed)
    ]
    assert sorted(one["architecture"] for one in found["found"]) == sorted(left)
    assert 0 < found["hypervolume_share"] < 0.95


@pytest.mark.parametrize(
    "changes",
    [
        {"benchmark": None},
        {"objectives": ["flops", "parameters"]},
        {
            "objectives": ["loss", "accuracy"],
            "ranking": {"scorers": [{"kind": "loss"}, {"kind": "accuracy"}]},
        },
        {"objectives": ["minimise loss", "flops"]},
        {"objectives": None},
    ],
)
def test_what_is_no_trade_of_one_score_for_costs_is_not_compared(api: Api, searched, changes):
    assert api.get(f"/api/v1/runs/{searched(TRUTH, **changes)}/true-front").json() is None


def test_before_the_search_nothing_is_found(api: Api, searched):
    found = api.get(f"/api/v1/runs/{searched({})}/true-front").json()
    assert (found["found"], found["hypervolume_share"]) == ([], 0)
    assert found["front"]
    assert api.get("/api/v1/runs/99999/true-front").status_code == 404
