"""Where the scripts of benchmarks/ run in tests."""

from pathlib import Path

import pytest

from tests.benchmarks.printed import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)
