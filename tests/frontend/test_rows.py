import pytest

from backend.errors import NotFound
from backend.runs import results
from backend.runs.balance import newest
from frontend.figures.chosen import Chosen
from frontend.rows import read_compared, read_rows
from nas.ranking.measures import MEASURES
from tests.frontend.seeding import SeededRun, small_spec


@pytest.fixture(scope="module")
def seeded(served_db):
    run = SeededRun(served_db, small_spec()).create().start()
    for step in (100, 200, 300):
        run.train(step)
        run.rank(step)
    return run


def test_only_what_is_needed_is_read_beside_the_run(served_db, seeded):
    rows = read_rows(served_db, seeded.run_id, ("subspaces", "units"))
    assert sorted(rows) == ["run", "subspaces", "units"]
    assert rows["run"].id == seeded.run_id
    assert len(rows["subspaces"]) == 3


def test_the_newest_balance_is_the_last_row_of_every_unit_and_subspace(served_db, seeded):
    rows = read_rows(served_db, seeded.run_id, ("balance", "balance_history"))
    assert len(rows["balance_history"]) == 9
    assert len(rows["balance"]) == 6
    assert sorted(rows["balance"], key=repr) == sorted(newest(rows["balance_history"]), key=repr)


def test_scores_are_those_of_the_newest_complete_round_until_there_are_final_ones(
    served_db, seeded
):
    live = read_rows(served_db, seeded.run_id, ("scores",))["scores"]
    assert {(row.stage, row.step) for row in live} == {("live", 300)}
    finished = SeededRun(served_db, small_spec()).create().start()
    finished.rank(100)
    finished.rank(600, stage="final")
    final = read_rows(served_db, finished.run_id, ("scores",))["scores"]
    assert {(row.stage, row.step) for row in final} == {("final", 600)}
    with served_db.reading() as session:
        assert len(results.scores(session, finished.run_id)) == 2 * len(final)


def test_correlations_over_steps_have_tau_and_the_measure_that_is_drawn(served_db, seeded):
    rows = read_rows(served_db, seeded.run_id, ("correlations",), Chosen("pool-regret"))[
        "correlations"
    ]
    assert {tuple(row.measures) for row in rows} == {("pool-regret", "tau")}
    assert {row.step for row in rows} == {100, 200, 300}


def test_compared_runs_have_tau_and_the_measure_that_is_drawn(served_db, seeded):
    chosen = Chosen("pool-regret")
    (one,) = read_compared(served_db, [seeded.run_id], ("correlations",), chosen)
    assert {tuple(row.measures) for row in one.correlations} == {("pool-regret", "tau")}


def test_rankings_are_those_of_the_newest_moment_with_every_measure(served_db, seeded):
    rows = read_rows(served_db, seeded.run_id, ("rankings",))["rankings"]
    assert {row.step for row in rows} == {300}
    assert {tuple(sorted(row.measures)) for row in rows} == {tuple(sorted(MEASURES))}


def test_compared_runs_keep_the_given_order_and_hold_what_was_asked_for(served_db, seeded):
    other = SeededRun(served_db, small_spec()).create()
    first, second = read_compared(served_db, [other.run_id, seeded.run_id], ("correlations",))
    assert (first.place, first.run.id, first.correlations) == (0, other.run_id, [])
    assert (second.place, second.run.id) == (1, seeded.run_id)
    assert {row.step for row in second.correlations} == {100, 200, 300}
    assert second.balance == ()


def test_the_first_compared_run_that_does_not_exist_is_named(served_db, seeded):
    with pytest.raises(NotFound, match="no run 1000001"):
        read_compared(served_db, [seeded.run_id, 1000001, 1000002], ())


def test_a_run_that_does_not_exist_is_not_found(served_db):
    with pytest.raises(NotFound):
        read_rows(served_db, 10**6, ())
