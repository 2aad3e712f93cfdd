"""Requests that no form sends: whatever they hold, the answer says what is wrong with them."""

import base64
import json

import pytest

from backend.paging import encode_cursor
from tests.backend.api import Api, fields_of, problem_of

HUGE = 10**23
JSON = {"content-type": "application/json"}
NUMBERS = (0, -1, 2**31, 2**63 - 1, 2**63, HUGE, -HUGE)


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def test_no_run_has_a_number_that_no_column_can_hold(api: Api):
    for number in NUMBERS:
        run = f"/api/v1/runs/{number}"
        for path in ("", "/events", "/units", "/subspaces", "/scores"):
            problem_of(api.get(run + path), 404)
        problem_of(api.patch(run, json={"note": "x"}), 404)
        problem_of(api.post(f"{run}/pause"), 404)
        problem_of(api.post(f"{run}/clone"), 404)
        problem_of(api.delete(run), 404)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("scores?step=99999999999999999999", "step"),
        ("scores?step=2147483648", "step"),
        ("metrics?after_step=2147483648", "after_step"),
        ("balance?after_step=99999999999999999999", "after_step"),
        ("candidates?after_evaluation=2147483648", "after_evaluation"),
        ("log?after=9223372036854775808", "after"),
        ("events?after=9223372036854775808", "after"),
        ("metrics?series=%00", "series"),
        ("correlations?scorer=%00", "scorer"),
        ("scores?scorer=%00", "scorer"),
    ],
)
def test_a_filter_that_no_column_can_hold_is_refused(path: str, field: str, api: Api, new_run):
    assert fields_of(api.get(f"/api/v1/runs/{new_run()}/{path}")) == [field]


def test_the_largest_event_number_is_beyond_every_event(api: Api, new_run):
    answer = api.get(f"/api/v1/runs/{new_run()}/log", params={"after": 2**63 - 1})
    assert answer.json()["items"] == []


@pytest.mark.parametrize("version", ["@9999999999999999999999", "@9999999999", "%00", "@x", "@"])
def test_no_version_is_beyond_what_a_column_can_hold(version: str, api: Api):
    for path in (
        f"search-spaces/digits-mini{version}",
        f"search-spaces/digits-mini{version}/histogram",
        f"datasets/digits{version}",
        f"benchmarks/mini-truth{version}/entries",
    ):
        problem_of(api.get(f"/api/v1/{path}"), 404)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ('"space": "digits-mini@9999999999999999999999"', "space"),
        ('"space": "digits-mini@999999999"', "space"),
        ('"training": {"steps": 100, "gradient_clip": Infinity}', "training.gradient_clip"),
        ('"training": {"steps": 100, "gradient_clip": 1e999}', "training.gradient_clip"),
        ('"training": {"steps": 100, "learning_rate": NaN}', "training.learning_rate"),
        (f'"ranking": {{"every_steps": {HUGE}}}', "ranking.every_steps"),
        ('"search": {"kind": "evolution", "mutation_probability": NaN}', "search.mutation_prob"),
        (f'"splitter": {{"kind": "nonlinearity", "thresholds": [{HUGE}]}}', "splitter.thresholds"),
        ('"\\ud800": 1', ""),
        ('"name": "\\ud800"', "name"),
        ('"name": "a\\u0000b"', "name"),
    ],
)
def test_a_spec_with_impossible_values_is_refused(change: str, field: str, api: Api, spec: dict):
    content = json.dumps(spec)[:-1] + f", {change}}}"
    (named,) = fields_of(api.post("/api/v1/runs", content=content, headers=JSON))
    assert named.startswith(field)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"name": "\xff"}', "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "too many digits"),
        (b"{", "not JSON"),
    ],
)
@pytest.mark.parametrize("path", ["runs", "runs/1/clone", "search-spaces"])
def test_a_body_that_cannot_be_read_is_a_problem_that_says_why(
    content: bytes, said: str, path: str, api: Api
):
    problem = problem_of(api.post(f"/api/v1/{path}", content=content, headers=JSON), 422)
    assert said in problem["detail"]
    assert problem["errors"] == [{"field": "", "message": problem["detail"]}]


@pytest.mark.parametrize(
    ("path", "cursor"),
    [
        ("runs", encode_cursor("runs", [HUGE])),
        ("runs", encode_cursor("runs", [-HUGE])),
        ("runs", _encoded("[" * 20_000)),
        ("datasets", encode_cursor("datasets", ["digits", HUGE])),
        ("datasets", encode_cursor("datasets", ["\ud800", 1])),
        ("datasets", encode_cursor("datasets", ["\0", 1])),
        ("datasets", encode_cursor("benchmarks", ["digits", 1])),
    ],
)
def test_a_cursor_that_the_list_has_not_given_out_is_refused(path: str, cursor: str, api: Api):
    assert fields_of(api.get(f"/api/v1/{path}", params={"cursor": cursor})) == ["cursor"]


@pytest.mark.parametrize("last", [2**31, 2**63 - 1])
def test_a_cursor_beyond_every_run_gives_them_all(last: int, api: Api, new_run):
    run_id = new_run()
    cursor = encode_cursor("runs", [last])
    items = api.get("/api/v1/runs", params={"cursor": cursor}).json()["items"]
    assert [run["id"] for run in items] == [run_id]


def test_a_cursor_of_another_runs_list_is_refused(api: Api, new_run):
    first, second = new_run(), new_run()
    parameters = {"limit": 1}
    api.post(f"/api/v1/runs/{first}/cancel")
    cursor = api.get(f"/api/v1/runs/{first}/log", params=parameters).json()["next_cursor"]
    assert cursor is not None
    parameters["cursor"] = cursor
    assert api.get(f"/api/v1/runs/{first}/log", params=parameters).status_code == 200
    assert fields_of(api.get(f"/api/v1/runs/{second}/log", params=parameters)) == ["cursor"]


def test_the_name_of_an_uploaded_file_may_be_anything(api: Api):
    data = {"name": "b", "space": "digits-mini"}
    for name in ("table.\0", "table./../x", "." * 300):
        files = {"file": (name, b"nonsense")}
        assert fields_of(api.post("/api/v1/benchmarks", data=data, files=files)) == ["file"]
