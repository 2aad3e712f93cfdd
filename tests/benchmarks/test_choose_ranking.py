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
        shares = [one["least_share_of_best"] for one in row["taus"]["lists"].values()]
        assert figures["share_of_best"] == max(shares) == 1
        place.replace(ranking_quality, commit_of=lambda _: "c" * 12)
        choice = ranking_quality.Choice.read(place.folder / "chosen.json")
        assert choice.recipe == choose_ranking.longer(
            next(arm for arm in choose_ranking.RECIPES if arm.name in row["recipe"]["name"])
        )
        assert choice.calibrated.of == choice.rank_sum.of == ("loss", "flops")
        assert choice.without_supernet.of == ("flops",)

    def test_a_list_has_to_do_well_on_every_table(self) -> None:
        one, two, both = (("flops",), 1.0), (("synflow",), 1.0), (("flops", "synflow"), 1.0)
        taus = {
            one: {"first": 0.8, "second": 0.1},
            two: {"first": 0.2, "second": 0.4},
            both: {"first": 0.6, "second": 0.28},
        }
        found = choose_ranking.shares_of_the_best(taus)
        assert found == pytest.approx({one: 0.25, two: 0.25, both: 0.7})
        assert max(found, key=lambda option: found[option]) == both

    def test_a_table_is_judged_among_the_reference_sample(self, place: Place) -> None:
        two_recipes(place)
        judged = choose_ranking.judge(choose_ranking.TABLES[0], choose_ranking.RECIPES[0], 0)
        places = np.exp(judged.log_places(["flops"]))[:, 0] * 116
        flops = [judged.scores[code]["flops"] for code in judged.codes]
        # All valid cells of the space are both the table and the reference sample.
        assert sorted(places) == pytest.approx(list(range(1, 117)))
        assert np.argsort(places).tolist() == np.argsort(flops).tolist()
