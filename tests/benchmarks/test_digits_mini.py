"""The benchmark of all cells of digits-mini."""

import json

import digits_mini
import pytest

from nas.spaces.base import Architecture
from nas.training.standalone import StandAloneTrainer
from tests.benchmarks.prepared import cells_trained
from tests.benchmarks.printed import ROOT, Place, printed


class TestDigitsMini:
    def test_all_seeds_give_the_committed_table(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        committed = json.loads((ROOT / "nas" / "benchmarks" / "digits-mini.json").read_text())
        table = cells_trained(place, digits_mini, digits_mini.SEEDS)
        digits_mini.main()
        made = json.loads(table.path.read_text())
        for name in ("commit", "date", "machine", "torch"):
            assert made["recipe"].pop(name)
            assert committed["recipe"].pop(name)
        assert made == committed
        assert printed(capsys).figures["noise_ceiling"] == committed["columns"][0]["noise_ceiling"]

    def test_missing_seeds_are_counted_and_no_table_is_written(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = cells_trained(place, digits_mini, (0, 7))
        place.call_with("--seed", "0", "7")
        digits_mini.main()
        shown = printed(capsys)
        assert shown.header == ["seed", "cells trained of 125"]
        trained = {seed: "125" if seed in (0, 7) else "0" for seed in range(10)}
        assert shown.rows == [[str(seed), number] for seed, number in trained.items()]
        assert shown.figures == {"seeds": 2, "seeds_missing": 8}
        assert not table.path.exists()

    def test_an_interrupted_training_goes_on_where_it_stopped(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = cells_trained(place, digits_mini, digits_mini.SEEDS)
        whole = table.values()
        path = table.results_of(4)
        lines = path.read_text().splitlines(keepends=True)
        # The last line was being written.
        path.write_text("".join(lines[:-2]) + lines[-2][:20])
        assert table.values() is None
        trained = []

        def train(_trainer: object, architecture: Architecture, seed: int) -> float:
            trained.append((table.space.encode(architecture), seed))
            return 50.0

        place.replace(StandAloneTrainer, test_accuracy=train)
        digits_mini.main()
        lost = [json.loads(line)["architecture"] for line in lines[-2:]]
        assert trained == [(code, 4) for code in lost]
        made = table.values()
        assert whole is not None
        assert made is not None
        assert {code for code in whole if made[code] != whole[code]} <= set(lost)
