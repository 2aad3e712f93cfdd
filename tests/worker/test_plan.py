"""The units of a run and what their states mean for it."""

import pytest

from backend.runs import leases
from tests.worker.support import Deployment, skip_to_training, tiny_spec, unit_of, units_of
from worker.plan import chunk_sizes, settle, units_after_partition


def set_states(deployment: Deployment, run_id: int, states: dict[str, str]) -> None:
    with deployment.db.unit_of_work() as session:
        for unit in units_of(session, run_id):
            unit.state = states.get(unit.key, unit.state)
        settle(session, run_id)


def test_chunks_hold_at_most_250_architectures() -> None:
    assert chunk_sizes(0) == []
    assert chunk_sizes(250) == [250]
    assert chunk_sizes(501) == [250, 250, 1]


def test_units_depend_on_what_they_need() -> None:
    units = units_after_partition(tiny_spec(), [251, 3])
    assert {unit.key: (unit.depends_on, unit.total) for unit in units} == {
        "warm-up": (["partition"], 20),
        "train-0": (["warm-up"], 40),
        "train-1": (["warm-up"], 40),
        "rank-0-0": (["train-0"], 250),
        "rank-0-1": (["train-0"], 1),
        "rank-1-0": (["train-1"], 3),
        "search": (["train-0", "train-1", "rank-0-0", "rank-0-1", "rank-1-0"], 12),
    }


def test_without_warm_up_and_search_training_follows_the_partition_and_ranking_ends_the_run() -> (
    None
):
    spec = tiny_spec(training={"warm_up_steps": 0}, search=None)
    units = units_after_partition(spec, [1, 1])
    assert [unit.key for unit in units] == ["train-0", "train-1", "rank-0-0", "rank-1-0"]
    assert units[0].depends_on == ["partition"]
    assert units[0].total == 60


def test_scores_are_combined_once_all_are_measured_and_before_the_search() -> None:
    spec = tiny_spec(ranking={"scorers": [{"kind": "loss"}, {"kind": "rank-sum"}]})
    units = {unit.key: unit for unit in units_after_partition(spec, [251, 3])}
    ranks = ["rank-0-0", "rank-0-1", "rank-1-0"]
    assert units["combine"].depends_on == ranks
    assert units["combine"].total == 254
    assert units["search"].depends_on == ["train-0", "train-1", *ranks, "combine"]


def test_helpers_of_a_search_need_what_it_needs_and_are_done_with_it(
    embedded: Deployment,
) -> None:
    spec = tiny_spec(search={"evaluators": 2})
    planned = {unit.key: unit for unit in units_after_partition(spec, [1, 1])}
    for key in ("evaluate-0", "evaluate-1"):
        assert planned[key].depends_on == planned["search"].depends_on
    run_id = skip_to_training(embedded, spec, [1, 1])
    done = dict.fromkeys(embedded.unit_states(run_id), "done")
    helping = {"evaluate-0": "lost", "evaluate-1": "leased"}
    set_states(embedded, run_id, done | helping)
    assert embedded.unit_states(run_id) == done | {"evaluate-1": "leased"}
    assert embedded.state(run_id) == "running"
    set_states(embedded, run_id, {"evaluate-1": "ready"})
    assert embedded.unit_states(run_id) == done
    assert embedded.state(run_id) == "succeeded"


def test_a_unit_gets_ready_when_the_last_thing_it_needs_is_done(embedded: Deployment) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    assert embedded.unit_states(run_id)["train-1"] == "ready"
    set_states(embedded, run_id, {"train-0": "done", "rank-0-0": "done"})
    assert embedded.unit_states(run_id) == {
        "partition": "done",
        "warm-up": "done",
        "train-0": "done",
        "train-1": "ready",
        "rank-0-0": "done",
        "rank-1-0": "waiting",
        "search": "waiting",
    }


def test_a_run_succeeds_when_every_unit_is_done(embedded: Deployment) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    done = dict.fromkeys(embedded.unit_states(run_id), "done")
    set_states(embedded, run_id, {**done, "search": "waiting"})
    assert embedded.state(run_id) == "running"
    set_states(embedded, run_id, done)
    assert embedded.state(run_id) == "succeeded"


def test_a_failed_unit_fails_the_run_and_takes_the_lease_of_the_others(
    embedded: Deployment,
) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    lease = embedded.claim(run_id)
    assert lease is not None
    with embedded.db.unit_of_work() as session:
        unit = unit_of(session, run_id, "train-1")
        unit.state, unit.failure_class, unit.failure_message = "failed", "bug", "It broke."
        run = settle(session, run_id)
        assert run is not None
        assert (run.state, run.failure_class) == ("failed", "bug")
        assert run.failure_message == "train-1: It broke."
    states = embedded.unit_states(run_id)
    assert states["train-0"] == states["search"] == "cancelled"
    with pytest.raises(leases.StaleAttempt), embedded.db.unit_of_work() as session:
        leases.verify(session, lease)


def test_a_retried_run_goes_on_where_it_failed(embedded: Deployment) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    set_states(embedded, run_id, {"train-0": "done", "train-1": "failed"})
    assert embedded.state(run_id) == "failed"
    assert embedded.act(run_id, "retry") == "queued"
    states = embedded.unit_states(run_id)
    assert (states["train-0"], states["train-1"]) == ("done", "ready")


def test_settling_again_changes_nothing(embedded: Deployment) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    before = embedded.events(run_id)
    set_states(embedded, run_id, {})
    assert embedded.events(run_id) == before


@pytest.mark.parametrize(
    ("action", "during", "after"),
    [("cancel", "cancelling", "cancelled"), ("pause", "pausing", "paused")],
)
def test_a_run_stops_when_its_last_leased_unit_is_given_back(
    embedded: Deployment, action: str, during: str, after: str
) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    lease = embedded.claim(run_id)
    assert lease is not None
    assert embedded.act(run_id, action) == during
    with embedded.db.unit_of_work() as session:
        (leases.cancel if action == "cancel" else _release)(session, lease)
        settle(session, run_id)
    assert embedded.state(run_id) == after


def _release(session, lease) -> None:
    leases.release(session, lease, "put back")
