"""What `POST /runs` refuses; the checks are the same on every database, so one is enough."""

import pytest

from tests.backend.api import Api, fields_of, problem_of


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"training": {"steps": 0}}, "training.steps"),
        ({"training": {}}, "training.steps"),
        ({"training": {"steps": 10, "warm_up_steps": 10}}, "training.warm_up_steps"),
        ({"surprise": 1}, "surprise"),
        ({"space": "no spaces allowed"}, "space"),
        ({"space": "unknown"}, "space"),
        ({"space": "digits-mini@9"}, "space"),
        ({"dataset": "unknown"}, "dataset"),
        ({"benchmark": "unknown"}, "benchmark"),
        ({"space": "nas-bench-201"}, "benchmark"),
        ({"splitter": {"kind": "nonlinearity", "num_subspaces": 0}}, "splitter.num_subspaces"),
        ({"splitter": {"kind": "nonlinearity", "num_subspaces": 9}}, "splitter.num_subspaces"),
        (
            {"splitter": {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [7]}},
            "splitter.thresholds",
        ),
        (
            {"splitter": {"kind": "nonlinearity", "num_subspaces": 3, "thresholds": [1]}},
            "splitter.thresholds",
        ),
        ({"search": {"kind": "oracle"}}, "search"),
        ({"search": {"kind": "random", "budget": 0}}, "search.budget"),
        ({"search": {"kind": "random", "constraints": {"flops": 1}}}, "search.constraints"),
        ({"ranking": {"scorers": [{"kind": "loss"}, {"kind": "x"}]}}, "ranking.scorers.1"),
        ({"training": {"steps": 10, "batch_size": 1001}}, "training.batch_size"),
    ],
)
def test_a_bad_spec_names_its_field_and_queues_nothing(
    changes: dict, field: str, api: Api, spec: dict
):
    assert fields_of(api.post("/api/v1/runs", json=spec | changes)) == [field]
    assert api.get("/api/v1/runs").json()["items"] == []


@pytest.mark.parametrize(
    ("space", "supernet", "field"),
    [
        ("mobilenet-proxyless", {"cells_per_stage": 2}, "supernet.cells_per_stage"),
        ("mobilenet-proxyless", {"reduction": "residual"}, "supernet.reduction"),
        ("darts-cell", {"reduction": "residual"}, "supernet.reduction"),
    ],
)
def test_a_supernet_that_the_space_does_not_have_is_refused(
    space: str, supernet: dict, field: str, api: Api, spec: dict
):
    changes = {"space": space, "supernet": supernet, "benchmark": None}
    assert fields_of(api.post("/api/v1/runs", json=spec | changes)) == [field]


def test_every_bad_field_is_named_at_once(api: Api, spec: dict):
    bad = spec | {"seed": -1, "training": {"steps": 0}}
    assert fields_of(api.post("/api/v1/runs", json=bad)) == ["seed", "training.steps"]


def test_an_infeasible_number_of_subspaces_names_the_feasible_ones(api: Api, spec):
    bad = spec | {"splitter": {"kind": "nonlinearity", "num_subspaces": 9}}
    problem = problem_of(api.post("/api/v1/runs", json=bad), 422)
    assert "feasible are 1, 2, 3" in problem["detail"]


def test_infeasible_constraints_name_the_tightest_feasible_value(api: Api, spec: dict):
    bad = spec | {"search": {"kind": "random", "constraints": {"flops": 1}}}
    problem = problem_of(api.post("/api/v1/runs", json=bad), 422)
    cost = int(problem["detail"].split("the cheapest need ")[1].split()[0])
    good = spec | {"search": {"kind": "random", "constraints": {"flops": cost}}}
    assert api.post("/api/v1/runs", json=good).status_code == 201


def test_a_benchmark_of_another_space_is_refused_with_both_names(api: Api, spec: dict):
    problem = problem_of(api.post("/api/v1/runs", json=spec | {"space": "nas-bench-201"}), 422)
    assert "digits-mini@1" in problem["detail"]
    assert "nas-bench-201@1" in problem["detail"]


def test_a_body_that_is_not_json_is_a_problem(api: Api):
    headers = {"content-type": "application/json"}
    response = api.post("/api/v1/runs", content=b"{", headers=headers)
    assert "not JSON" in problem_of(response, 422)["detail"]
