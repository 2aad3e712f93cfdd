"""What the script chooses."""

import json

import choose_ranking
import numpy as np
import pytest
import ranking_quality

from tests.benchmarks.prepared import two_recipes
from tests.benchmarks.printed import Place, printed


class TestChooseRanking:
    def test_what_ranks_best_is_chosen_and_can_be_read(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        two_recipes(place)
        choose_ranking.main()
        row = json.loads((place.folder / "chosen.json").read_text())
        assert row["recipe"]["steps"] == choose_ranking.LONGER
        taus = row["taus"]["recipes"]
        assert taus[row["recipe"]["name"]] == max(taus.values())
        assert row["of"] == ["loss", "flops"]
        assert len(row["weights"]) == 2
        assert row["taus"]["num_lists"] == 255 * len(choose_ranking.LOSS_WEIGHTS)
        figures = printed(capsys).figures
        assert figures["tau"] == max(row["taus"]["lists"].values())
        place.replace(ranking_quality, commit_of=lambda _: "c" * 12)
        choice = ranking_quality.Choice.read(place.folder / "chosen.json")
        assert choice.recipe == choose_ranking.longer(
            next(arm for arm in choose_ranking.RECIPES if arm.name in row["recipe"]["name"])
        )
        assert choice.calibrated.of == choice.rank_sum.of == ("loss", "flops")
        assert choice.without_supernet.of == ("flops",)

    def test_a_table_is_judged_among_the_reference_sample(self, place: Place) -> None:
        two_recipes(place)
        judged = choose_ranking.judge(choose_ranking.TABLES[0], choose_ranking.RECIPES[0], 0)
        places = np.exp(judged.log_places(["flops"]))[:, 0] * 116
        flops = [judged.scores[code]["flops"] for code in judged.codes]
        # All valid cells of the space are both the table and the reference sample.
        assert sorted(places) == pytest.approx(list(range(1, 117)))
        assert np.argsort(places).tolist() == np.argsort(flops).tolist()
