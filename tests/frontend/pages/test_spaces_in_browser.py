"""Search spaces and their partitions in a real Chromium."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from backend.spaces import service
from backend.spaces.documents import yaml_text
from frontend.figures.histogram import AXES
from frontend.figures.histogram import TITLE as HISTOGRAM_TITLE
from frontend.figures.registry import PREVIEW_FIGURES
from nas.spaces import catalogue
from nas.supernets.build import build_supernet
from nas.supernets.spec import SupernetSpec
from tests.support import wait_until

pytestmark = pytest.mark.browser

DEAD = "|none~0|+|none~0|none~1|"
CONV = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"


def field(page, key):
    """The input of a field of a form."""
    return page.locator(f"""[id='{{"key":"{key}","type":"field"}}']""")


def counts_of(histogram):
    """The counts that have a bar of valid architectures; None without any bar."""
    return histogram.locator(".js-plotly-plot").evaluate(
        "plot => plot._fullData.length ? Array.from(plot._fullData[0].x) : null"
    )


def test_a_definition_is_judged_at_its_line_counted_and_saved(quiet_page, address, served_db):
    quiet_page.goto(f"{address}/ui/spaces")
    quiet_page.get_by_role("link", name="New search space").click()
    expect(quiet_page.get_by_text("Saving makes it my-cell@1")).to_be_visible()
    histogram = quiet_page.locator(".figure-editor-histogram")
    expect(histogram).to_contain_text("n = 54 architectures")
    expect(histogram.locator(".xtitle")).to_have_text(AXES["effective"])
    assert counts_of(histogram) == [0, 1, 2, 3]
    text = quiet_page.get_by_label("Definition as YAML or JSON")
    good = text.input_value()
    # The convolutions of one edge stay; the other three edges choose between two operations.
    text.fill(good.replace("[none, skip_connect, nor_conv_3x3]", "[none, skip_connect]"))
    expect(histogram).to_contain_text("n = 16 architectures: 10 valid")
    expect(histogram).to_contain_text("6 dead")
    assert counts_of(histogram) == [0, 1]
    text.fill(good)
    expect(histogram).to_contain_text("n = 54 architectures")
    quiet_page.get_by_text("total: on all live paths").click()
    expect(histogram.locator(".xtitle")).to_have_text(AXES["total"])
    # With a convolution on every edge the shortcut counts beside the path of three.
    assert counts_of(histogram) == [0, 1, 2, 3, 4]
    text.fill(good.replace("target: 2,", "target: 9,"))
    expect(histogram).to_contain_text("definition is valid")
    expect(histogram).not_to_contain_text("n =")
    assert counts_of(histogram) is None
    note = quiet_page.locator(".editor-note")
    expect(note).to_contain_text("there is no node 9")
    line = good.splitlines().index(
        "- {source: 1, target: 2, operations: [nor_conv_1x1, nor_conv_3x3]}"
    )
    assert note.evaluate("element => element.style.getPropertyValue('--line')") == str(line)
    expect(quiet_page.get_by_role("alert")).to_contain_text(f"line {line + 1} · edges.1.target")
    expect(quiet_page.get_by_role("button", name="Save")).to_be_disabled()
    text.fill(good)
    quiet_page.get_by_role("button", name="Save").click()
    expect(quiet_page.get_by_role("heading", name="my-cell@1")).to_be_visible()
    expect(quiet_page.locator(".figure-space-histogram")).to_contain_text("n = 54")
    with served_db.reading() as session:
        assert service.read_space(session, "my-cell").size.all == "54"
    quiet_page.get_by_role("link", name="Edit as a new version").click()
    expect(quiet_page.get_by_text("stored already as my-cell@1")).to_be_visible()


def test_a_chosen_file_fills_the_editor(quiet_page, address, served_db):
    quiet_page.goto(f"{address}/ui/space-editor")
    expect(quiet_page.locator(".figure-editor-histogram")).to_contain_text("n = 54")
    text = quiet_page.get_by_label("Definition as YAML or JSON")
    own = catalogue()["digits-mini"].model_copy(update={"name": "from-a-file"})

    def choose(name, content):
        with quiet_page.expect_file_chooser() as chooser:
            quiet_page.get_by_role("button", name="Choose a file").click()
        chooser.value.set_files({"name": name, "mimeType": "text/plain", "buffer": content})

    said = quiet_page.get_by_role("status")
    content = f"# größer\n{yaml_text(own)}"
    for typed in ("kind: cell", "kind: layered"):  # the same file again, after its text was lost
        choose("own.yaml", content.encode())
        expect(text).to_have_value(content)
        expect(quiet_page.get_by_text("Saving makes it from-a-file@1")).to_be_visible()
        expect(quiet_page.locator(".figure-editor-histogram")).to_contain_text("n = 125")
        text.fill(typed)
        expect(quiet_page.get_by_role("alert")).to_contain_text("This is no search space yet")
    for name, refused, reason in (
        ("long.yaml", content.encode() + b"#" * 2**20, "long.yaml is longer than 1 MiB"),
        ("image.yaml", b"\xff\xd8\xff", "image.yaml is not UTF-8 text"),
    ):
        choose(name, refused)
        expect(said).to_contain_text(reason)
        expect(text).to_have_value(typed)
    choose("own.json", own.model_dump_json(indent=1).encode())
    expect(text).to_have_value(own.model_dump_json(indent=1))
    expect(said).to_have_text("")
    quiet_page.get_by_role("button", name="Save").click()
    expect(quiet_page.get_by_role("heading", name="from-a-file@1")).to_be_visible()
    with served_db.reading() as session:
        assert service.definition(session, "from-a-file") == own


def box(locator):
    return locator.evaluate("element => element.getBoundingClientRect().toJSON()")


@pytest.mark.parametrize("width", [400, 1280])
def test_a_note_hides_nothing_of_its_line_and_says_all_below(quiet_page, address, width):
    quiet_page.set_viewport_size({"width": width, "height": 900})
    quiet_page.goto(f"{address}/ui/space-editor")
    text = quiet_page.get_by_label("Definition as YAML or JSON")
    good = text.input_value()
    long_line = "- {source: 1, target: 2, operations: [nor_conv_1x1, nor_conv_3x3]}"
    faulty = good.replace("target: 2,", "target: 9,").replace("width: 16", "width: 0")
    text.fill(faulty)
    notes = quiet_page.locator(".editor-note")
    expect(notes).to_have_count(2)
    frame = box(quiet_page.locator(".editor textarea"))
    character = quiet_page.evaluate(
        """() => {
            const style = getComputedStyle(document.querySelector(".editor textarea"));
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.font = `${style.fontSize} ${style.fontFamily}`;
            return canvas.measureText("0").width;
        }"""
    )
    for note, line in zip(notes.all(), (long_line, "  width: 0"), strict=True):
        row, message = box(note), box(note.locator("span"))
        assert frame["left"] <= row["left"] < row["right"] <= frame["right"]
        end_of_text = frame["left"] + 12 + len(line) * character
        in_sight = message["top"] < row["bottom"]
        assert not in_sight or end_of_text < message["left"] < message["right"] <= row["right"]
        # Only a long line may leave no room for its message.
        assert in_sight or line == long_line
    alert = quiet_page.get_by_role("alert")
    expect(alert).to_contain_text("edges.1.target: there is no node 9; the nodes are 0 to 3")
    expect(alert).to_contain_text("skeleton.width: Input should be greater than or equal to 1")


def require_fit(page, width):
    """Fail unless header, figures and page lie within the window."""
    header = box(page.locator("header"))
    for link in page.locator("header a").all():
        inside = box(link)
        assert header["top"] <= inside["top"] < inside["bottom"] <= header["bottom"]
        assert 0 <= inside["left"] < inside["right"] <= width
    for plot in page.locator(".js-plotly-plot").all():
        caption, switch = plot.locator(".gtitle-subtitle"), plot.locator(".updatemenu-button")
        frame = box(plot)
        assert box(caption)["right"] <= frame["right"]
        for button in switch.all():
            assert box(button)["top"] >= box(caption)["bottom"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "path",
    [
        "spaces",
        "spaces/mobilenet-proxyless",
        "spaces/mobilenet-proxyless/partition",
        "space-editor",
    ],
)
def test_pages_of_spaces_fit_a_telephone_and_a_desk(quiet_page, address, path):
    quiet_page.set_viewport_size({"width": 400, "height": 900})
    quiet_page.goto(f"{address}/ui/{path}")
    expect(quiet_page.get_by_role("heading").first).to_be_visible()
    figure = quiet_page.locator(".js-plotly-plot").first
    if path.startswith("spaces/"):
        expect(figure.locator(".gtitle")).to_be_visible()
    require_fit(quiet_page, 400)
    quiet_page.set_viewport_size({"width": 1280, "height": 900})
    if path.startswith("spaces/"):
        wait_until(
            lambda: box(figure.locator(".main-svg").first)["width"] > 400,
            seconds=30,
            what="the figure takes the room",
        )
    require_fit(quiet_page, 1280)


def test_the_data_links_lead_to_the_figures_of_the_pages(quiet_page, address):
    def linked(link):
        expect(link).to_have_attribute("href", re.compile("^/api/v1/"))
        answer = quiet_page.request.get(address + link.get_attribute("href"))
        assert answer.ok, answer.text()
        return answer.json()["layout"]["title"]

    quiet_page.goto(f"{address}/ui/spaces/nas-bench-201")
    quiet_page.get_by_text("total: on all live paths").click()
    link = quiet_page.locator("#space-histogram-data")
    expect(link).to_have_attribute("href", re.compile("count=total"))
    assert linked(link)["text"] == HISTOGRAM_TITLE
    quiet_page.goto(f"{address}/ui/spaces/digits-mini/partition")
    field(quiet_page, "splitter[nonlinearity].num_subspaces").fill("2")
    expect(quiet_page.locator(".figure-preview-shares")).to_contain_text("K = 2")
    links = quiet_page.get_by_role("link", name="data", exact=True)
    expect(links).to_have_count(len(PREVIEW_FIGURES))
    titles = [linked(link) for link in links.all()]
    assert [title["text"] for title in titles] == [
        definition.title for definition in PREVIEW_FIGURES.values()
    ]
    assert "K = 2" in titles[0]["subtitle"]["text"]


def cells(table):
    """The cells of every row of a table's body."""
    expect(table.locator("tbody tr").first).to_be_visible()
    return [row.locator("td") for row in table.locator("tbody tr").all()]


