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
        assert max(row["weights"]) == 1
        (of_list,) = row["taus"]["lists"].values()
        (tau,) = of_list.values()
        assert tau > max(row["taus"]["scorers"]["loss"].values())
        weights = dict(zip(row["of"], row["weights"], strict=True))
        assert printed(capsys).figures == {"recipe": row["recipe"]["name"], "weights": weights}
        place.replace(ranking_quality, commit_of=lambda _: "c" * 12)
        choice = ranking_quality.Choice.read(place.folder / "chosen.json")
        assert choice.recipe == choose_ranking.longer(
            next(arm for arm in choose_ranking.RECIPES if arm.name in row["recipe"]["name"])
        )
        assert choice.calibrated.of == choice.rank_sum.of == ("loss", "flops")
        assert choice.without_supernet.of == ("flops",)

    def test_weights_are_of_what_is_best_in_many_resamples(self, place: Place) -> None:
        two_recipes(place)
        recipe = choose_ranking.longer(choose_ranking.RECIPES[0])
        judged = choose_ranking.judge(choose_ranking.TABLES[0], recipe, 0)
        found = dict(
            zip(choose_ranking.KINDS, choose_ranking.bagged_weights([judged]), strict=True)
        )
        # Scores by FLOPs have the least noise, those by all other kinds but loss nothing else.
        assert found["flops"] == 1 > found["loss"] > 0.1
        others = [weight for kind, weight in found.items() if kind not in ("loss", "flops")]
        assert max(others) < 0.1
        twice = choose_ranking.bagged_weights([judged, judged])
        assert twice.tolist() == list(found.values())

    def test_every_list_has_loss_and_some_scorers_before_training(self) -> None:
        lists = choose_ranking.all_lists()
        assert lists.shape == (255 * len(choose_ranking.LOSS_WEIGHTS), 9)
        assert lists.sum(axis=1) == pytest.approx(np.ones(len(lists)))
        assert (lists[:, 0] > 0).all()
        assert ((lists[:, 1:] > 0).sum(axis=1) > 0).all()
        assert len(np.unique(lists.round(9), axis=0)) == len(lists)

    def test_a_table_is_judged_among_the_reference_sample(self, place: Place) -> None:
        two_recipes(place)
        judged = choose_ranking.judge(choose_ranking.TABLES[0], choose_ranking.RECIPES[0], 0)
        places = np.exp(judged.log_places(["flops"]))[:, 0] * 116
        flops = [judged.scores[code]["flops"] for code in judged.codes]
        # All valid cells of the space are both the table and the reference sample.
        assert sorted(places) == pytest.approx(list(range(1, 117)))
        assert np.argsort(places).tolist() == np.argsort(flops).tolist()
