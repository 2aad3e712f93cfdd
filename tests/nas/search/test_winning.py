from nas.search.evolution import EvolutionSearcher
from nas.search.nsga2 import Nsga2Searcher
from nas.search.winning import Evaluated, winners
from nas.spaces import catalogue

SPACE = catalogue()["digits-mini"]
BIG = ("nor_conv_3x3", "skip_connect", "nor_conv_3x3")
SKIP = ("none", "skip_connect", "none")


def evaluated(architecture, score, *objectives):
    return Evaluated(architecture, score, objectives)


def test_the_best_scores_win_and_of_equal_networks_the_first():
    # Without 2<-1, nothing reads node 1: the last two compute the same.
    candidates = [
        evaluated(SKIP, 1.0, 1.0),
        evaluated(BIG, 3.0, 3.0),
        evaluated(("nor_conv_1x1", "nor_conv_1x1", "none"), 3.0, 3.0),
        evaluated(("skip_connect", "nor_conv_1x1", "none"), 3.0, 3.0),
    ]

    found = winners(EvolutionSearcher(), SPACE, candidates, 3)

    assert found == [BIG, ("nor_conv_1x1", "nor_conv_1x1", "none"), SKIP]
    assert winners(EvolutionSearcher(), SPACE, candidates, 1) == [BIG]


def test_with_several_objectives_they_are_on_the_front_the_best_score_first():
    searcher = Nsga2Searcher(objectives=("loss", "flops"))
    candidates = [
        evaluated(SKIP, -2.0, -2.0, 10.0),
        evaluated(BIG, -1.0, -1.0, 90.0),
        # Worse than the first in both.
        evaluated(("nor_conv_1x1", "nor_conv_1x1", "none"), -3.0, -3.0, 50.0),
    ]

    assert winners(searcher, SPACE, candidates, 3) == [BIG, SKIP]
