"""The pages in a real Chromium, over seeded runs."""

import re
import statistics
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect
from structlog.testing import capture_logs

from backend.models import Run
from backend.settings import Settings
from tests.frontend.seeding import EVERY, STEPS, WARM_UP, SeededRun, add_truth, small_spec
from tests.support import wait_until
from tests.worker.running import run_to_end
from tests.worker.support import Deployment, banked_spec

pytestmark = pytest.mark.browser

SUM_OF_UPDATES = """() => {
    const graph = document.querySelector(".figure-subspace-sizes .js-plotly-plot");
    const bars = graph?.data?.find((trace) => trace.name === "updates so far");
    return bars ? bars.x.reduce((sum, value) => sum + value, 0) : -1;
}"""


def seeded(db, **changes):
    """A run with a partition and a ground truth, still without a step."""
    run = SeededRun(db, small_spec(**changes)).create()
    run.start()
    space = run.partition.space
    valid = [architecture for architecture in space.enumerate() if space.is_valid(architecture)]
    add_truth(
        db,
        run.run_id,
        {space.encode(architecture): 90 + place / 20 for place, architecture in enumerate(valid)},
    )
    return run


@pytest.fixture(scope="module")
def finished(served_db):
    run = seeded(served_db, name="the finished one")
    for step in range(100, STEPS + 1, 100):
        run.train(step)
        run.rank(step)
    run.rank(STEPS, stage="final")
    run.search(30)
    run.finish()
    return run


@pytest.fixture(scope="module")
def broken(served_db):
    run = SeededRun(served_db, small_spec(name="the broken one")).create()
    with served_db.unit_of_work() as session:
        row = session.get_one(Run, run.run_id)
        row.state = "failed"
        row.failure_class = "out of memory"
        row.failure_message = "The worker ran out of memory: lower training.batch_size."
    return run


def figure(page, name):
    return page.locator(f".figure-{name}:visible")


def traces(page, name):
    """Number of points per trace of a figure."""
    return page.evaluate(
        """(name) => {
            const shown = [...document.querySelectorAll(`.figure-${name} .js-plotly-plot`)];
            const graph = shown.find((element) => element.offsetParent !== null);
            return (graph?.data ?? []).map((trace) => (trace.x ?? []).length);
        }""",
        name,
    )


def stage(page, kind):
    """The card of the progress panel that shows the units of one kind."""
    return page.locator(f"[data-stage={kind}]")


def bar_width(page, kind):
    """How much of a stage's bar is filled, in percent."""
    widths = (
        stage(page, kind)
        .locator(".stage-part")
        .evaluate_all("(parts) => parts.map((part) => parseFloat(part.style.width))")
    )
    return sum(widths)


def wait_for_points(page, name):
    return wait_until(
        lambda: [count for count in traces(page, name) if count],
        seconds=30,
        what=f"{name} has data",
    )


def test_the_list_shows_runs_with_state_tau_and_reason_grows_and_leads_to_them(
    quiet_page, address, served_db, finished, broken
):
    quiet_page.goto(f"{address}/ui/")
    row = quiet_page.locator(".ag-row", has_text="the finished one")
    expect(row).to_contain_text("succeeded")
    expect(row.locator("[col-id=tau]")).to_have_text("0.70")
    expect(row.locator("[col-id=ceiling]")).to_have_text("0.80")
    without_truth = quiet_page.locator(".ag-row", has_text="the broken one")
    expect(without_truth).to_contain_text("lower training.batch_size")
    expect(without_truth.locator("[col-id=ceiling]")).to_have_text("–")
    quiet_page.evaluate("window.stillTheSamePage = true")
    SeededRun(served_db, small_spec(name="a late arrival")).create()
    expect(quiet_page.locator(".ag-row", has_text="a late arrival")).to_be_visible()
    row.get_by_role("link", name="the finished one").click()
    expect(quiet_page.get_by_role("heading", name="the finished one")).to_be_visible()
    assert quiet_page.url == f"{address}/ui/runs/{finished.run_id}"
    assert quiet_page.evaluate("window.stillTheSamePage")


