"""Runs selected in the list stand side by side, live, in a real Chromium."""

import re

import pytest
from playwright.sync_api import expect

from tests.frontend.seeding import STEPS, SeededRun, small_spec
from tests.support import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# The traces of a figure that have points, by name.
POINTS = """(name) => {
    const graph = document.querySelector(`.figure-${name} .js-plotly-plot`);
    return Object.fromEntries((graph?.data ?? [])
        .map((trace) => [trace.name, (trace.x ?? []).length]).filter(([_, count]) => count));
}"""


def seeded(db, name, steps, *, last_tau, **changes):
    """A run that has trained and been ranked up to each of `steps`."""
    spec = small_spec(name=name, benchmark="digits-mini", **changes)
    run = SeededRun(db, spec, last_tau=last_tau).create().start()
    for step in steps:
        run.train(step)
        run.rank(step)
    return run


def wait_for(page, figure, points):
    wait_until(
        lambda: page.evaluate(POINTS, figure) == points,
        seconds=30,
        what=f"{figure} shows {points}",
    )


def test_selected_runs_are_compared_live_and_can_be_removed(quiet_page, address, served_db):
    first = seeded(served_db, "balanced", range(100, STEPS + 1, 100), last_tau=0.7)
    first.rank(STEPS, stage="final")
    first.search(30)
    second = seeded(served_db, "with another seed", (100, 300), last_tau=0.5, seed=1)
    seeded(served_db, "left out", (100,), last_tau=0.1)
    one, two = f"#{first.run_id} balanced", f"#{second.run_id} with another seed"

    quiet_page.goto(f"{address}/ui/")
    offer = quiet_page.locator("#runs-compare")
    expect(offer.get_by_role("button")).to_be_disabled()
    for name in ("with another seed", "balanced"):
        row = quiet_page.locator(".ag-row", has_text=name)
        row.get_by_role("checkbox").check()
    expect(offer).to_have_text("Compare 2 runs")
    # A list that has grown keeps the selection.
    SeededRun(served_db, small_spec(name="a late arrival")).create()
    expect(quiet_page.locator(".ag-row", has_text="a late arrival")).to_be_visible()
    expect(quiet_page.locator(".ag-row-selected")).to_have_count(2)
    quiet_page.evaluate("window.stillTheSamePage = true")
    offer.get_by_role("link").click()
    expect(quiet_page.get_by_role("heading", name="Comparison of 2 runs")).to_be_visible()
    both = f"{address}/ui/compare?run={first.run_id}&run={second.run_id}"
    assert quiet_page.url == both

    # Six rounds, a gap and the star; two rounds.
    wait_for(quiet_page, "tau-over-steps", {one: 8, two: 2})
    wait_for(quiet_page, "rank-correlation", {one: 1, two: 1})
    wait_for(quiet_page, "training-balance", {one: 1, two: 1})
    assert set(quiet_page.evaluate(POINTS, "training-loss")) == {one, two}
    assert set(quiet_page.evaluate(POINTS, "best-so-far")) == {one}
    results, differences = quiet_page.locator("table").all()
    row = results.locator("tr", has_text="balanced")
    for cell in ("0.700", "[0.600, 0.800]", "after training", "0.91"):
        expect(row.get_by_role("cell", name=cell, exact=True)).to_be_visible()
    expect(differences.locator("tbody tr")).to_have_count(1)
    expect(differences).to_contain_text("seed")

    quiet_page.get_by_role("textbox", name="Measure of the rankings").click()
    quiet_page.get_by_role("option", name="regret in the pool (percentage points)").click()
    figure = quiet_page.locator(".figure-card", has=quiet_page.locator(".figure-tau-over-steps"))
    expect(figure).to_contain_text("regret in the pool over steps")
    data = figure.get_by_role("link", name="data")
    expect(data).to_have_attribute("href", re.compile("&measure=pool-regret$"))
    # What arrives later is of the chosen measure too.

    second.train(400)
    second.rank(400)
    wait_for(quiet_page, "tau-over-steps", {one: 8, two: 3})
    expect(results.locator("tr", has_text="with another seed")).to_contain_text("live, step 400")

    row.get_by_role("link", name="remove").click()
    expect(quiet_page.get_by_role("heading", name="Comparison of 1 run")).to_be_visible()
    wait_for(quiet_page, "rank-correlation", {two: 1})
    assert quiet_page.evaluate("window.stillTheSamePage")

    quiet_page.goto(both)
    wait_for(quiet_page, "rank-correlation", {one: 1, two: 1})
