"""What a run's search is compared with."""

import pytest

from backend.db import Database
from backend.models import Score
from backend.runs import service
from backend.runs.searched import search_control
from nas.spaces import catalogue
from nas.spec import RunSpec
from tests.backend.api import Api
from tests.backend.conftest import CONV, POOL, SKIP

SCORES = {CONV: 0.5, SKIP: 0.9, POOL: 0.1}
UNKNOWN = "|skip_connect~0|+|nor_conv_3x3~0|none~1|"


@pytest.fixture
def searched(stocked: Database, spec: dict):
    """Return what makes a run with a search, whose ranking scored four architectures."""

    def make(**changes) -> int:
        document = {**spec, "search": {"kind": "random", "budget": 10}, **changes}
        with stocked.unit_of_work() as session:
            run_id = service.create_run(session, RunSpec.model_validate(document)).id
            for code, score in {**SCORES, UNKNOWN: 0.95}.items():
                for stage, sign in (("live", -1), ("final", 1)):
                    session.add(
                        Score(
                            run_id=run_id,
                            stage=stage,
                            step=9,
                            scorer="loss",
                            architecture=code,
                            subspace=0,
                            score=sign * score,
                        )
                    )
        return run_id

    return make


def test_random_search_draws_from_what_the_final_ranking_scored_and_the_benchmark_knows(
    api: Api, searched
):
    found = api.get(f"/api/v1/runs/{searched()}/search-control").json()
    # The dead cell, of 95 %, is no candidate.
    assert found["best_accuracy"] == 90
    assert (found["num_scored"], found["is_whole_space"]) == (3, False)
    assert [point["evaluation"] for point in found["random"]] == list(range(1, 11))
    once, twice = found["random"][:2]
    assert once["mean"] == pytest.approx((90 + 70 + 60) / 3)
    assert (once["low"], once["high"]) == (60, 90)
    # SKIP has the best score: it wins 5 of 9 pairs, CONV 3 and POOL 1.
    assert twice["mean"] == pytest.approx((5 * 70 + 3 * 90 + 60) / 9)


def test_what_the_limits_exclude_is_not_drawn(api: Api, searched):
    space = catalogue()["digits-mini"]
    flops = space.flops(space.decode(SKIP))
    search = {"kind": "random", "budget": 10, "constraints": {"flops": flops}}
    assert space.flops(space.decode(CONV)) > flops
    found = api.get(f"/api/v1/runs/{searched(search=search)}/search-control").json()
    allowed = [code for code in SCORES if space.flops(space.decode(code)) <= flops]
    assert found["num_scored"] == len(allowed) < 3


def test_without_search_or_benchmark_or_scores_there_is_less(
    api: Api, searched, new_run, stocked: Database
):
    for changes in ({"search": None}, {"benchmark": None}):
        assert api.get(f"/api/v1/runs/{searched(**changes)}/search-control").json() is None
    with stocked.reading() as session:
        run = service.get_run(session, searched(search={"kind": "exhaustive", "scorer": "loss"}))
        assert search_control(session, run) is not None
    assert api.get("/api/v1/runs/99999/search-control").status_code == 404
