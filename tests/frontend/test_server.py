import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from backend.spaces.schemas import HistogramRead, PartitionPreview
from frontend.figures.comparison.registry import COMPARISONS
from frontend.figures.histogram import histogram
from frontend.figures.registry import FIGURES, PREVIEW_FIGURES, SPACE_FIGURES
from frontend.server import main
from tests.backend.api import fields_of, problem_of
from tests.frontend.seeding import SeededRun, small_spec

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def client(address, served_db):
    SeededRun(served_db, small_spec()).create().start().train(20)
    ranking = {"every_steps": 100, "scorers": [{"kind": "loss"}, {"kind": "flops"}]}
    other = SeededRun(served_db, small_spec(name="other", ranking=ranking)).create().start()
    other.train(20)
    other.rank(20)
    other.rank(20, stage="final", scorer="flops")
    with httpx.Client(base_url=address) as client:
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "/ui/",
        "/ui/new",
        "/ui/new-benchmark",
        "/ui/runs/1",
        "/ui/runs/1?tab=log",
        "/ui/compare?run=1",
    ],
)
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


def test_a_figure_over_steps_shows_the_measure_that_is_asked_for(client):
    address = "/api/v1/runs/1/figures/tau-over-steps"
    default = client.get(address).json()
    assert client.get(f"{address}?measure=tau").json() == default
    regret = client.get(f"{address}?measure=pool-regret").json()
    assert regret["layout"]["title"]["text"] == "regret in the pool over steps"
    unknown = client.get(f"{address}?measure=luck")
    assert fields_of(unknown) == ["measure"]
    assert unknown.status_code == 422


def test_a_measure_is_refused_by_a_figure_that_shows_none(client):
    refused = client.get("/api/v1/runs/1/figures/training-loss?measure=tau")
    assert refused.status_code == 422
    assert refused.json()["detail"].endswith("one is shown by tau-over-steps")


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
        ("/api/v1/runs/1/figures/best-so-far?scorer=loss", 422),
        ("/api/v1/runs/1/figures/tau-over-steps?scorer=flops", 422),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_a_problem(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_figure_of_the_ranking_is_served_for_the_scorer_asked_for(client):
    address = "/api/v1/runs/2/figures/tau-over-steps"
    by_loss, by_flops = (
        client.get(f"{address}?scorer={scorer}").json() for scorer in ("loss", "flops")
    )
    for scorer, drawn in (("loss", by_loss), ("flops", by_flops)):
        assert f"τ-b by {scorer} ·" in drawn["layout"]["title"]["subtitle"]["text"]
    default = client.get(address).json()
    assert default["data"] == by_loss["data"] != by_flops["data"]
    refused = client.get(f"{address}?scorer=other")
    assert fields_of(refused) == ["scorer"]
    assert "it has loss, flops" in refused.json()["detail"]


def test_the_served_figure_holds_the_runs_numbers(client):
    drawn = client.get("/api/v1/runs/1/figures/subspace-sizes").json()
    sizes = next(trace for trace in drawn["data"] if trace["name"] == "valid architectures")
    assert sum(sizes["x"]) == 116


@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_every_comparison_is_served_as_plotly_json_with_the_runs_in_the_given_order(client, name):
    drawn = client.get(f"/api/v1/figures/{name}?run=2&run=1").json()
    assert drawn["layout"]["title"]["text"] == COMPARISONS[name].title
    dark = client.get(f"/api/v1/figures/{name}?run=2&run=1&theme=dark").json()
    assert dark["layout"]["template"] != drawn["layout"]["template"]
    # Nothing has been searched, and no supernet has made a step of its own.
    if name in ("best-so-far", "training-balance"):
        assert drawn["data"] == []
    else:
        assert [trace["name"] for trace in drawn["data"]] == ["#2 other", "#1 seeded"]


def test_a_compared_run_has_the_numbers_of_its_own_figure(client):
    (drawn,) = client.get("/api/v1/figures/tau-over-steps?run=2").json()["data"]
    alone = client.get("/api/v1/runs/2/figures/tau-over-steps").json()["data"]
    overall = next(trace for trace in alone if trace["name"] == "overall")
    assert (drawn["x"], drawn["y"]) == (overall["x"], overall["y"])
    assert drawn["x"] == [20]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("rank-correlation", "regret in the pool"),
        ("tau-over-steps", "regret in the pool over steps"),
    ],
)
def test_a_comparison_of_rankings_shows_the_measure_that_is_asked_for(client, name, title):
    address = f"/api/v1/figures/{name}?run=2&run=1"
    assert client.get(f"{address}&measure=tau").json() == client.get(address).json()
    regret = client.get(f"{address}&measure=pool-regret").json()
    assert regret["layout"]["title"]["text"] == title
    assert [trace["name"] for trace in regret["data"]] == ["#2 other", "#1 seeded"]
    assert fields_of(client.get(f"{address}&measure=luck")) == ["measure"]


def test_a_measure_is_refused_by_a_comparison_that_shows_none(client):
    refused = client.get("/api/v1/figures/training-loss?run=1&run=2&measure=tau")
    assert fields_of(refused) == ["measure"]
    assert refused.json()["detail"].endswith("by rank-correlation, tau-over-steps")


def test_the_comparisons_are_listed(client):
    assert client.get("/api/v1/figures").json() == list(COMPARISONS)


