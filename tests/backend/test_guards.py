import httpx
import pytest

from backend.app import create_app
from backend.binding import UnsafeAddress, check_address
from backend.db import Database
from backend.settings import Settings
from tests.backend.api import Api, problem_of


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback_may_be_bound(host: str):
    assert check_address(host, "") == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_any_other_address_is_refused_with_the_remedy(host: str):
    with pytest.raises(UnsafeAddress, match="EFSNAS_ALLOW_BIND"):
        check_address(host, "")


def test_exactly_the_permitted_address_may_be_bound():
    assert check_address("0.0.0.0", "0.0.0.0") == "0.0.0.0"
    with pytest.raises(UnsafeAddress):
        check_address("192.168.1.5", "0.0.0.0")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"])
def test_a_loopback_host_header_is_served(host: str, api: Api):
    assert api.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[bad", ""])
def test_a_foreign_host_header_is_refused(host: str, api: Api):
    problem_of(api.get("/healthz", headers={"host": host}), 403)


def test_a_named_host_is_served(stocked: Database, plain_settings: Settings):
    settings = plain_settings.model_copy(update={"allowed_hosts": ["api"]})
    api = Api(create_app(settings, stocked))
    assert api.get("/healthz", headers={"host": "api:8000"}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "http://localhost:8000",
        "https://127.0.0.1:8000",
        "http://[bad",
        "",
    ],
)
def test_a_page_of_another_origin_cannot_write(origin: str, api: Api, spec: dict):
    problem_of(api.post("/api/v1/runs", json=spec, headers={"origin": origin}), 403)
    assert api.get("/api/v1/runs").json()["items"] == []


def test_a_page_of_the_server_can_write(api: Api, spec: dict):
    headers = {"origin": "http://127.0.0.1:8000"}
    assert api.post("/api/v1/runs", json=spec, headers=headers).status_code == 201


def test_reading_across_origins_is_left_to_the_browser(api: Api):
    headers = {"origin": "http://evil.example"}
    response = api.get("/api/v1/runs", headers=headers)
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(("permitted", "status"), [("", 403), ("0.0.0.0", 200)])
def test_a_server_reached_beside_loopback_serves_only_with_permission(
    permitted: str, status: int, stocked: Database, plain_settings: Settings
):
    app = create_app(plain_settings.model_copy(update={"allow_bind": permitted}), stocked)

    async def reached_at_its_network_address(scope, receive, send):
        await app({**scope, "server": ("192.168.1.5", 8000)}, receive, send)

    api = Api(reached_at_its_network_address)
    response: httpx.Response = api.get("/healthz")
    assert response.status_code == status
