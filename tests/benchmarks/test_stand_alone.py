"""Tables of stand-alone results, trained by several processes."""

import json
from pathlib import Path

import pytest
from measuring.stand_alone import StandAloneTable, read

from nas.data.digits import digits
from nas.spaces import catalogue
from nas.training.recipe import StandAloneRecipe


class TestTrain:
    def test_two_processes_find_the_accuracies_of_one(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        one, two = table(tmp_path / "one"), table(tmp_path / "two")
        one.make([0], processes=1)
        two.make([0], processes=2)
        assert len(read(one.results_of(0))) == 3
        assert read(two.results_of(0)) == read(one.results_of(0))
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["noise_ceiling"] is None

    def test_what_is_kept_is_not_trained_again(self, tmp_path: Path) -> None:
        made = table(tmp_path)
        path = made.results_of(0)
        path.parent.mkdir(parents=True)
        code = made.space.encode(made.architectures[0])
        path.write_text(json.dumps({"architecture": code, "accuracy": 12.5}) + '\n{"archi')
        made.train(0)
        assert read(path)[code] == 12.5
        assert len(read(path)) == 3
        assert len(path.read_text().splitlines()) == 3


def table(folder: Path) -> StandAloneTable:
    """Three cells trained for one epoch."""
    space = catalogue()["digits-mini"]
    valid = [member for member in space.enumerate() if space.is_valid(member)]
    return StandAloneTable(
        name="three",
        space=space,
        architectures=valid[::40],
        dataset="digits",
        images=digits,
        recipe=StandAloneRecipe(epochs=1),
        seeds=(0,),
        told={},
        kept=folder,
        path=folder / "three.json",
    )