def spreads_of(count):
    """FLOPs and parameters of the valid digits-mini cells of a count, each cell looked at."""
    space = catalogue()["digits-mini"]
    owned = [
        cell
        for cell in space.enumerate()
        if space.is_valid(cell) and space.nonlinearity_count(cell) == count
    ]
    for cost in (space.flops, space.parameters):
        values = sorted({cost(cell) for cell in owned})
        yield f"{values[0]:,} – {values[-1]:,}" if len(values) > 1 else f"{values[0]:,}"


def supernet_parameters(width):
    """Weights of the digits-mini supernet that torch builds."""
    shape = replace(SupernetSpec().shape(), width=width)
    supernet = build_supernet(catalogue()["digits-mini"], shape)
    return sum(weight.numel() for weight in supernet.parameters())


def test_a_space_tells_valid_from_dead(quiet_page, address):
    quiet_page.goto(f"{address}/ui/spaces")
    row = quiet_page.locator(".ag-row", has_text="digits-mini@1")
    for column, number in (("all", "125"), ("valid", "116"), ("dead", "9")):
        expect(row.locator(f"[col-id={column}]")).to_have_text(number)
    quiet_page.goto(f"{address}/ui/spaces/digits-mini")
    for name, number in (("Architectures", "125"), ("Valid", "116"), ("Dead", "9")):
        title = quiet_page.get_by_text(name, exact=True)
        expect(title.locator("xpath=following-sibling::*[1]")).to_have_text(number)


