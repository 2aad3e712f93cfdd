"""The list of benchmarks and the page of one, in a real Chromium."""

import pytest
from playwright.sync_api import expect

from frontend.figures.benchmark import COVERAGE_TITLE, DISTRIBUTION_TITLE
from nas.spaces import catalogue
from tests.backend.tables import add_csv

pytestmark = pytest.mark.browser

DIGITS = catalogue()["digits-mini"]
CODES = [DIGITS.encode(member) for member in DIGITS.enumerate()][60:]


@pytest.fixture(scope="module")
def two_columns(served_db) -> list[str]:
    """A benchmark of 65 cells with an accuracy, which rises, and a latency, which falls."""
    rows = [f"{code},{20 + place},{90 - place}" for place, code in enumerate(CODES)]
    add_csv(served_db, "two", "\n".join(["architecture,d/accuracy,d/latency", *rows]))
    return [code for code in CODES if DIGITS.is_valid(DIGITS.decode(code))]


def test_a_benchmark_is_opened_from_the_list(quiet_page, address, two_columns):
    quiet_page.goto(f"{address}/ui/")
    quiet_page.get_by_role("link", name="Benchmarks").click()
    row = quiet_page.locator(".ag-row", has_text="digits-mini@1")
    expect(row.first).to_contain_text("0.912")
    quiet_page.get_by_role("link", name="digits-mini@1").first.click()
    expect(quiet_page.get_by_role("heading", name="digits-mini@1")).to_be_visible()
    expect(quiet_page.get_by_text("τ-b between halves of the seeds")).to_be_visible()
    distribution = quiet_page.locator(".figure-benchmark-distribution")
    expect(distribution).to_contain_text(DISTRIBUTION_TITLE)
    expect(distribution).to_contain_text("n = 116 valid architectures")
    coverage = quiet_page.locator(".figure-benchmark-coverage")
    expect(coverage).to_contain_text(COVERAGE_TITLE)
    expect(coverage).to_contain_text("n = 116 of 116 valid architectures")


def test_another_column_shows_its_own_best(quiet_page, address, two_columns):
    quiet_page.goto(f"{address}/ui/benchmarks/two")
    best = quiet_page.locator("#benchmark-best")
    # The highest accuracy, and the lowest latency, are both those of the last.
    expect(best.locator("tbody tr").first).to_contain_text(two_columns[-1])
    expect(best).to_contain_text("d/accuracy, percent")
    expect(best.locator("tbody tr")).to_have_count(10)
    quiet_page.get_by_role("textbox", name="Shown below").click()
    quiet_page.get_by_role("option", name="d/latency").click()
    expect(best).to_contain_text("d/latency, ms")
    expect(best.locator("tbody tr").first).to_contain_text(two_columns[-1])
    figure = quiet_page.locator(".figure-benchmark-distribution")
    expect(figure).to_contain_text("d/latency in ms")
    link = quiet_page.locator("#benchmark-distribution-data")
    expect(link).to_have_attribute(
        "href", "/api/v1/benchmarks/two%401/figures/distribution?column=d%2Flatency"
    )


def test_an_unknown_benchmark_is_said(quiet_page, address):
    quiet_page.goto(f"{address}/ui/benchmarks/nowhere")
    expect(quiet_page.get_by_text("nowhere")).to_be_visible()


@pytest.mark.parametrize("path", ["benchmarks", "benchmarks/two"])
def test_on_a_telephone_nothing_lies_outside_of_the_window(
    path: str, quiet_page, address, two_columns
):
    quiet_page.set_viewport_size({"width": 390, "height": 800})
    quiet_page.goto(f"{address}/ui/{path}")
    expect(quiet_page.get_by_role("heading").first).to_be_visible()
    assert quiet_page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("Benchmarks", "API"):
        box = quiet_page.get_by_role("link", name=name).bounding_box()
        assert box["x"] + box["width"] <= 390
    switch = quiet_page.locator("#scheme").bounding_box()
    assert switch["x"] + switch["width"] <= 390
