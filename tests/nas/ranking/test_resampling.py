import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.ranking import resampling
from nas.ranking.measures import MEASURES, PARTS
from nas.ranking.metrics import kendall_tau, rank_correlation
from nas.ranking.resampling import bootstrap, paired_taus

SMALL = st.integers(0, 9).map(float)


def replicates(scores, truth, num):
    return bootstrap(
        np.array(scores), np.array(truth), seed=4, num_resamples=num, sparse_threshold=2.0
    )


def defined(value):
    return None if math.isnan(value) else value


def drawn(number, num):
    """How often each architecture was drawn, as `bootstrap` draws with seed 4."""
    chunks = resampling._draws(number, num, np.random.default_rng(4))
    return np.concatenate(list(chunks), axis=1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(SMALL, SMALL), min_size=3, max_size=40))
def test_every_measure_of_a_resample_is_that_of_the_repeated_architectures(pairs) -> None:
    pairs.sort(key=lambda pair: (pair[1], pair[0]))
    scores, truth = ([pair[side] for pair in pairs] for side in (0, 1))
    found = replicates(scores, truth, 4)
    assert set(found) == {name for name, one in MEASURES.items() if one.has_interval}
    for column, times in enumerate(drawn(len(pairs), 4).T):
        expected = rank_correlation(
            np.repeat(scores, times),
            np.repeat(truth, times),
            seed=0,
            sparse_threshold=2.0,
            num_bootstrap=0,
        )
        for name, values in found.items():
            value = expected.measures[name].value
            assert defined(values[column]) == pytest.approx(value, abs=1e-9), name


def test_several_scorers_are_judged_in_the_same_resamples() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 9, size=30).astype(float)
    scores = [truth + rng.normal(size=30), rng.normal(size=30), np.zeros(30)]
    found = paired_taus(scores, truth, seed=4, num_resamples=6)
    assert found.shape == (3, 6)
    for column, times in enumerate(drawn(30, 6).T):
        for row, of_one in enumerate(scores[:2]):
            expected = kendall_tau(np.repeat(of_one, times), np.repeat(truth, times))
            assert found[row, column] == pytest.approx(expected, abs=1e-9)
    assert np.isnan(found[2]).all()


def test_as_many_are_drawn_as_there_are_each_with_equal_chance() -> None:
    times = drawn(20, 3000)
    assert set(times.sum(axis=0)) == {20}
    # Of 60,000 draws each architecture has 3,000; four standard deviations are 214.
    assert times.sum(axis=1) == pytest.approx(np.full(20, 3000), abs=214)


def test_resamples_are_drawn_in_chunks_that_do_not_depend_on_what_is_measured(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=64), rng.normal(size=64)
    monkeypatch.setattr(resampling, "VALUES_AT_ONCE", 64 * 3)
    chunked = replicates(scores, truth, 10)
    assert {len(values) for values in chunked.values()} == {10}
    monkeypatch.setattr(resampling, "VALUES_AT_ONCE", 64 * 10)
    whole = replicates(scores, truth, 10)
    for name in whole:
        np.testing.assert_allclose(chunked[name], whole[name], atol=1e-12)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_chosen_anew_in_every_resample(name) -> None:
    # The best and the worst are drawn away in most resamples, so their parts differ in size.
    rng = np.random.default_rng(1)
    truth = np.sort(rng.integers(40, size=400).astype(float))
    scores = truth + rng.normal(scale=9, size=400)
    found = replicates(scores, truth, 3)[name]
    for column, times in enumerate(drawn(400, 3).T):
        repeated = rank_correlation(
            np.repeat(scores[np.lexsort((scores, truth))], times),
            np.repeat(truth, times),
            seed=0,
            num_bootstrap=0,
        )
        assert defined(found[column]) == pytest.approx(repeated.measures[name].value, abs=1e-9)
