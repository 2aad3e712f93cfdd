"""What `POST /runs` refuses; the checks are the same on every database, so one is enough."""

import pytest

from backend.runs.checks import num_live_rounds
from nas.spec import RunSpec, round_boundaries
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
        ({"supernet": {"shared_cells": 2}}, "supernet.shared_cells"),
        ({"supernet": {"width": 0}}, "supernet.width"),
        ({"supernet": {"width": "wide"}}, "supernet.width"),
        ({"supernet": {"width": [8, 8, "x"]}}, "supernet.width.2"),
        ({"supernet": {"width": [8, 8]}}, "supernet.width"),
        ({"supernet": {"width": [8, 8], "routing": "accumulated"}}, "supernet.width"),
        ({"supernet": {"width": "auto", "parent_width": 1}}, "supernet.width"),
        ({"supernet": {"width": 8, "parent_width": 7}}, "supernet.parent_width"),
        ({"supernet": {"routing": "accumulated", "shared_cells": 1}}, "splitter.thresholds"),
        ({"supernet": {"routing": "accumulated"}, "splitter": {"kind": "none"}}, "splitter"),
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
        ("mobilenet-proxyless", {"routing": "accumulated"}, "supernet.routing"),
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


def test_a_list_of_widths_that_is_too_short_names_the_number_of_sub_spaces(api: Api, spec: dict):
    changes = {
        "splitter": {"kind": "nonlinearity", "num_subspaces": 3},
        "supernet": {"width": [8, 8]},
    }
    problem = problem_of(api.post("/api/v1/runs", json=spec | changes), 422)
    assert "2 widths for 3 sub-spaces" in problem["detail"]


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


@pytest.mark.parametrize(
    ("training", "every_steps", "rounds", "smallest"),
    [
        ({"steps": 10_000_000}, 1, "10,000,000", 5000),
        ({"steps": 10_000_000}, 4999, "2,001", 5000),
        # The end of the warm-up is a boundary of its own where it is no multiple.
        ({"steps": 4000, "warm_up_steps": 1}, 2, "2,001", 3),
    ],
)
def test_more_rounds_than_anybody_can_look_at_are_refused_with_the_smallest_feasible_value(
    training: dict, every_steps: int, rounds: str, smallest: int, api: Api, spec: dict
):
    changed = spec | {"training": training, "ranking": {"every_steps": every_steps}}
    (error,) = problem_of(api.post("/api/v1/runs", json=changed), 422)["errors"]
    assert error["field"] == "ranking.every_steps"
    assert f"makes {rounds} rounds" in error["message"]
    assert error["message"].endswith(f"the smallest feasible value is {smallest}")
    changed["ranking"]["every_steps"] = smallest
    assert api.post("/api/v1/runs", json=changed).status_code == 201


@pytest.mark.parametrize("warm_up_steps", [0, 1, 20, 25, 99])
@pytest.mark.parametrize("every_steps", [1, 7, 20, 50, 99, 100, 101])
def test_rounds_are_counted_as_they_are_listed(warm_up_steps: int, every_steps: int, spec: dict):
    training = {"steps": 100, "warm_up_steps": warm_up_steps}
    changed = spec | {"training": training, "ranking": {"every_steps": every_steps}}
    made = RunSpec.model_validate(changed)
    assert num_live_rounds(made.training, every_steps) == len(round_boundaries(made))


def test_a_runs_name_is_stripped(api: Api, spec: dict):
    run = api.post("/api/v1/runs", json=spec | {"name": " \u00a0 first \n"}).json()
    assert (run["name"], run["spec"]["name"]) == ("first", "first")
    patched = api.patch(f"/api/v1/runs/{run['id']}", json={"name": "\tsecond "}).json()
    assert patched["name"] == "second"


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x07", "\x9b31m", "a\u2028b", "x" * 101])
def test_a_name_that_is_no_line_of_text_is_refused(name: str, api: Api, spec: dict):
    assert fields_of(api.post("/api/v1/runs", json=spec | {"name": name})) == ["name"]
    run = api.post("/api/v1/runs", json=spec).json()
    assert fields_of(api.patch(f"/api/v1/runs/{run['id']}", json={"name": name})) == ["name"]


def test_a_note_may_have_lines_but_no_nul(api: Api, spec: dict):
    address = f"/api/v1/runs/{api.post('/api/v1/runs', json=spec).json()['id']}"
    assert api.patch(address, json={"note": "a\nb"}).json()["note"] == "a\nb"
    assert fields_of(api.patch(address, json={"note": "a\0b"})) == ["note"]