def test_every_tab_of_a_run_shows_its_data(quiet_page, address, finished):
    quiet_page.goto(f"{address}/ui/runs/{finished.run_id}")
    for name in ("subspace-sizes", "training-balance", "rank-correlation", "tau-over-steps"):
        wait_for_points(quiet_page, name)
    expect(figure(quiet_page, "rank-correlation")).to_contain_text("noise ceiling 0.80")
    quiet_page.get_by_role("tab", name="Training", exact=True).click()
    for name in ("training-loss", "updates-over-steps", "operation-balance"):
        wait_for_points(quiet_page, name)
    expect(figure(quiet_page, "bank-balance")).to_have_count(0)
    quiet_page.get_by_role("tab", name="Ranking").click()
    wait_for_points(quiet_page, "rank-correlation")
    expect(quiet_page.locator("table:visible").first).to_contain_text("all sub-spaces")
    condition = "split validation, batch norm batch-stats"
    expect(quiet_page.get_by_text(condition).first).to_be_visible()
    quiet_page.get_by_role("tab", name="Search").click()
    for name in ("best-so-far", "best-cell", "search-in-truth"):
        wait_for_points(quiet_page, name)
    expect(figure(quiet_page, "search-in-truth")).to_contain_text("random search, n = 30")
    expect(figure(quiet_page, "pareto-front")).to_have_count(0)
    expect(quiet_page.locator(".ag-row:visible").first).to_be_visible()
    quiet_page.get_by_role("tab", name="Telemetry").click()
    for name in ("throughput", "time-shares"):
        wait_for_points(quiet_page, name)
    expect(figure(quiet_page, "throughput")).to_contain_text("mean 50.0 steps/s, 3,200 samples/s")
    expect(quiet_page.locator("table:visible")).to_contain_text("0.40 GB")
    quiet_page.get_by_role("tab", name="Units and log").click()
    expect(quiet_page.locator("table:visible")).to_contain_text("warm-up")
    expect(quiet_page.locator(".ag-row:visible").first).to_contain_text("Partition found.")
    quiet_page.get_by_role("tab", name="Spec").click()
    expect(quiet_page.locator("pre:visible")).to_contain_text("warm_up_steps: 200")


def test_the_front_of_several_objectives_is_drawn_and_marked(quiet_page, address, served_db):
    search = {"kind": "random", "budget": 30, "objectives": ["loss", "flops"]}
    run = seeded(served_db, name="the trading one", search=search)
    run.search(30)
    quiet_page.goto(f"{address}/ui/runs/{run.run_id}")
    quiet_page.get_by_role("tab", name="Search").click()
    # Behind it, the benchmark's front and what the found one is in truth.
    *_, front, _, _ = wait_for_points(quiet_page, "pareto-front")
    assert 1 <= front <= 30
    expect(figure(quiet_page, "pareto-front")).to_contain_text(
        f"n = 30 candidates, {front} on the front of maximise loss, minimise flops"
    )
    expect(quiet_page.locator(".ag-cell:visible", has_text="★").first).to_be_visible()


def test_the_training_of_weight_banks_is_shown_by_searched_cell(quiet_page, address, served_db):
    assert served_db.engine.url.database is not None
    settings = Settings(home=Path(served_db.engine.url.database).parent)
    deployment = Deployment(served_db, settings)
    run_id = deployment.create(banked_spec(name="with banks"))
    run_to_end(deployment, run_id)
    assert deployment.state(run_id) == "succeeded", deployment.messages(run_id)
    quiet_page.goto(f"{address}/ui/runs/{run_id}")
    wait_for_points(quiet_page, "training-balance")
    expect(figure(quiet_page, "training-balance")).to_contain_text("n = 60 updates")
    quiet_page.get_by_role("tab", name="Training", exact=True).click()
    expect(figure(quiet_page, "bank-balance")).to_contain_text("n = 60 updates of 3 searched cell")
    expect(figure(quiet_page, "bank-balance")).to_contain_text("bank 1")
    expect(figure(quiet_page, "training-loss")).to_contain_text("weight banks")


@pytest.mark.parametrize("place", ["runs/99999", "nowhere"])
def test_what_does_not_exist_is_said_to_be_so(quiet_page, address, place):
    quiet_page.goto(f"{address}/ui/{place}")
    expect(quiet_page.get_by_role("heading", name="404")).to_be_visible()
    quiet_page.get_by_role("link", name="Back to the runs").click()
    expect(quiet_page.get_by_role("heading", name="Runs")).to_be_visible()


