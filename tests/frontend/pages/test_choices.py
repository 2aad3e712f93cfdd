from frontend.pages.run.choices import choices, link_id
from nas.ranking.measures import MEASURES


def test_every_measure_can_be_chosen_and_tau_is_at_first():
    of_scorer, of_measure = choices(["loss", "flops"], "loss").children
    assert [option["value"] for option in of_measure.data] == list(MEASURES)
    assert of_measure.value == "tau"
    assert (of_scorer.data, of_scorer.value) == (["loss", "flops"], "loss")
    assert of_scorer.style == {}


def test_a_single_scorer_is_nothing_to_choose():
    of_scorer, _ = choices(["loss"], "loss").children
    assert of_scorer.style == {"display": "none"}


def test_links_of_the_rankings_figures_follow_the_choice_on_their_tab_alone():
    assert link_id("ranking", "tau-over-steps") != link_id("ranking", "rank-correlation")
    assert link_id("overview", "tau-over-steps") is None
    assert link_id("ranking", "training-loss") is None
