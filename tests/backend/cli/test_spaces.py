import json
import re
from pathlib import Path

import httpx
import yaml

from nas.spaces import catalogue
from tests.backend.cli.commands import run_command
from tests.backend.conftest import CONV, DEAD

ALL_SHARED = "{routing: accumulated, shared_cells: 1}"


def preview_of(server: str, name: str) -> dict:
    """The preview of the splitter that `efsnas spaces preview` takes by itself."""
    url = f"{server}/api/v1/search-spaces/{name}/partition"
    found: dict = httpx.post(url, json={"kind": "nonlinearity"}).raise_for_status().json()
    return found


def test_a_space_is_imported_listed_shown_and_previewed(server: str, tmp_path: Path):
    definition = catalogue()["digits-mini"].model_dump(mode="json") | {"name": "mine"}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(definition))
    imported = run_command("spaces", "import", path)
    assert "mine@1: 125 architectures, 116 of them valid." in imported.output
    assert re.search(r"mine@1 .*cell .*3 .*125 .*116", run_command("spaces", "list").output)
    shown = run_command("spaces", "show", "mine", "--count", "total").output
    assert "num_nodes: 3" in shown
    assert re.search(r"3 +│ 8 +│ 0 ", shown)
    preview = run_command("spaces", "preview", "mine", "--architecture", CONV).output
    assert "Together 125 of 125 architectures, 116 of 116 valid ones" in preview
    assert "every one in exactly one sub-space" in preview
    assert f"{CONV} belongs to sub-space 2, count 2." in preview
    for count, valid, share, dead in ((0, 30, 25.9, 9), (1, 66, 56.9, 0), (2, 20, 17.2, 0)):
        assert re.search(rf"{count}: count {count} +│ {valid} +│ {share}% +│ {dead} +│", preview)
    training = preview_of(server, "mine")["training"]
    assert (
        f"Training for 10,000 steps of 64 images takes about {training['flops']:,.0f} "
        "multiply-adds, forward and backward; the one of width 16 would take "
        f"{training['one_shot_flops']:,.0f}. Estimated from n = 200 architectures drawn per "
        "sub-space."
    ) in " ".join(preview.split())
    other = run_command(
        "spaces", "preview", "mine", "--splitter", "{kind: none}", "--architecture", DEAD
    ).output
    assert "0: all" in other
    assert "It is dead" in other


def test_a_json_file_is_imported_as_the_same_space(server: str, tmp_path: Path):
    definition = catalogue()["mobilenet-proxyless"].model_dump(mode="json") | {"name": "mine"}
    for name, text in (
        ("mine.json", json.dumps(definition, indent=1)),
        ("mine.yaml", yaml.safe_dump(definition)),
    ):
        path = tmp_path / name
        path.write_text(text)
        imported = run_command("spaces", "import", path)
        assert imported.exit_code == 0, imported.stderr
        # The same content in another notation makes no second version.
        assert imported.output.startswith("mine@1:")


def test_a_bad_definition_is_refused_with_its_place(server: str, tmp_path: Path):
    good = catalogue()["digits-mini"].model_dump(mode="json") | {"name": "mine"}
    skeleton = good["skeleton"]
    for name, text, reason in (
        ("kind.json", json.dumps(good | {"kind": "graph"}), "'graph'"),
        ("field.yaml", yaml.safe_dump(good | {"num_nodes": 9}), "num_nodes: 9 nodes are more"),
        (
            "nested.json",
            json.dumps(good | {"skeleton": skeleton | {"width": 0}}),
            "skeleton.width: Input should be greater than or equal to 1",
        ),
        ("text.yaml", "kind: cell\nname: [\n", "line 3, column 1"),
        ("long.json", json.dumps(good) + " " * 2**20, "longer than 1,048,576 bytes (1 MiB)"),
    ):
        path = tmp_path / name
        path.write_text(text)
        result = run_command("spaces", "import", path)
        assert result.exit_code == 1, name
        assert reason in result.stderr.replace("\n", " "), name
    assert "mine@" not in run_command("spaces", "list").output


def test_weight_banks_are_previewed(server: str):
    shown = run_command(
        "spaces",
        "preview",
        "digits-mini",
        "--splitter",
        "{kind: nonlinearity, num_subspaces: 2, thresholds: [3]}",
        "--supernet",
        "{routing: accumulated, cells_per_stage: 3, shared_cells: 1}",
        "--architecture",
        CONV,
    ).output
    assert "2 weight banks over 3 searched cells; thresholds of the running count: 3." in shown
    valid = [number.valid for number in catalogue()["digits-mini"].histogram().values()]
    assert re.search(rf"│ 1 +│ {valid[1]} +│ 0 +│ 1-3 -> 0 ", shown)
    assert re.search(rf"│ 2 +│ {valid[2]} +│ 1 +│ 1 -> 0, 2-3 -> 1 ", shown)
    assert "The supernet of this width with all its banks has" in shown
    assert "Its weight banks, by searched cell: 1 -> 0, 2-3 -> 1." in shown


def test_what_is_wrong_is_said(server: str, tmp_path: Path):
    path = tmp_path / "bad.yaml"
    path.write_text("kind: cell\nkind: cell\n")
    result = run_command("spaces", "import", path)
    assert result.exit_code == 1
    assert "line 2, column 1: kind is written twice" in result.stderr
    for arguments, reason in (
        (("show", "nowhere"), "no search space"),
        (("preview", "digits-mini", "--splitter", "[none]"), "--splitter is a mapping"),
        (("preview", "digits-mini", "--splitter", "{kind: other}"), "other"),
        (("preview", "digits-mini", "--supernet", "accumulated"), "--supernet is a mapping"),
        (("preview", "digits-mini", "--supernet", ALL_SHARED), "reaches bank"),
        (("preview", "digits-mini", "--supernet", "{shared_cells: 2}"), "share no cell"),
        (("preview", "digits-mini", "--supernet", "{depth: 2}"), "depth"),
        (("preview", "digits-mini", "--architecture", "abc"), "is no architecture"),
    ):
        result = run_command("spaces", *arguments)
        assert result.exit_code == 1
        assert reason in result.stderr
