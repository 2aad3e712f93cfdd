import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from frontend.figures.registry import FIGURES
from frontend.server import main
from tests.frontend.seeding import SeededRun, small_spec

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def client(address, served_db):
    SeededRun(served_db, small_spec()).create().start().train(20)
    with httpx.Client(base_url=address) as client:
        yield client


@pytest.mark.parametrize("path", ["/ui/", "/ui/new", "/ui/runs/1", "/ui/runs/1?tab=log"])
def test_every_page_answers_its_address_on_reload(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "style.css" in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text


@pytest.mark.parametrize("number", ["4711", "2147483648", "9" * 23, "9" * 5000])
@pytest.mark.parametrize(
    ("pathname", "search"), [("/ui/runs/{}", ""), ("/ui/new", "?clone={}")], ids=["run", "clone"]
)
def test_the_page_of_a_number_that_no_run_has_is_not_blank(client, pathname, search, number):
    asked = {
        "output": "page.children",
        "outputs": {"id": "page", "property": "children"},
        "inputs": [{"id": "url", "property": "pathname", "value": pathname.format(number)}],
        "state": [{"id": "url", "property": "search", "value": search.format(number)}],
        "changedPropIds": ["url.pathname"],
    }
    answer = client.post("/ui/_dash-update-component", json=asked)
    shown = json.dumps(answer.json()["response"]["page"]["children"])
    if "new" in pathname and len(number) > 100:
        assert "New run" in shown  # read as no number, so as no clone
    else:
        assert "There is no" in shown


def test_the_root_leads_to_the_dashboard(client):
    answer = client.get("/", follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == "/ui/"


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/", "/nothing", "/runs/1"])
def test_an_unknown_address_is_a_problem_and_no_page(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_every_figure_is_served_as_plotly_json(client, name):
    drawn = client.get(f"/api/v1/runs/1/figures/{name}").json()
    assert drawn["layout"]["title"]["text"]
    dark = client.get(f"/api/v1/runs/1/figures/{name}?theme=dark").json()
    assert dark["layout"]["template"] != drawn["layout"]["template"]


def test_the_figures_are_listed(client):
    assert client.get("/api/v1/runs/1/figures").json() == list(FIGURES)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/runs/1/figures/none-such", 404),
        ("/api/v1/runs/99/figures/best-so-far", 404),
        ("/api/v1/runs/99/figures", 404),
        ("/api/v1/runs/0/figures/best-so-far", 422),
        ("/api/v1/runs/1/figures/best-so-far?theme=pink", 422),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_a_problem(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_served_figure_holds_the_runs_numbers(client):
    drawn = client.get("/api/v1/runs/1/figures/subspace-sizes").json()
    sizes = next(trace for trace in drawn["data"] if trace["name"] == "valid architectures")
    assert sum(sizes["x"]) == 116


def test_the_checked_in_description_is_the_servers(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["frontend.server", "--openapi"])
    main()
    checked_in = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert "/api/v1/runs/{run_id}/figures/{figure}" in json.loads(checked_in)["paths"]
    assert capsys.readouterr().out == checked_in, (
        "the API has changed: python -m frontend.server --openapi > docs/openapi.json"
    )


def test_the_server_is_imported_without_torch():
    code = "import sys, frontend.server; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
