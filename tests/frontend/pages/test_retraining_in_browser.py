"""The tab of retraining in a real Chromium: a winner, and what somebody picks beside it."""

import pytest
from playwright.sync_api import expect

from backend.settings import Settings
from tests.worker.running import run_to_end
from tests.worker.support import Deployment, tiny_spec

pytestmark = pytest.mark.browser

PICKED = "|nor_conv_1x1~0|+|skip_connect~0|none~1|"
RECIPE = {"kind": "digits", "epochs": 3, "batch_size": 250}


@pytest.fixture
def retrained(served_db):
    """A finished run whose winner was retrained with two seeds."""
    home = served_db.engine.url.database.rpartition("/")[0]
    deployment = Deployment(served_db, Settings(home=home))
    run_id = deployment.create(
        tiny_spec(
            training={"steps": 4, "warm_up_steps": 0},
            ranking={"num_architectures": 4, "every_steps": 4, "live_architectures": 2},
            retrain={"top": 1, "seeds": [0, 1], "recipe": RECIPE, "width": 2},
        )
    )
    run_to_end(deployment, run_id)
    return deployment, run_id


def test_a_winner_is_shown_and_an_architecture_picked_on_the_page_joins_it(
    quiet_page, address, retrained
):
    deployment, run_id = retrained
    quiet_page.goto(f"{address}/ui/runs/{run_id}")
    quiet_page.get_by_role("tab", name="Retraining").click()
    expect(quiet_page.locator("[data-stage=retrain]")).to_contain_text("24 steps")
    expect(quiet_page.get_by_role("cell", name="winner")).to_have_count(1)
    expect(quiet_page.get_by_role("cell", name="2 of 2", exact=True)).to_be_visible()
    expect(quiet_page.locator(".figure-retraining:visible")).to_contain_text("1 architecture")

    lines = quiet_page.get_by_role("textbox", name="Architectures")
    lines.fill("|conv~0|")
    quiet_page.get_by_role("button", name="Retrain", exact=True).click()
    expect(quiet_page.get_by_role("alert")).to_contain_text("architectures.0")
    assert deployment.state(run_id) == "succeeded"

    lines.fill(PICKED)
    quiet_page.get_by_role("textbox", name="Seeds").fill("5,")
    quiet_page.get_by_role("button", name="Retrain", exact=True).click()
    expect(quiet_page.get_by_text("1 training planned.")).to_be_visible()
    expect(quiet_page.get_by_role("cell", name="retrain-2")).to_be_visible()
    run_to_end(deployment, run_id)
    expect(quiet_page.get_by_role("cell", name="picked")).to_have_count(1)
    expect(quiet_page.get_by_role("cell", name="1 of 1", exact=True)).to_be_visible()
    expect(quiet_page.locator(".figure-retraining:visible")).to_contain_text("2 architectures")
