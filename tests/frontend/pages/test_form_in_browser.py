"""The form of a new run in a real Chromium."""

import json

import pytest
from playwright.sync_api import expect

from backend.runs import service
from tests.frontend.seeding import SeededRun, small_spec

pytestmark = pytest.mark.browser


@pytest.fixture
def form(quiet_page, address):
    quiet_page.goto(f"{address}/ui/new")
    expect(quiet_page.get_by_role("button", name="Start the run")).to_be_visible()
    expect(quiet_page.get_by_text("valid architectures of 125")).to_be_visible()
    return quiet_page


def spec_of(db, run_id):
    with db.reading() as session:
        return service.get_run(session, run_id).spec


def submitted(page):
    """Press the button and return the id of the run whose page opens."""
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/ui/runs/*")
    return int(page.url.rpartition("/")[2])


def field(page, key):
    """The input of a field, which its label names together with a mark for required ones."""
    return page.locator(f"""[id='{{"key":"{key}","type":"field"}}']""")


def test_a_run_is_started_through_the_form(form, served_db):
    field(form, "name").fill("from the form")
    field(form, "supernet.width").fill("8, 6, 4")
    form.locator('[id*="\\"training.augmentation.horizontal_flip\\""]').check(force=True)
    spec = spec_of(served_db, submitted(form))
    assert (spec.name, spec.supernet.width) == ("from the form", (8, 6, 4))
    assert spec.training.augmentation.horizontal_flip
    expect(form.get_by_role("heading", name="from the form")).to_be_visible()


def test_an_error_stands_at_its_field_and_nothing_is_started(form):
    field(form, "supernet.width").fill("999")
    field(form, "training.steps").fill("")
    form.get_by_role("button", name="Start the run").click()
    marked = form.locator(".mantine-InputWrapper-error", has_text="less than or equal to 256")
    expect(marked).to_be_visible()
    expect(form.get_by_text("Field required")).to_be_visible()
    expect(form.get_by_role("alert")).to_contain_text("2 fields marked")
    # What only the service can judge is refused in the same place.
    field(form, "supernet.width").fill("8")
    field(form, "training.steps").fill("24000")
    field(form, "splitter[nonlinearity].num_subspaces").fill("9")
    expect(form.locator("#partition-preview")).to_contain_text("feasible")
    form.get_by_role("button", name="Start the run").click()
    expect(form.locator(".mantine-InputWrapper-error", has_text="feasible")).to_be_visible()
    expect(marked).to_be_hidden()
    assert form.url.endswith("/ui/new")


def test_the_preview_follows_widths_and_the_number_of_subspaces(form, served_db):
    width = field(form, "supernet.width")
    preview = form.locator("#partition-preview")
    # digits-mini: 30 w^2 + 9 w + 10 (w + 1), of width 8 for each of three sub-spaces.
    expect(preview).to_contain_text("3 supernets together: 6,246 parameters")
    width.fill("8, 6")
    expect(preview).to_contain_text("2 widths for 3 sub-spaces")
    width.fill("8, 6, 4")
    expect(preview).to_contain_text("· width 4")
    expect(preview).to_contain_text("a one-shot parent of width 8 has 2,082")
    width.fill("auto")
    expect(preview).to_contain_text("a one-shot parent of width 16 has 7,994")
    field(form, "supernet.parent_width").fill("12")
    expect(preview).to_contain_text("a one-shot parent of width 12 has 4,558")
    expect(form.get_by_text("count 2", exact=True)).to_be_visible()
    field(form, "splitter[nonlinearity].num_subspaces").fill("2")
    expect(form.get_by_text("count 2", exact=True)).to_be_hidden()
    spec = spec_of(served_db, submitted(form))
    assert (spec.supernet.width, spec.supernet.parent_width) == ("auto", 12)


def test_another_kind_has_other_fields_and_objectives_are_a_list_refused_at_its_field(
    form, served_db
):
    field(form, "search.objectives").fill("loss, flops")
    form.get_by_role("button", name="Start the run").click()
    marked = form.locator(".mantine-InputWrapper-error:visible", has_text="leave objectives out")
    expect(marked).to_be_visible()
    expect(field(form, "search[evolution].num_parents")).to_be_visible()
    field(form, "search.kind").click()
    form.get_by_role("option", name="nsga2").click()
    expect(field(form, "search[evolution].num_parents")).to_be_hidden()
    field(form, "search.objectives").fill("loss, maximise nonlinearity-count, latency")
    field(form, "search.budget_seconds").fill("60")
    passes = field(form, "search.latency[measured].repeats")
    expect(passes).to_be_hidden()
    field(form, "search.latency.kind").click()
    form.get_by_role("option", name="measured").click()
    passes.fill("7")
    search = spec_of(served_db, submitted(form)).search
    assert (search.kind, search.budget_seconds) == ("nsga2", 60)
    assert search.objectives == ("loss", "maximise nonlinearity-count", "latency")
    assert search.latency.repeats == 7


def test_a_pasted_document_fills_the_form(form, served_db):
    form.get_by_label("Spec as YAML or JSON").fill("a: [")
    form.get_by_role("button", name="Fill in").click()
    expect(form.get_by_role("alert")).to_contain_text("neither YAML nor JSON")
    spec = small_spec(
        name="pasted", splitter={"kind": "nonlinearity", "num_subspaces": 3, "thresholds": [0, 1]}
    )
    document = f"# spec\n{json.dumps(spec.model_dump(mode='json'))}"
    form.get_by_label("Spec as YAML or JSON").fill(document)
    form.get_by_role("button", name="Fill in").click()
    expect(field(form, "splitter[nonlinearity].thresholds")).to_have_value("0, 1")
    assert spec_of(served_db, submitted(form)) == spec


def test_a_clone_starts_with_the_originals_spec(quiet_page, address, served_db):
    original = SeededRun(served_db, small_spec(name="the original")).create()
    quiet_page.goto(f"{address}/ui/runs/{original.run_id}")
    quiet_page.get_by_role("link", name="Clone").click()
    expect(field(quiet_page, "name")).to_have_value("the original")
    clone = submitted(quiet_page)
    assert clone != original.run_id
    assert spec_of(served_db, clone) == original.spec
    expect(quiet_page.get_by_role("link", name=f"clone of run {original.run_id}")).to_be_visible()
