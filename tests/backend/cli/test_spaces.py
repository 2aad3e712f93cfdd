import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from backend.app import create_app
from backend.cli import app
from backend.db import Database
from backend.settings import Settings
from nas.spaces import catalogue
from tests.backend.api import serving
from tests.backend.conftest import CONV, DEAD


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def server(
    stocked: Database, plain_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    with serving(create_app(plain_settings, stocked)) as url:
        monkeypatch.setenv("EFSNAS_URL", url)
        yield url


def _run(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(part) for part in arguments])


def test_a_space_is_imported_listed_shown_and_previewed(server: str, tmp_path: Path):
    definition = catalogue()["digits-mini"].model_dump(mode="json") | {"name": "mine"}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(definition))
    imported = _run("spaces", "import", path)
    assert "mine@1: 125 architectures, 116 of them valid." in imported.output
    assert re.search(r"mine@1 .*cell .*3 .*125 .*116", _run("spaces", "list").output)
    shown = _run("spaces", "show", "mine", "--count", "total").output
    assert "num_nodes: 3" in shown
    assert re.search(r"3 +│ 8 +│ 0 ", shown)
    preview = _run("spaces", "preview", "mine", "--architecture", CONV).output
    assert "Together 125 of 125 architectures, 116 of 116 valid ones" in preview
    assert "every one in exactly one sub-space" in preview
    assert f"{CONV} belongs to sub-space 2, count 2." in preview
    other = _run(
        "spaces", "preview", "mine", "--splitter", "{kind: none}", "--architecture", DEAD
    ).output
    assert "0: all" in other
    assert "It is dead" in other


def test_what_is_wrong_is_said(server: str, tmp_path: Path):
    path = tmp_path / "bad.yaml"
    path.write_text("kind: cell\nkind: cell\n")
    result = _run("spaces", "import", path)
    assert result.exit_code == 1
    assert "line 2, column 1: kind is written twice" in result.stderr
    for arguments, reason in (
        (("show", "nowhere"), "no search space"),
        (("preview", "digits-mini", "--splitter", "[none]"), "--splitter is a mapping"),
        (("preview", "digits-mini", "--splitter", "{kind: other}"), "other"),
        (("preview", "digits-mini", "--architecture", "abc"), "is no architecture"),
    ):
        result = _run("spaces", *arguments)
        assert result.exit_code == 1
        assert reason in result.stderr