def test_a_failed_run_says_why_and_a_waiting_one_what_for(quiet_page, address, served_db, broken):
    quiet_page.goto(f"{address}/ui/runs/{broken.run_id}")
    expect(quiet_page.get_by_role("alert")).to_contain_text("lower training.batch_size")
    waiting = SeededRun(served_db, small_spec(name="waiting")).create()
    quiet_page.goto(f"{address}/ui/runs/{waiting.run_id}")
    expect(quiet_page.get_by_role("alert")).to_contain_text("No worker slot has reported")
    expect(figure(quiet_page, "subspace-sizes")).to_contain_text("has not been split yet")


def test_the_dark_scheme_redraws_figures_in_its_own_ink_and_a_reload_keeps_page_and_scheme(
    quiet_page, address, finished
):
    colour = """() => document.querySelector(".figure-subspace-sizes .js-plotly-plot")
        ?.layout?.template?.layout?.font?.color"""
    quiet_page.goto(f"{address}/ui/runs/{finished.run_id}")
    wait_for_points(quiet_page, "subspace-sizes")
    light = quiet_page.evaluate(colour)
    quiet_page.locator("#scheme").click()
    dark = wait_until(
        lambda: quiet_page.evaluate(colour) != light and quiet_page.evaluate(colour),
        seconds=30,
        what="the figure changed its ink",
    )
    assert (light, dark) == ("#212529", "#e9ecef")
    quiet_page.reload()
    expect(quiet_page.get_by_role("heading", name="the finished one")).to_be_visible()
    wait_until(
        lambda: quiet_page.evaluate(colour) == dark, seconds=30, what="the figure is dark again"
    )


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_a_run_is_cancelled_archived_restored_and_deleted_from_its_page(
    quiet_page, address, served_db
):
    run = SeededRun(served_db, small_spec(name="to cancel")).create()
    quiet_page.goto(f"{address}/ui/runs/{run.run_id}")
    expect(quiet_page.get_by_role("button", name="Archive")).to_be_visible()
    expect(quiet_page.get_by_role("button", name="Delete …")).to_be_hidden()
    press(quiet_page, "Cancel …")
    expect(quiet_page.get_by_text("Retry goes on from there")).to_be_visible()
    with served_db.reading() as session:
        assert session.get_one(Run, run.run_id).state == "queued"
    press(quiet_page, "Cancel this run")
    expect(quiet_page.get_by_text("Cancel requested")).to_be_visible()
    expect(quiet_page.get_by_role("button", name="Retry")).to_be_visible()
    expect(quiet_page.get_by_role("button", name="Cancel …")).to_be_hidden()
    expect(quiet_page.get_by_role("button", name="Cancel this run")).to_be_hidden()
    expect(figure(quiet_page, "rank-correlation")).not_to_contain_text("first round")
    press(quiet_page, "Archive")
    expect(quiet_page.get_by_text("archived", exact=True)).to_be_visible()
    with served_db.reading() as session:
        assert session.get_one(Run, run.run_id).archived
    press(quiet_page, "Restore")
    expect(quiet_page.get_by_text("archived", exact=True)).to_be_hidden()
    press(quiet_page, "Delete …")
    press(quiet_page, "Delete this run")
    expect(quiet_page.get_by_role("heading", name="Runs")).to_be_visible()
    expect(quiet_page.locator(".ag-row", has_text="to cancel")).to_have_count(0)
    with served_db.reading() as session:
        assert session.get(Run, run.run_id) is None


def test_a_callback_that_fails_says_so_and_is_logged(quiet_page, address, finished, monkeypatch):
    def broken(*_, **__):
        raise ValueError("the tab is stuck")

    quiet_page.goto(f"{address}/ui/runs/{finished.run_id}")
    wait_for_points(quiet_page, "subspace-sizes")
    monkeypatch.setattr("frontend.pages.run.page.read_rows", broken)
    with capture_logs() as logged:
        quiet_page.get_by_role("tab", name="Training", exact=True).click()
        expect(quiet_page.get_by_text("ValueError: the tab is stuck")).to_be_visible()
        wait_until(
            lambda: any(line["event"] == "callback failed" for line in logged),
            seconds=10,
            what="the failure is logged",
        )


