"""Starting a build of a benchmark in a real Chromium, and watching it."""

import pytest
from playwright.sync_api import expect

from backend.benchmarks.service import add_benchmark
from backend.builds import service
from backend.models import Benchmark, Build, BuildTraining, SearchSpace
from backend.references import get
from backend.runs.states import append_event, lock_job
from nas.benchmarks.building import trainings
from nas.benchmarks.table import Entry, GroundTruth

pytestmark = pytest.mark.browser


def field(page, key):
    return page.locator(f"""[id='{{"key":"{key}","type":"field"}}']""")


def builds(db):
    with db.reading() as session:
        return service.list_builds(session).items


def train(db, build_id, number):
    """Store the first trainings of a build as the workers would; return the architectures."""
    with db.unit_of_work() as session:
        build = lock_job(session, build_id, Build)
        build.state = "running"
        done = trainings(build.spec, build.space.definition)[:number]
        for code, seed in done:
            row = {"architecture": code, "seed": seed, "accuracy": 50.0 + seed}
            session.merge(BuildTraining(run_id=build_id, **row, seconds=1.0, device="cpu"))
        append_event(session, build, "data", "new trainings")
    return [code for code, _ in done]


def finish(db, build_id, codes):
    with db.unit_of_work() as session:
        build = lock_job(session, build_id, Build)
        truth = GroundTruth({code: Entry(50.0) for code in codes})
        add_benchmark(session, build.name, get(session, SearchSpace, "digits-mini"), truth)
        build.benchmark, build.state = get(session, Benchmark, build.name), "succeeded"


def test_a_build_is_started_watched_stopped_and_becomes_a_benchmark(
    quiet_page, address, served_db
):
    quiet_page.goto(f"{address}/ui/benchmarks")
    quiet_page.get_by_role("button", name="Build a benchmark").click()
    start = quiet_page.get_by_role("button", name="Start the build")
    expect(start).to_be_visible()
    field(quiet_page, "name").fill("digits-mini")
    field(quiet_page, "seeds").fill("0, 0")
    start.click()
    refused = quiet_page.locator(".mantine-InputWrapper-error")
    expect(refused).to_contain_text("each seed may be named once")
    expect(quiet_page.get_by_role("alert")).to_contain_text("1 field marked")
    field(quiet_page, "seeds").fill("0, 4")
    start.click()
    expect(refused).to_contain_text("taken by digits-mini@1")
    assert builds(served_db) == []
    field(quiet_page, "name").fill("of-my-own")
    field(quiet_page, "sample").fill("5")
    field(quiet_page, "recipe.epochs").fill("3")
    start.click()
    card = quiet_page.locator(".build-card", has_text="of-my-own")
    expect(card).to_contain_text("0 of 10 trained")
    expect(card).to_contain_text("No worker slot has reported")
    (build,) = builds(served_db)
    assert (build.spec.seeds, build.spec.sample, build.spec.recipe.epochs) == ((0, 4), 5, 3)
    assert build.spec.recipe.augmentation.gaussian_noise == 0.5
    train(served_db, build.id, 3)
    expect(card).to_contain_text("3 of 10 trained")
    expect(card).to_contain_text("5 architectures of digits-mini@1 on digits@1")
    card.get_by_role("button", name="Cancel").click()
    expect(quiet_page.get_by_text(f"Build {build.id} is cancelled.")).to_be_visible()
    expect(card).to_contain_text("cancelled")
    card.get_by_role("button", name="Delete …").click()
    expect(card).to_contain_text("finished trainings are removed for good")
    card.get_by_role("button", name="Retry").click()
    expect(card).to_contain_text("queued")
    finish(served_db, build.id, train(served_db, build.id, 10)[:5])
    expect(card).to_be_hidden()
    quiet_page.get_by_role("link", name="of-my-own@1").click()
    expect(quiet_page.get_by_role("heading", name="of-my-own@1")).to_be_visible()


def test_on_a_telephone_a_build_lies_inside_of_the_window(quiet_page, address, served_db):
    quiet_page.set_viewport_size({"width": 390, "height": 800})
    for path in ("benchmarks", "new-benchmark"):
        quiet_page.goto(f"{address}/ui/{path}")
        expect(quiet_page.get_by_role("heading").first).to_be_visible()
        assert quiet_page.evaluate("document.documentElement.scrollWidth") <= 390
