"""Searches whose worker was killed: what they find is what an undisturbed one finds."""

import pytest
from sqlalchemy import select

from backend.models import Candidate
from nas.spec import RunSpec
from tests.support import wait_until
from tests.worker import forked
from tests.worker.processes import DEADLINE_SECONDS, wait_for_state
from tests.worker.running import DrainWhen, artifacts, lose, run_here, run_to_end
from tests.worker.support import Deployment, tiny_spec, unit_of
from worker.control import Control

SEARCHES = {"local-search": {}, "pareto-novelty": {"population_size": 8}}
"""Those that remember most."""


class Killed(BaseException):
    """What no part of the worker catches, as nothing outlives kill -9."""


def spec_of(kind: str) -> RunSpec:
    return tiny_spec(
        training={"steps": 10, "warm_up_steps": 0},
        ranking={"scorers": [{"kind": "loss"}, {"kind": "accuracy"}]},
        search={"kind": kind, "budget": 60, **SEARCHES[kind]},
    )


def found(deployment: Deployment, run_id: int) -> list[tuple]:
    with deployment.db.reading() as session:
        return [
            tuple(row)
            for row in session.execute(
                select(Candidate.evaluation, Candidate.architecture, Candidate.objectives)
                .where(Candidate.run_id == run_id)
                .order_by(Candidate.evaluation)
            )
        ]


def run_on(deployment: Deployment, run_id: int, control: Control, owner: str) -> None:
    while run_here(deployment, run_id, control, owner):
        pass


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_that_lost_its_worker_ends_with_the_same_candidates(
    kind: str, embedded: Deployment
) -> None:
    changes = {"record_seconds": 1e-6, "checkpoint_seconds": 0.02}
    eager = Deployment(embedded.db, embedded.settings.model_copy(update=changes))
    calm, struck = eager.create(spec_of(kind)), eager.create(spec_of(kind))
    run_to_end(eager, calm)
    for number, owner in ((19, "first"), (37, "second")):

        def dies(number: int = number) -> bool:
            if len(found(eager, struck)) >= number:
                raise Killed
            return False

        with pytest.raises(Killed):
            run_on(eager, struck, DrainWhen(dies), owner)
        lose(eager, owner)
    run_to_end(eager, struck)
    assert eager.state(struck) == "succeeded", eager.messages(struck)
    whole = found(eager, calm)
    assert [evaluation for evaluation, *_ in whole] == list(range(1, 61))
    assert len({architecture for _, architecture, _ in whole}) == 60
    assert found(eager, struck) == whole
    with eager.db.reading() as session:
        assert unit_of(session, struck, "search").attempt == 3
    resumed = [text for text in eager.messages(struck) if "search: resumed from step" in text]
    assert resumed
    # What is done is never resumed, and its rows are all there is to know.
    assert artifacts(eager, struck, "search") == []


@pytest.mark.slow
def test_a_search_killed_by_the_system_ends_with_the_same_candidates(embedded: Deployment) -> None:
    changes = {"record_seconds": 0.02, "checkpoint_seconds": 0.05}
    brisk = Deployment(embedded.db, embedded.settings.model_copy(update=changes))
    spec = tiny_spec(
        training={"steps": 10, "warm_up_steps": 0}, search={"kind": "evolution", "budget": 110}
    )
    calm, struck = brisk.create(spec), brisk.create(spec)
    run_to_end(brisk, calm)
    for number in (17, 60):
        runner = forked.start(brisk, struck, "killed")
        wait_until(
            lambda number=number: len(found(brisk, struck)) >= number,
            seconds=DEADLINE_SECONDS,
            what=f"{number} candidates are stored",
        )
        runner.kill()
        runner.join()
        assert runner.exitcode == -9
        assert len(found(brisk, struck)) < 110
        lose(brisk, "killed")
    last = forked.start(brisk, struck, "last")
    assert wait_for_state(brisk, struck, "succeeded", "failed") == "succeeded"
    last.join()
    assert found(brisk, struck) == found(brisk, calm)
    assert len(found(brisk, calm)) == 110
    assert any("search: resumed from step" in text for text in brisk.messages(struck))
