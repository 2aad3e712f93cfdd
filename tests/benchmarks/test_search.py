"""What the searchers are said to find."""

import random

import pytest
import search

from nas.search.pareto import hypervolume, pareto_front
from nas.spaces import catalogue
from tests.benchmarks.prepared import a_choice, search_rows, searches
from tests.benchmarks.printed import Place, printed

SPACE = catalogue()["nas-bench-201"]


@pytest.fixture
def known(place: Place) -> dict[str, float]:
    """Some cells, and what a ranking of them is right about: FLOPs bring accuracy."""
    rng = random.Random(0)
    members = [one for one in SPACE.enumerate() if SPACE.is_valid(one)]
    truth = {SPACE.encode(one): 60 + SPACE.flops(one) / 1e7 + 5 * rng.random() for one in members}
    noise = {code: rng.gauss(0, 2) for code in truth}

    class Chosen:
        @staticmethod
        def read():
            return a_choice()

    search._true_point.cache_clear()
    place.replace(
        search,
        Choice=Chosen,
        truth=lambda: truth,
        valid=lambda: tuple(members),
        ranking=lambda seed: lambda one: truth[SPACE.encode(one)] + noise[SPACE.encode(one)],
    )
    yield truth
    search._true_point.cache_clear()


def test_the_last_line_has_means_paired_gain_and_regret(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    searches(place)
    search.main()
    found = printed(capsys).figures
    assert list(found)[:3] == ["evolution_accuracy", "random_accuracy", "evolution_regret"]
    # Of ten seeds four have the least, three each a tenth and two tenths more.
    assert found["random_accuracy"] == pytest.approx(94.09)
    assert found["evolution_accuracy"] == pytest.approx(94.29)
    assert found["evolution_regret"] == pytest.approx(0.46)
    assert (found["evolution_gain"], found["evolution_gain_low"]) == (0.2, 0.2)
    assert found["score_wins"] == found["searches"] == 10


@pytest.mark.parametrize(
    ("figures", "complaint"),
    [
        ({"accuracy": 93.0}, "evolution_accuracy is 93.29, less than 93.6"),
        ({"share": 0.06}, "overhead is 0.06"),
        ({"wins": False}, "evolution scores higher in 0 searches only"),
    ],
)
def test_it_fails_below_a_promise(figures: dict[str, float], complaint: str, place: Place) -> None:
    searches(place, **figures)
    with pytest.raises(SystemExit, match=complaint):
        search.main()


def test_winners_are_told_by_truth_and_found_by_score(known: dict[str, float]) -> None:
    row = search.measure_winners(short=True)
    assert row["best_accuracy"] == max(known.values())
    for kind in ("random", "evolution"):
        assert [one["evaluations"] for one in row[kind]] == [300, 300]
        assert all(one["accuracy"] in known.values() for one in row[kind])
    assert search.score_wins(row) == 2


def test_a_front_is_judged_by_true_accuracy(known: dict[str, float]) -> None:
    row = search.measure_fronts(short=True)
    points = search.true_points(search.valid())
    assert min(min(point) for point in points) == 0
    assert max(max(point) for point in points) == 1
    front = [points[place] for place in pareto_front(points)]
    assert row["true_front"] == pytest.approx(hypervolume(front, (1.05, 1.05)), abs=1e-5)
    for kind in ("random", "nsga2", "pareto-novelty"):
        assert all(0.3 < share <= 1 for share in row[kind])


def test_look_ups_are_as_many_as_asked_for() -> None:
    row = search.measure_look_ups(short=True)
    assert row.pop("evaluations") == 500
    assert set(row) == {"seed", *search_rows()["look-ups"]} - {"evaluations"}