def test_the_three_figures_gain_data_without_a_reload_and_within_three_seconds(
    quiet_page, address, served_db
):
    run = seeded(served_db, name="live")
    quiet_page.goto(f"{address}/ui/runs/{run.run_id}")
    expect(figure(quiet_page, "training-balance")).to_contain_text("No update has been made")
    expect(figure(quiet_page, "rank-correlation")).to_contain_text("No architecture has been")
    expect(stage(quiet_page, "warm-up")).to_contain_text(f"0 / {WARM_UP} steps")
    expect(stage(quiet_page, "train")).to_contain_text("0 / 133 steps")
    quiet_page.evaluate("window.stillTheSamePage = true")
    lags, widths = [], [bar_width(quiet_page, "train")]
    for step in range(EVERY, STEPS + 1, EVERY):
        before = quiet_page.evaluate(SUM_OF_UPDATES)
        run.train(step)
        run.rank(step)
        committed = time.monotonic()
        wait_until(
            lambda before=before: quiet_page.evaluate(SUM_OF_UPDATES) > before,
            seconds=30,
            what=f"the updates of step {step} are shown",
        )
        lags.append(time.monotonic() - committed)
        expect(figure(quiet_page, "rank-correlation")).to_contain_text(f"step {step}")
        # Three supernets share the steps after the warm-up, 133 each.
        warm, own = min(step, WARM_UP), max(step - WARM_UP, 0) // 3
        expect(stage(quiet_page, "warm-up")).to_contain_text(f"{warm} / {WARM_UP} steps")
        expect(stage(quiet_page, "train")).to_contain_text(f"{own} / 133 steps")
        if own:
            widths.append(bar_width(quiet_page, "train"))
    assert widths == pytest.approx([100 * own / 133 for own in (0, 33, 66, 100, 133)], abs=0.1)
    assert bar_width(quiet_page, "warm-up") == 100
    assert statistics.median(lags) <= 3
    assert max(traces(quiet_page, "tau-over-steps")) >= STEPS // EVERY
    expect(figure(quiet_page, "training-balance")).to_contain_text("normalised entropy 1.000")
    assert quiet_page.evaluate("window.stillTheSamePage")


def test_new_data_leaves_the_viewers_log_switch_and_zoom_alone(quiet_page, address, served_db):
    kind = """() => document.querySelector(".figure-subspace-sizes .js-plotly-plot")
        ._fullLayout.xaxis.type"""
    shown = """() => document.querySelector(".figure-training-loss .js-plotly-plot")
        ._fullLayout.xaxis.range"""
    run = seeded(served_db, name="zoomed")
    for step in range(20, WARM_UP, 20):
        run.train(step)
    quiet_page.goto(f"{address}/ui/runs/{run.run_id}")
    wait_for_points(quiet_page, "subspace-sizes")
    assert quiet_page.evaluate(kind) == "linear"
    figure(quiet_page, "subspace-sizes").locator(".updatemenu-button", has_text="log").click()
    wait_until(lambda: quiet_page.evaluate(kind) == "log", seconds=30, what="the axis is log")
    updates = quiet_page.evaluate(SUM_OF_UPDATES)
    run.train(WARM_UP)
    wait_until(
        lambda: quiet_page.evaluate(SUM_OF_UPDATES) > updates, seconds=30, what="new updates"
    )
    assert quiet_page.evaluate(kind) == "log"
    quiet_page.get_by_role("tab", name="Training", exact=True).click()
    before = wait_for_points(quiet_page, "training-loss")
    box = figure(quiet_page, "training-loss").locator(".nsewdrag").first.bounding_box()
    quiet_page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    quiet_page.mouse.down()
    quiet_page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6, steps=5)
    quiet_page.mouse.up()
    zoomed = wait_until(
        lambda: quiet_page.evaluate(shown)[0] > 1 and quiet_page.evaluate(shown),
        seconds=30,
        what="the figure is zoomed",
    )
    run.train(WARM_UP + 20)
    wait_until(
        lambda: sum(traces(quiet_page, "training-loss")) > sum(before),
        seconds=30,
        what="the new step is shown",
    )
    assert quiet_page.evaluate(shown) == zoomed


