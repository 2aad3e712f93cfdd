import random

from nas.search.regularised_evolution import RegularisedEvolutionSearcher
from nas.search.state import Evaluation, History, Memory
from tests.nas.search.searching import NB201

RNG = random.Random(0)
CELLS = list(dict.fromkeys(NB201.sample(RNG) for _ in range(40)))


def distance(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def history(*scores: float) -> History:
    return History(
        Evaluation(architecture=cell, score=score)
        for cell, score in zip(CELLS, scores, strict=False)
    )


def test_the_first_generation_fills_the_population_at_random() -> None:
    searcher = RegularisedEvolutionSearcher(population_size=30)
    found = searcher.propose(NB201, history(*[0.0] * 10), Memory(), random.Random(0))
    assert len(found) == len(set(found)) == 20


def test_a_child_changes_exactly_one_decision_of_the_best_of_the_sample() -> None:
    # A sample of 400 out of eight misses the best one in 10^23 times.
    searcher = RegularisedEvolutionSearcher(population_size=8, sample_size=400)
    scores = [0.0] * 32 + [0, 0, 5.0, 0, 0, 0, 0, 0]
    known = history(*scores)
    assert len(known) == len(CELLS) == 40
    for seed in range(10):
        (child,) = searcher.propose(NB201, known, Memory(), random.Random(seed))
        assert distance(child, CELLS[34]) == 1
        assert child not in CELLS


def test_the_oldest_dies_however_good_it_is() -> None:
    searcher = RegularisedEvolutionSearcher(population_size=8, sample_size=400)
    scores = [0.0] * 31 + [99.0] + [0, 0, 5.0, 0, 0, 0, 0, 0]
    (child,) = searcher.propose(NB201, history(*scores), Memory(), random.Random(0))
    assert distance(child, CELLS[34]) == 1


def test_the_parent_is_the_best_of_few_and_not_of_all() -> None:
    # One of forty, drawn with repetition: every member becomes a parent sometimes.
    searcher = RegularisedEvolutionSearcher(population_size=40, sample_size=1)
    known = history(*range(40))
    children = [
        searcher.propose(NB201, known, Memory(), random.Random(seed))[0] for seed in range(60)
    ]
    near_the_best = sum(distance(child, CELLS[39]) == 1 for child in children)
    assert near_the_best < 10


def test_several_children_of_one_generation_are_distinct() -> None:
    searcher = RegularisedEvolutionSearcher(
        population_size=8, sample_size=400, children_per_generation=12
    )
    found = searcher.propose(NB201, history(*range(40)), Memory(), random.Random(0))
    assert len(set(found)) == 12
    assert all(distance(child, CELLS[39]) == 1 for child in found)
