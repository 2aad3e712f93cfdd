"""What is kept of scores."""

from pathlib import Path
from typing import Any

from measuring.scored import Scored, load, save


def test_kept_orders_are_those_of_the_scores(tmp_path: Path) -> None:
    codes = ["a", "b", "c", "d"]
    scores = {"loss": dict(zip(codes, [-1.5, -9.0, -1.5, 0.25], strict=True))}
    origin: dict[str, Any] = {"commit": "e" * 12}
    save(tmp_path / "one.npz", Scored(scores, 1.25, {"warm-up": 7}, origin), codes)
    found = load(tmp_path / "one.npz", codes)
    assert found.scores == {"loss": {"a": 1.0, "b": 0.0, "c": 1.0, "d": 2.0}}
    assert (found.cpu_minutes, found.updates, found.origin) == (1.25, {"warm-up": 7}, origin)
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]