def test_a_figure_of_one_run_alone_is_refused_with_those_that_compare(client):
    refused = client.get("/api/v1/figures/best-cell?run=1&run=2")
    assert fields_of(refused) == ["figure"]
    assert refused.json()["comparable"] == list(COMPARISONS)
    unknown = problem_of(client.get("/api/v1/figures/none-such?run=1"), 404)
    assert unknown["comparable"] == list(COMPARISONS)
    for name in COMPARISONS:
        assert name in refused.json()["detail"]
        assert name in unknown["detail"]


SPACES = "/api/v1/search-spaces"
THREE = {"splitter": '{"kind": "nonlinearity", "num_subspaces": 3}'}


def test_the_histogram_of_a_space_is_served_as_its_page_draws_it(client):
    assert client.get(f"{SPACES}/nas-bench-201/figures").json() == list(SPACE_FIGURES)
    drawn = client.get(f"{SPACES}/nas-bench-201/figures/histogram").json()
    valid, dead = drawn["data"]
    assert [row[0] for row in valid["customdata"]] == ["1,642", "7,122", "5,520", "1,000"]
    assert [row[0] for row in dead["customdata"]] == ["341", "0", "0", "0"]
    assert "nas-bench-201@1" in drawn["layout"]["title"]["subtitle"]["text"]
    total = client.get(f"{SPACES}/nas-bench-201@1/figures/histogram?count=total&theme=dark").json()
    assert total["data"][0]["x"] == [0, 1, 2, 3, 4, 5, 6]
    assert total["layout"]["template"] != drawn["layout"]["template"]
    rows = HistogramRead.model_validate_json(client.get(f"{SPACES}/nas-bench-201/histogram").text)
    same = histogram("nas-bench-201@1", rows, "effective")
    assert json.loads(same.to_json()) == drawn


@pytest.mark.parametrize("name", PREVIEW_FIGURES)
def test_every_figure_of_a_preview_is_served_with_the_numbers_of_the_preview(client, name):
    assert client.get(f"{SPACES}/digits-mini/partition/figures").json() == list(PREVIEW_FIGURES)
    path = f"{SPACES}/digits-mini/partition/figures/{name}"
    drawn = client.get(path, params=THREE | {"sample": 30, "seed": 5}).json()
    assert drawn["layout"]["title"]["text"] == PREVIEW_FIGURES[name].title
    preview = client.post(
        f"{SPACES}/digits-mini/partition?sample=30&seed=5", json=json.loads(THREE["splitter"])
    )
    same = PREVIEW_FIGURES[name].draw(
        "digits-mini@1", PartitionPreview.model_validate_json(preview.text)
    )
    assert json.loads(same.to_json()) == drawn
    dark = client.get(path, params=THREE | {"theme": "dark"}).json()
    assert dark["layout"]["template"] != drawn["layout"]["template"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("nowhere/figures", 404),
        ("nowhere/figures/histogram", 404),
        ("digits-mini/figures/none-such", 404),
        ("digits-mini/figures/histogram?count=other", 422),
        ("digits-mini/figures/histogram?theme=pink", 422),
        ("nowhere/partition/figures", 404),
        ('nowhere/partition/figures/shares?splitter={"kind":"none"}', 404),
        ('digits-mini/partition/figures/none-such?splitter={"kind":"none"}', 404),
        ("digits-mini/partition/figures/shares", 422),
        ("digits-mini/partition/figures/shares?splitter={", 422),
        ('digits-mini/partition/figures/shares?splitter={"kind":"other"}', 422),
        ('digits-mini/partition/figures/shares?splitter={"kind":"none"}&sample=0', 422),
        ('digits-mini/partition/figures/shares?splitter={"kind":"none"}&colour=red', 422),
        (
            'digits-mini/partition/figures/shares?splitter={"kind":"nonlinearity","num_subspaces":9}',
            422,
        ),
    ],
)
def test_a_figure_of_a_space_that_cannot_be_drawn_is_a_problem(client, path, status):
    problem_of(client.get(f"{SPACES}/{path}"), status)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "run=",
        "run=1&run=1",
        "run=first",
        "run=0",
        "&".join(f"run={number}" for number in range(1, 22)),
    ],
)
def test_runs_that_cannot_be_compared_are_refused_naming_the_field(client, query):
    refused = client.get(f"/api/v1/figures/tau-over-steps?{query}")
    assert {field.split(".")[0] for field in fields_of(refused)} == {"run"}


def test_a_comparison_with_a_run_that_does_not_exist_is_not_found(client):
    answer = client.get("/api/v1/figures/tau-over-steps?run=1&run=99")
    assert problem_of(answer, 404)["detail"] == "There is no run 99."


def test_a_comparison_in_an_unknown_theme_is_refused(client):
    assert fields_of(client.get("/api/v1/figures/tau-over-steps?run=1&theme=pink")) == ["theme"]


def test_the_checked_in_description_is_the_servers(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["frontend.server", "--openapi"])
    main()
    checked_in = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    paths = json.loads(checked_in)["paths"]
    assert {"/api/v1/runs/{run_id}/figures/{figure}", "/api/v1/figures/{figure}"} <= paths.keys()
    assert capsys.readouterr().out == checked_in, (
        "the API has changed: python -m frontend.server --openapi > docs/openapi.json"
    )


def test_the_server_is_imported_without_what_takes_seconds_to_load():
    heavy = "{'torch', 'onnx', 'onnxruntime', 'sklearn', 'scipy.stats', 'scipy.special', 'scipy.spatial'}"
    code = f"import sys, frontend.server; sys.exit(len({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
