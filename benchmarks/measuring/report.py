"""Where figures come from, and how they are kept and printed."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from pydantic import JsonValue

RESULTS = Path(__file__).parent.parent / "results"

Row = dict[str, JsonValue]


def provenance() -> Row:
    """Return commit, machine, versions and date of a measurement that starts now.

    A commit that ends in `+` had changes on top that were not committed.
    """
    changed = _git("status", "--porcelain", "--", "nas", "benchmarks/*.py", "benchmarks/measuring")
    return {
        "commit": _git("rev-parse", "--short=12", "HEAD") + ("+" if changed else ""),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "torch": torch.__version__,
        "threads": 1,
    }


def keep(path: Path, row: Row) -> None:
    """Write one result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(row, indent=1) + "\n")
    partial.replace(path)


def measured_row(folder: Path, name: str, measure: Callable[[bool], Row], *, short: bool) -> Row:
    """Return one result of a script that measures several, measured if it is not kept yet.

    Args:
        folder: of what is kept.
        name: of the result.
        measure: measures it, given whether on little work.
        short: whether to measure on little work, which is neither read nor kept.
    """
    if short:
        return measure(True)
    path = folder / f"{name}.json"
    if not path.exists():
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        keep(path, provenance() | measure(False))
    row: Row = json.loads(path.read_text())
    return row


def number_of(row: JsonValue, name: str) -> float:
    """Return a number of a kept result."""
    assert isinstance(row, dict)
    found = row[name]
    assert isinstance(found, int | float)
    return found


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns, the first to the left and the others to the right."""
    widths = [max(len(row[index]) for row in (header, *rows)) for index in range(len(header))]
    for row in (header, ["-" * width for width in widths], *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells))


def print_figures(figures: Row) -> None:
    """Print the last line of a script: its figures as one line of JSON."""
    print(json.dumps(figures), flush=True)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(RESULTS.parent), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
