"""Rank units: which architectures they hold, and what is left of one that was struck."""

import pytest
from sqlalchemy import select

from backend.models import Score, Unit
from backend.runs import leases
from nas import pipeline
from nas.spaces import catalogue
from nas.spec import RunSpec
from tests.worker.running import DrainWhen, run_here, run_to_end
from tests.worker.support import SLOT, Deployment, tiny_spec
from worker import execution, plan
from worker.control import Control
from worker.reaper import return_expired

SPACE = catalogue()["digits-mini"]


class Killed(BaseException):
    """The process is gone: nothing handles it."""


class KilledWhen(DrainWhen):
    """Ends the process, as far as the runner can tell, once `wanted()`."""

    @property
    def order(self) -> str | None:
        if self._wanted():
            raise Killed
        return None


def spec() -> RunSpec:
    return tiny_spec(ranking={"num_architectures": 100}, search=None)


def scores(deployment: Deployment, run_id: int) -> dict[str, float]:
    """The final scores that are stored."""
    with deployment.db.reading() as session:
        rows = session.execute(
            select(Score.architecture, Score.score).where(
                Score.run_id == run_id, Score.stage == "final"
            )
        )
        return {architecture: score for architecture, score in rows}


def return_lost_unit(deployment: Deployment) -> str:
    """Let the lease of a dead runner expire; return its unit."""
    with deployment.db.unit_of_work() as session:
        (lost,) = leases.held(session, SLOT)
        key = session.get_one(Unit, lost.unit_id).key
        leases.renew(session, SLOT, -1.0)
    return_expired(deployment.db, deployment.settings, lost)
    return key


@pytest.fixture
def chunked(embedded: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Rank units of 20 architectures that store what they have every four of them."""
    monkeypatch.setattr(plan, "ARCHITECTURES_PER_CHUNK", 20)
    monkeypatch.setattr(execution, "ARCHITECTURES_PER_CHUNK", 20)
    monkeypatch.setattr(pipeline, "SCORING_CHUNK", 4)
    settings = embedded.settings.model_copy(update={"record_seconds": 1e-6})
    return Deployment(embedded.db, settings)


@pytest.mark.parametrize("control", [DrainWhen, KilledWhen])
def test_a_struck_rank_unit_resumes_with_the_rest_and_gives_the_same_scores(
    embedded: Deployment,
    chunked: Deployment,
    control: type[DrainWhen],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calm, struck = chunked.create(spec()), chunked.create(spec())
    run_to_end(embedded, calm)
    strike = control(lambda: len(scores(chunked, struck)) >= 28)
    if control is KilledWhen:
        with pytest.raises(Killed):
            run_here(chunked, struck, strike)
        assert return_lost_unit(chunked).startswith("rank-")
    else:
        run_here(chunked, struck, strike)
    before = scores(chunked, struck)
    assert 28 <= len(before) < 100
    # Every few of them were told to whoever follows the run.
    told = [
        event.message
        for event in chunked.events(struck)
        if event.message.startswith("rank-") and "scores" in event.data.get("tables", ())
    ]
    assert len(told) >= 28 / 4
    evaluated: list[str] = []
    rank_unit = pipeline.rank_unit

    def counted(experiment, state, architectures):
        evaluated.extend(map(SPACE.encode, architectures))
        return rank_unit(experiment, state, architectures)

    monkeypatch.setattr(pipeline, "rank_unit", counted)
    run_to_end(embedded, struck)
    assert len(evaluated) == 100 - len(before)
    assert not before.keys() & set(evaluated)
    assert chunked.state(struck) == "succeeded"
    assert scores(chunked, struck) == scores(chunked, calm)


def test_rank_units_hold_neighbours_of_the_order_of_prefixes(
    chunked: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = chunked.create(spec())
    chunks = []
    rank_unit = pipeline.rank_unit

    def watched(experiment, state, architectures):
        chunks.append((state.subspace, [SPACE.live_form(member) for member in architectures]))
        return rank_unit(experiment, state, architectures)

    monkeypatch.setattr(pipeline, "rank_unit", watched)
    run_to_end(chunked, run_id)
    assert sum(len(chunk) for _, chunk in chunks) == 100
    for subspace in (0, 1):
        forms = [form for owner, chunk in chunks if owner == subspace for form in chunk]
        assert forms == sorted(forms)
    assert all(len(chunk) <= 20 for _, chunk in chunks)


def test_a_runner_draws_the_sample_once_for_all_of_its_units(
    chunked: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    parts = pipeline.ranking_parts

    def counted(experiment):
        drawn.append(experiment)
        return parts(experiment)

    monkeypatch.setattr(pipeline, "ranking_parts", counted)
    run_id = chunked.create(spec())
    assert run_here(chunked, run_id, Control())
    assert chunked.state(run_id) == "succeeded"
    assert len(drawn) == 1