def test_a_partition_is_previewed_asked_for_an_owner_and_used(quiet_page, address):
    quiet_page.goto(f"{address}/ui/spaces/digits-mini/partition")
    expect(quiet_page.get_by_text("Every architecture in exactly one")).to_be_visible()
    expect(quiet_page.locator(".figure-preview-shares")).to_contain_text("K = 3")
    table, facts = quiet_page.locator("#preview-table"), quiet_page.locator("#preview-facts")
    assert [row.all_inner_texts() for row in cells(table)] == [
        [label, valid, share, dead, *spreads_of(count), "5"]
        for count, (label, valid, share, dead) in enumerate(
            (
                ("count 0", "30", "25.9 %", "9"),
                ("count 1", "66", "56.9 %", "0"),
                ("count 2", "20", "17.2 %", "0"),
            )
        )
    ]
    expect(table).to_contain_text("exact least and greatest of the valid architectures")
    expect(facts).to_contain_text(
        "The sub-spaces hold 125 architectures (116 valid), the space 125 (116 valid)."
    )
    each, parent = (supernet_parameters(width) for width in (5, 16))
    expect(facts).to_contain_text(f"3 × width 5: {3 * each / parent:.1%}".replace("%", " %"))
    expect(facts).to_contain_text(
        f"{3 * each:,} parameters in all supernets together; one supernet of width 16 has"
        f" {parent:,}."
    )
    answer = quiet_page.request.post(
        f"{address}/api/v1/search-spaces/digits-mini/partition", data={"kind": "nonlinearity"}
    )
    training = answer.json()["training"]
    expect(facts).to_contain_text(f"{training['flops']:,.0f} multiply-adds")
    expect(facts).to_contain_text(f"the parent would take {training['one_shot_flops']:,.0f}.")
    expect(facts).to_contain_text("10,000 steps of 64 images, forward and backward")
    expect(facts).to_contain_text("of n = 200 drawn per sub-space")
    for name in ("flops", "parameters"):
        expect(quiet_page.locator(f".figure-preview-{name}")).to_contain_text("n = 200")
    quiet_page.get_by_label("Architecture").fill(DEAD)
    quiet_page.get_by_role("button", name="Find").click()
    owner = quiet_page.locator("#owner-found")
    expect(owner).to_have_text("count 0dead: it is never trained, ranked or searched")
    field(quiet_page, "sample").fill("50")
    expect(facts).to_contain_text("of n = 50 drawn per sub-space")
    field(quiet_page, "splitter[nonlinearity].num_subspaces").fill("9")
    expect(quiet_page.get_by_role("alert")).to_contain_text("feasible are 1, 2, 3")
    field(quiet_page, "splitter[nonlinearity].num_subspaces").fill("2")
    expect(quiet_page.locator(".figure-preview-shares")).to_contain_text("K = 2")
    quiet_page.get_by_label("Architecture").fill(CONV)
    quiet_page.get_by_role("button", name="Find").click()
    expect(quiet_page.locator("#owner-found")).to_contain_text("nonlinearity count 2")
    quiet_page.get_by_label("Architecture").fill("|none~0|")
    quiet_page.get_by_role("button", name="Find").click()
    expect(quiet_page.locator("#owner-found")).to_contain_text("no architecture of digits-mini")
    quiet_page.get_by_role("link", name="Use in a new run").click()
    expect(field(quiet_page, "splitter[nonlinearity].num_subspaces")).to_have_value("2")
    expect(field(quiet_page, "supernet.width")).to_have_value("8")
    expect(field(quiet_page, "space")).to_have_value("digits-mini@1")