def test_an_answer_for_a_tab_that_was_left_changes_nothing(quiet_page, address, served_db):
    run = seeded(served_db, name="hasty")
    run.train(EVERY)
    run.rank(EVERY)
    quiet_page.goto(f"{address}/ui/runs/{run.run_id}")
    wait_for_points(quiet_page, "rank-correlation")
    held = []

    def hold(route):
        """Keep back the first answer of the pulse; whatever follows passes."""
        sent = route.request.post_data_json
        if not held and sent["changedPropIds"] == ["revision.data"]:
            held.append((route, route.fetch()))
        else:
            route.continue_()

    quiet_page.route("**/_dash-update-component?*", hold)
    run.train(2 * EVERY)
    run.rank(2 * EVERY)
    wait_until(
        lambda: quiet_page.wait_for_timeout(100) or held, seconds=30, what="an answer is held"
    )
    for name in ("Spec", "Ranking"):
        quiet_page.get_by_role("tab", name=name).click()
    expect(quiet_page.locator("table:visible").first).to_contain_text("all sub-spaces")
    route, answer = held[0]
    route.fulfill(response=answer)
    run.train(3 * EVERY)
    run.rank(3 * EVERY)
    expect(figure(quiet_page, "rank-correlation")).to_contain_text(f"step {3 * EVERY}")
    assert max(traces(quiet_page, "tau-over-steps")) == 2 * 3


def test_scorer_and_measure_of_the_rankings_figures_can_be_chosen(quiet_page, address, served_db):
    ranking = {"every_steps": EVERY, "scorers": [{"kind": "loss"}, {"kind": "rank-sum"}]}
    run = seeded(served_db, name="two scorers", ranking=ranking)
    run.train(STEPS)
    run.rank(STEPS, stage="final")
    run.last_tau = 0.9
    run.rank(STEPS, stage="final", scorer="rank-sum")
    quiet_page.goto(f"{address}/ui/runs/{run.run_id}")
    quiet_page.get_by_role("tab", name="Ranking").click()
    over_steps = figure(quiet_page, "tau-over-steps")
    expect(over_steps).to_contain_text("Rank correlation over steps")
    quiet_page.get_by_role("textbox", name="Measure over steps").click()
    quiet_page.get_by_role("option", name="sparse τ-b").click()
    expect(over_steps).to_contain_text("sparse τ-b over steps")
    data = quiet_page.get_by_title("Rank correlation over steps as JSON").locator("visible=true")
    expect(data).to_have_attribute(
        "href", re.compile(r"tau-over-steps\?measure=sparse-tau&scorer=loss$")
    )
    scatter = figure(quiet_page, "rank-correlation")
    expect(scatter).to_contain_text("score by loss")
    expect(scatter).to_contain_text("τ = 0.70")
    quiet_page.get_by_role("textbox", name="Scorer").click()
    quiet_page.get_by_role("option", name="rank-sum").click()
    expect(scatter).to_contain_text("score by rank-sum")
    expect(scatter).to_contain_text("τ = 0.90")
    link = quiet_page.locator(".figure-card:visible", has=scatter).locator("a", has_text="data")
    expect(link).to_have_attribute("href", re.compile("scorer=rank-sum$"))
    expect(quiet_page.get_by_text("Scores are combined once all are measured.")).to_be_visible()
    # The overview has no selects: it keeps to tau, and to the scorer that stands for the run.
    quiet_page.get_by_role("tab", name="Overview").click()
    expect(figure(quiet_page, "rank-correlation")).to_contain_text("score by loss")
    expect(over_steps).to_contain_text("Rank correlation over steps")


def test_a_report_is_downloaded_and_drawn_without_any_server(
    page, address, served_db, finished, tmp_path
):
    with served_db.unit_of_work() as session:
        session.get_one(Run, finished.run_id).note = "<script>document.title = 'taken'</script>"
    page.goto(f"{address}/ui/runs/{finished.run_id}")
    page.get_by_role("button", name="Download").click()
    tables = page.get_by_role("menuitem", name="Tables (Parquet)")
    expect(tables).to_have_attribute("href", re.compile(r"/bundle\?format=parquet$"))
    link = page.get_by_role("menuitem", name="Report (HTML)").get_attribute("href")
    path = tmp_path / "report.html"
    path.write_bytes(page.request.get(address + link).body())
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(path.as_uri())
    for name in ("subspace-sizes", "training-balance", "rank-correlation", "best-cell"):
        drawn = page.locator(f"[id={name}] .main-svg").first
        expect(drawn).to_be_visible()
        # Half of the page and no more: the first one is drawn before the others are there.
        assert 400 < drawn.bounding_box()["width"] < 560
    expect(page.locator("[id=pareto-front], [id=bank-balance]")).to_have_count(0)
    assert page.title() == f"Run {finished.run_id}: the finished one"
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert errors == []
