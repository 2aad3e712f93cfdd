"""The tables and figures that `ranking_quality.py` makes of its rows."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from measuring.arms import ABLATION
from measuring.report import Row, number_of
from nas.ranking.metrics import CONFIDENCE

MARKER = "<!-- written by ranking_quality.py -->"

Section = tuple[str, list[str], list[list[str]]]
"""A title, a header and rows."""


def headline_tables(rows: Sequence[Row], num_all: int, marked: str = "") -> list[Section]:
    """Return the tables of the headline rows.

    Args:
        rows: one per seed.
        num_all: cells of the judge, dead ones included.
        marked: with which the titles begin.
    """
    seeds = [f"seed {row['seed']}" for row in rows]
    plain = [
        (f"{number_of(rows[0], 'num_cells'):,.0f} valid cells", "rank_sum"),
        ("the same without the supernet's scores", "without_supernet"),
        (f"all {num_all:,} cells, dead ones last", "with_dead_cells"),
    ]
    body = [
        [
            title,
            *(_interval(row[name]) for row in rows),
            _mean_text([number_of(row[name], "tau") for row in rows]),
        ]
        for title, name in plain
    ]
    low, high = gain_interval(rows)
    gains = [number_of(row, "gain") for row in rows]
    body.append(
        [
            "gain of the supernet's scores, paired",
            *(f"{gain:+.4f} ({_low_high(row)})" for gain, row in zip(gains, rows, strict=True)),
            f"{statistics.mean(gains):+.4f} ({low:+.4f} to {high:+.4f})",
        ]
    )
    for title, name, factor, digits in (
        ("precision@1 %", "precision_at_1_percent", 100, 1),
        ("best by prediction, accuracy", "best_accuracy", 1, 2),
    ):
        values = [factor * number_of(row["rank_sum"], name) for row in rows]
        body.append(
            [
                title,
                *(f"{value:.{digits}f}" for value in values),
                f"{statistics.mean(values):.{digits}f}",
            ]
        )
    body.append(
        [
            "minutes of one core",
            *(f"{number_of(row['cpu_minutes'], 'all'):.1f}" for row in rows),
            f"{max(number_of(row['cpu_minutes'], 'all') for row in rows):.1f} at most",
        ]
    )
    tables = [(f"{marked}No ground truth: Kendall tau-b", ["ranked", *seeds, "mean"], body)]
    of_landmarks = []
    for number in map(int, _part(rows[0], "landmarks")):
        draws = [draw for row in rows for draw in _draws(row, number)]
        of_landmarks.append(
            [
                f"{number} landmarks",
                f"{len(draws)}",
                _spread([number_of(draw, "tau") for draw in draws], 3),
                _spread([number_of(draw, "tau_before") for draw in draws], 3),
                _spread([100 * number_of(draw, "precision_at_1_percent") for draw in draws], 1),
                _spread([number_of(draw, "best_accuracy") for draw in draws], 2),
            ]
        )
    header = ["calibrated on", "draws", "tau", "rank sum there", "precision@1 %", "best, accuracy"]
    title = f"{marked}Landmarks: mean ± standard deviation over draws and seeds"
    tables.append((title, header, of_landmarks))
    return tables


def ablation_tables(rows: Sequence[Row], num_cells: int) -> list[Section]:
    """Return the tables of recipes and of single scorers, all on the same `num_cells` cells."""
    tables: list[Section] = []
    body = []
    for arm in ABLATION:
        found = [row for row in rows if row["row"] == arm.name]
        if not found:
            continue
        first = found[0]
        body.append(_recipe_row(arm.title, first, found, found))
        if arm.landmarks:
            without = [row["without_landmarks"] for row in found]
            body.append(_recipe_row("the same cells without that term", first, found, without))
    if body:
        header = ["recipe", "forward passes", "seeds", "tau of loss", "in the rank sum", "minutes"]
        tables.append((f"Recipes, {num_cells:,} cells", header, body))
    found = [row for row in rows if row["row"] == "alone"]
    if found:
        kinds = found[0]["scorers"]
        assert isinstance(kinds, dict)
        lines = [
            [kind, str(len(found)), *_taus([row["scorers"][kind] for row in found])]  # type: ignore[index,call-overload]  # own file
            for kind in kinds
        ]
        lines.sort(key=lambda line: line[2], reverse=True)
        header = ["scorer alone", "seeds", "tau", "widest interval"]
        tables.append((f"Single scorers, the same {num_cells:,} cells", header, lines))
    return tables


def write_below_marker(path: Path, introduction: str, sections: Sequence[Section]) -> None:
    """Write all tables below the marker of a file."""
    before, marker, _ = path.read_text().partition(MARKER)
    assert marker, f"{path} has no line {MARKER!r}"
    lines = [introduction]
    for title, header, body in sections:
        lines += ["", f"### {title}", "", _line(header), _line(["---"] * len(header))]
        lines += [_line(row) for row in body]
    path.write_text(before + marker + "\n\n" + "\n".join(lines) + "\n")


def summary(rows: Sequence[Row]) -> Row:
    """Return the figures that the promises are about."""
    low, _ = gain_interval(rows)
    return {
        "tau_no_truth": _mean([number_of(row["rank_sum"], "tau") for row in rows]),
        "tau_50_landmarks": _landmark_tau(rows, 50),
        "supernet_gain": _mean([number_of(row, "gain") for row in rows]),
        "core_minutes": max(number_of(row["cpu_minutes"], "all") for row in rows),
        "tau_100_landmarks": _landmark_tau(rows, 100),
        "supernet_gain_low": round(low, 4),
        "seeds": len(rows),
    }


def gain_interval(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the 95 % interval of the mean gain of all seeds, resampled in common."""
    gains = np.array([row["gains"] for row in rows], dtype=np.float64).mean(axis=0)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(gains, [tail, 1 - tail])
    return float(low), float(high)


def _recipe_row(
    title: str, first: Row, rows: Sequence[Row], judged_rows: Sequence[JsonValue]
) -> list[str]:
    of_loss = [_part(row, "loss") for row in judged_rows]
    combined = [_part(row, "rank_sum") for row in judged_rows]
    return [
        title,
        f"{number_of(first, 'forward_passes'):,.0f}",
        str(len(judged_rows)),
        " ".join(_taus(of_loss)),
        _mean_text([number_of(row, "tau") for row in combined]),
        f"{statistics.mean(number_of(row, 'cpu_minutes') for row in rows):.1f}",
    ]


def _taus(rows: Sequence[JsonValue]) -> list[str]:
    low = min(number_of(row, "low") for row in rows)
    high = max(number_of(row, "high") for row in rows)
    return [_mean_text([number_of(row, "tau") for row in rows]), f"({low:.3f} to {high:.3f})"]


def _draws(row: Row, number: int) -> list[JsonValue]:
    found = _part(row, "landmarks")[str(number)]
    assert isinstance(found, list)
    return found


def _landmark_tau(rows: Sequence[Row], number: int) -> float:
    return _mean([number_of(draw, "tau") for row in rows for draw in _draws(row, number)])


def _mean(values: Sequence[float]) -> float:
    return round(statistics.mean(values), 4)


def _mean_text(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def _interval(found: JsonValue) -> str:
    tau, low, high = (number_of(found, name) for name in ("tau", "low", "high"))
    return f"{tau:.4f} ({low:.4f} to {high:.4f})"


def _low_high(row: Row) -> str:
    low, high = gain_interval([row])
    return f"{low:+.4f} to {high:+.4f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _part(row: JsonValue, name: str) -> Row:
    assert isinstance(row, dict)
    part = row[name]
    assert isinstance(part, dict)
    return part