def choose(page, key, option):
    """Take an option of a list of a form."""
    field(page, key).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_weight_banks_are_previewed_asked_for_an_owner_and_used(quiet_page, address):
    quiet_page.goto(f"{address}/ui/spaces/nas-bench-201/partition")
    expect(quiet_page.get_by_text("Every architecture in exactly one")).to_be_visible()
    expect(quiet_page.locator(".figure-preview-bank-table")).to_have_count(0)
    choose(quiet_page, "routing.routing", "accumulated")
    field(quiet_page, "routing.cells_per_stage").fill("5")
    field(quiet_page, "routing.shared_cells").fill("5")
    table = quiet_page.locator(".figure-preview-bank-table")
    field(quiet_page, "splitter[nonlinearity].thresholds").fill("15, 45")
    expect(quiet_page.get_by_role("alert")).to_contain_text("reaches bank 2")
    expect(table).to_have_count(0)
    field(quiet_page, "splitter[nonlinearity].thresholds").fill("15, 20")
    expect(table).to_contain_text("n = 15 searched cells, the first 5 shared")
    expect(table.locator(".heatmaplayer image, .heatmaplayer text").first).to_be_attached()
    expect(quiet_page.locator("#preview-facts")).to_contain_text("One of width 5 with 3 banks")
    conv = "nor_conv_3x3"
    quiet_page.get_by_label("Architecture").fill(
        f"|{conv}~0|+|none~0|{conv}~1|+|none~0|none~1|{conv}~2|"
    )
    quiet_page.get_by_role("button", name="Find").click()
    expect(quiet_page.locator("#owner-found")).to_contain_text(
        "bank 0 in cells 1 to 5, 1 in cell 6, 2 in cells 7 to 15"
    )
    quiet_page.get_by_role("link", name="Use in a new run").click()
    expect(field(quiet_page, "supernet.routing")).to_have_value("accumulated")
    expect(field(quiet_page, "supernet.cells_per_stage")).to_have_value("5")
    expect(field(quiet_page, "supernet.shared_cells")).to_have_value("5")
    expect(field(quiet_page, "training.warm_up_steps")).to_have_value("0")
    expect(quiet_page.locator("#partition-preview")).to_contain_text("count 3, banks 0-1-2")
