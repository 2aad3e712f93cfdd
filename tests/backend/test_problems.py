import pytest

from backend.app import create_app
from backend.db import Database
from backend.settings import Settings
from tests.backend.api import Api, problem_of


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1/nothing", "/api/v2/runs", "/nothing"])
def test_an_unknown_address_is_a_problem(path: str, api: Api):
    problem_of(api.get(path), 404)


def test_an_unknown_api_address_is_a_problem_even_beside_a_page_servers_catch_all(fresh_api: Api):
    @fresh_api.app.get("/{rest:path}")
    def page(rest: str) -> str:
        return "a page"

    assert fresh_api.get("/somewhere").json() == "a page"
    problem_of(fresh_api.get("/api/v1/nothing"), 404)


def test_a_wrong_method_is_a_problem_that_allows_the_right_ones(api: Api):
    response = api.request("PUT", "/api/v1/runs")
    problem_of(response, 405)
    assert response.headers["allow"] == "GET, POST"


def test_a_path_parameter_of_a_wrong_type_is_named(api: Api):
    problem = problem_of(api.get("/api/v1/runs/first"), 422)
    assert [error["field"] for error in problem["errors"]] == ["run_id"]


def test_an_unexpected_error_is_a_problem_without_details_of_the_code(fresh_api: Api):
    @fresh_api.app.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret")

    problem = problem_of(fresh_api.get("/broken"), 500)
    assert "secret" not in problem["detail"]


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_beyond_the_limit_is_a_problem(
    declared: bool, stocked: Database, plain_settings: Settings
):
    settings = plain_settings.model_copy(update={"max_body_bytes": 100})
    api = Api(create_app(settings, stocked))

    async def chunks():
        for _ in range(20):
            yield b"x" * 10

    content = b"x" * 200 if declared else chunks()
    headers = {"content-type": "application/json"}
    problem_of(api.post("/api/v1/runs", content=content, headers=headers), 413)


def test_files_have_a_limit_of_their_own(stocked: Database, plain_settings: Settings):
    changes = {"max_body_bytes": 100, "max_upload_bytes": 1000}
    api = Api(create_app(plain_settings.model_copy(update=changes), stocked))

    def upload(size: int):
        data = {"name": "b", "space": "digits-mini"}
        return api.post("/api/v1/benchmarks", data=data, files={"file": b"x" * size})

    problem_of(upload(300), 422)
    problem_of(upload(2000), 413)
