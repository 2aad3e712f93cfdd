"""What a script printed, and where a test lets it run."""

import json
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Printed:
    """What a script printed: the cells of its table, the sentences below, the last line."""

    header: list[str]
    rows: list[list[str]]
    sentences: list[str]
    figures: dict[str, Any]


def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    header, rule, *rest = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"-+(  -+)+", rule)
    *rest, last = rest
    table = list(takewhile(lambda line: len(line) == len(rule), rest))
    figures = json.loads(last)
    assert isinstance(figures, dict)
    assert figures
    starts = [match.start() for match in re.finditer(r"-+", rule)]
    ends = [*(start - 2 for start in starts[1:]), len(rule)]

    def cells(line: str) -> list[str]:
        return [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]

    return Printed(cells(header), [*map(cells, table)], rest[len(table) :], figures)


class Place:
    """Where a script runs: a folder for its results, instead of the kept ones.

    What is replaced stays replaced until the end of the test.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self.call_with()

    def call_with(self, *arguments: str) -> None:
        self._monkeypatch.setattr("sys.argv", ["script", *arguments])

    def replace(self, module: object, **names: object) -> None:
        for name, value in names.items():
            self._monkeypatch.setattr(module, name, value)
