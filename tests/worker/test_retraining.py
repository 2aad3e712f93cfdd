"""Retrainings as units of a run: what they store, and that no interruption changes it."""

import time
from typing import Any

import pytest
from sqlalchemy import select

from backend.models import Artifact, Candidate, Unit
from backend.runs import leases, retraining
from backend.runs.leases import Failure, FailureClass
from backend.runs.schemas import RetrainingRead, RetrainRequest
from nas.data.digits import digits
from nas.spaces import catalogue
from nas.spaces.shape import NetworkShape
from nas.spec import RunSpec
from nas.training import standalone
from nas.training.recipes.digits import DigitsRecipe
from nas.training.retrained import RetrainedModel
from nas.training.standalone import StandAloneTrainer
from tests.support import wait_until
from tests.worker import forked
from tests.worker.processes import DEADLINE_SECONDS, wait_for_state
from tests.worker.running import DrainWhen, after_looks, lose, run_here, run_to_end
from tests.worker.support import Deployment, tiny_spec, unit_of
from worker import checkpoints
from worker.control import Control
from worker.plan import settle

SPACE = catalogue()["digits-mini"]
RECIPE = {"kind": "digits", "epochs": 2, "batch_size": 250, "patience": None}
PICKED = "|nor_conv_1x1~0|+|skip_connect~0|none~1|"
WEIGHTS_EXPLODE = {"learning_rate": 10, "weight_decay": 1, "batch_size": 50}


def retraining_spec(**changes: Any) -> RunSpec:
    """Return a run whose supernets are hardly trained, and whose winners are retrained."""
    return tiny_spec(
        training={"steps": 4, "warm_up_steps": 0},
        ranking={"num_architectures": 4, "every_steps": 4, "live_architectures": 2},
        search={"kind": "random", "budget": 12},
        retrain={"top": 2, "seeds": [0, 3], "recipe": RECIPE, "width": 3, **changes},
    )


def made(deployment: Deployment, run_id: int) -> list[RetrainingRead]:
    with deployment.db.reading() as session:
        return retraining.retrainings(session, run_id)


def ask(deployment: Deployment, run_id: int, **asked: Any) -> list[RetrainingRead]:
    with deployment.db.unit_of_work() as session:
        return retraining.request(session, run_id, RetrainRequest(**asked))


def artifacts_of(deployment: Deployment, run_id: int, kind: str = "retrain") -> list[Artifact]:
    with deployment.db.reading() as session:
        found = session.scalars(
            select(Artifact)
            .join(Unit, Unit.id == Artifact.unit_id)
            .where(Artifact.run_id == run_id, Unit.kind == kind)
            .order_by(Artifact.id)
        ).all()
        session.expunge_all()
    return list(found)


class Killed(BaseException):
    """What no part of the worker catches, as nothing outlives kill -9."""


def run_on(deployment: Deployment, run_id: int, control: Control, owner: str) -> None:
    while run_here(deployment, run_id, control, owner):
        pass


@pytest.fixture
def eager(embedded: Deployment, monkeypatch) -> Deployment:
    """A deployment in which every step is an event, and nearly every event a checkpoint."""
    monkeypatch.setattr(standalone, "REPORT_SECONDS", 0.0)
    changes = {"record_seconds": 1e-6, "checkpoint_seconds": 1e-6}
    return Deployment(embedded.db, embedded.settings.model_copy(update=changes))


def test_the_best_candidates_are_retrained_with_every_seed(embedded: Deployment) -> None:
    run_id = embedded.create(retraining_spec())

    run_to_end(embedded, run_id)

    assert embedded.state(run_id) == "succeeded", embedded.messages(run_id)
    found = made(embedded, run_id)
    with embedded.db.reading() as session:
        best = session.scalars(
            select(Candidate).where(Candidate.run_id == run_id).order_by(Candidate.score.desc())
        ).all()
        forms = {SPACE.live_form(SPACE.decode(row.architecture)): row.architecture for row in best}
        winners = sorted(forms.values(), key=[row.architecture for row in best].index)[:2]
        together = retraining.retrained(session, run_id)
        scores = {row.architecture: row.score for row in best}
    assert len({SPACE.live_form(SPACE.decode(one)) for one in winners}) == 2
    assert [(one.architecture, one.seed) for one in found] == [
        (code, seed) for code in [one.architecture for one in together] for seed in (0, 3)
    ]
    assert {SPACE.live_form(SPACE.decode(one.architecture)) for one in together} == {
        SPACE.live_form(SPACE.decode(code)) for code in winners
    }
    assert {one.origin for one in found} == {"winner"}
    # Just what a stand-alone training by the recipe gives, whoever makes it.
    recipe = DigitsRecipe(**RECIPE)
    shape = NetworkShape(width=3, image_channels=1, num_classes=10)
    trainer = StandAloneTrainer(SPACE, digits(), recipe, shape=shape)
    for one in found:
        expected = trainer.test_accuracy(SPACE.decode(one.architecture), one.seed)
        assert one.test_accuracy == expected
        assert (one.state, one.epochs, one.kept_epoch, one.failure) == ("done", 2, 2, None)
    first = together[0]
    tested = [one.test_accuracy for one in found[:2]]
    assert first.test_accuracy == pytest.approx(sum(tested) / 2)
    assert first.test_deviation == pytest.approx(abs(tested[0] - tested[1]) / 2**0.5)
    assert first.scorer == "loss"
    assert first.score == pytest.approx(scores[first.architecture], rel=1e-3)


def test_the_file_of_a_retrained_network_is_whole_and_no_checkpoint_is_left(
    embedded: Deployment,
) -> None:
    run_id = embedded.create(retraining_spec(top=1, seeds=[5]))

    run_to_end(embedded, run_id)

    (one,) = made(embedded, run_id)
    (artifact,) = artifacts_of(embedded, run_id)
    assert artifact.kind == "retrained"
    folder = embedded.settings.artifact_folder
    model = RetrainedModel.from_bytes(checkpoints.read_checked(folder, artifact))
    assert [path.name for path in (folder / artifact.path).parent.iterdir()] == [
        "attempt-0001-weights.pt"
    ]
    assert model.weights_sha256 == one.weights_sha256
    assert model.code == one.architecture
    assert model.told["test_accuracy"] == one.test_accuracy
    assert model.told["seed"] == 5
    assert (model.told["run"], model.told["dataset"]) == (run_id, "digits@1")
    assert model.told["space"] == "digits-mini@1"


def test_the_curve_has_a_point_for_every_epoch(embedded: Deployment) -> None:
    run_id = embedded.create(retraining_spec(top=1, seeds=[0, 1]))

    run_to_end(embedded, run_id)

    with embedded.db.reading() as session:
        epochs = retraining.retraining_epochs(session, run_id)
    assert [(point.number, point.epoch) for point in epochs] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert all(point.loss > 0 and 0 <= point.accuracy <= 100 for point in epochs)
    assert [one.validation_accuracy for one in made(embedded, run_id)] == [
        epochs[1].accuracy,
        epochs[3].accuracy,
    ]


def test_a_diverged_training_is_a_result_and_the_run_succeeds(embedded: Deployment) -> None:
    recipe = {**RECIPE, **WEIGHTS_EXPLODE}
    run_id = embedded.create(retraining_spec(top=1, seeds=[0, 1], recipe=recipe))

    run_to_end(embedded, run_id)

    assert embedded.state(run_id) == "succeeded"
    for one in made(embedded, run_id):
        assert one.test_accuracy is None
        assert one.failure.startswith("The training diverged")
        assert one.state == "done"
    assert artifacts_of(embedded, run_id) == []
    assert any("stored as diverged" in text for text in embedded.messages(run_id))
    with embedded.db.reading() as session:
        (together,) = retraining.retrained(session, run_id)
    assert (together.num_done, together.num_diverged, together.test_accuracy) == (0, 2, None)


@pytest.mark.parametrize("patience", [None, 1])
def test_a_retraining_that_lost_its_worker_ends_with_the_same_weights(
    eager: Deployment, patience: int | None
) -> None:
    recipe = {**RECIPE, "epochs": 4, "patience": patience}
    spec = retraining_spec(top=1, seeds=[0], recipe=recipe)
    calm, struck = eager.create(spec), eager.create(spec)
    run_to_end(eager, calm)
    for steps, owner in ((2, "first"), (5, "second")):

        def dies(steps: int = steps) -> bool:
            with eager.db.reading() as session:
                units = session.scalars(
                    select(Unit).where(Unit.run_id == struck, Unit.kind == "retrain")
                )
                if any(unit.progress >= steps for unit in units):
                    raise Killed
            return False

        with pytest.raises(Killed):
            run_on(eager, struck, DrainWhen(dies), owner)
        lose(eager, owner)
    run_to_end(eager, struck)

    assert eager.state(struck) == "succeeded", eager.messages(struck)
    (expected,), (found,) = made(eager, calm), made(eager, struck)
    assert found.weights_sha256 == expected.weights_sha256
    assert found.test_accuracy == expected.test_accuracy
    assert found.kept_epoch == expected.kept_epoch
    with eager.db.reading() as session:
        assert unit_of(session, struck, "retrain-0").attempt == 3
        curves = [retraining.retraining_epochs(session, number) for number in (calm, struck)]
    assert curves[0] == curves[1]
    assert any("retrain-0: resumed from step" in text for text in eager.messages(struck))


def test_a_retraining_put_back_between_two_epochs_goes_on(eager: Deployment) -> None:
    spec = retraining_spec(top=1, seeds=[0], recipe={**RECIPE, "epochs": 3})
    calm, stopped = eager.create(spec), eager.create(spec)
    run_to_end(eager, calm)

    while not any(one.state == "done" for one in made(eager, stopped)):
        assert run_here(eager, stopped, after_looks(40))

    run_to_end(eager, stopped)
    assert made(eager, stopped)[0].weights_sha256 == made(eager, calm)[0].weights_sha256


def test_a_retraining_paused_between_two_epochs_goes_on_when_it_is_resumed(
    eager: Deployment,
) -> None:
    spec = retraining_spec(top=1, seeds=[0], recipe={**RECIPE, "epochs": 3})
    calm, paused = eager.create(spec), eager.create(spec)
    run_to_end(eager, calm)

    def pauses() -> bool:
        """Pause the run once, in the middle of its retraining, as somebody else would."""
        with eager.db.reading() as session:
            under_way = any(
                unit.kind == "retrain" and unit.progress >= 5
                for unit in session.scalars(select(Unit).where(Unit.run_id == paused))
            )
        if under_way and eager.state(paused) == "running":
            eager.act(paused, "pause")
        return eager.state(paused) == "pausing"

    run_on(eager, paused, DrainWhen(pauses), "first")

    assert eager.state(paused) == "paused"
    (halfway,) = made(eager, paused)
    assert 1 <= halfway.epochs < 3
    assert halfway.test_accuracy is None
    assert eager.unit_states(paused)["retrain-0"] == "ready"
    eager.act(paused, "resume")
    run_to_end(eager, paused)
    assert eager.state(paused) == "succeeded", eager.messages(paused)
    assert made(eager, paused)[0].weights_sha256 == made(eager, calm)[0].weights_sha256


def test_what_somebody_picks_is_retrained_after_the_run_has_succeeded(
    embedded: Deployment,
) -> None:
    run_id = embedded.create(retraining_spec(top=1, seeds=[0]))
    run_to_end(embedded, run_id)
    before = made(embedded, run_id)

    added = ask(embedded, run_id, architectures=[PICKED], seeds=[0, 1])

    assert [(one.number, one.architecture, one.state) for one in added] == [
        (1, PICKED, "ready"),
        (2, PICKED, "ready"),
    ]
    assert {one.recipe for one in added} == {DigitsRecipe(**RECIPE)}
    assert embedded.state(run_id) == "queued"
    run_to_end(embedded, run_id)
    assert embedded.state(run_id) == "succeeded"
    after = made(embedded, run_id)
    assert after[0] == before[0]
    assert [one.origin for one in after] == ["winner", "picked", "picked"]
    assert all(one.test_accuracy is not None for one in after)
    with embedded.db.reading() as session:
        together = retraining.retrained(session, run_id)
    assert [(one.architecture, one.num_done) for one in together][1] == (PICKED, 2)


def test_a_cancelled_retraining_is_made_when_the_run_is_retried(embedded: Deployment) -> None:
    run_id = embedded.create(retraining_spec(top=1, seeds=[0]))
    run_here(
        embedded,
        run_id,
        DrainWhen(lambda: embedded.unit_states(run_id).get("search") == "done"),
    )
    embedded.act(run_id, "cancel")
    assert embedded.unit_states(run_id)["retrain-0"] == "cancelled"

    embedded.act(run_id, "retry")
    run_to_end(embedded, run_id)

    assert embedded.state(run_id) == "succeeded"
    assert made(embedded, run_id)[0].test_accuracy is not None


def test_an_early_stop_ends_the_unit_before_its_last_step(embedded: Deployment) -> None:
    recipe = {**RECIPE, "epochs": 500, "patience": 2, "learning_rate": 1e-9}
    run_id = embedded.create(retraining_spec(top=1, seeds=[0], recipe=recipe))

    run_to_end(embedded, run_id)

    (one,) = made(embedded, run_id)
    assert one.epochs == one.kept_epoch + 2 < one.max_epochs
    with embedded.db.reading() as session:
        unit = unit_of(session, run_id, "retrain-0")
        # An epoch has four steps.
        assert unit.progress == unit.total == 4 * one.epochs


def test_a_retraining_without_enough_memory_fails_with_the_remedy_and_keeps_the_results(
    embedded: Deployment, monkeypatch
) -> None:
    run_id = embedded.create(retraining_spec(top=1, seeds=[0, 1]))
    plain = StandAloneTrainer.begin

    def begin(self, architecture, seed):
        if seed == 1:
            raise MemoryError("no room for the batch")
        return plain(self, architecture, seed)

    monkeypatch.setattr(StandAloneTrainer, "begin", begin)

    run_to_end(embedded, run_id)

    with embedded.db.reading() as session:
        unit = unit_of(session, run_id, "retrain-1")
        assert (unit.state, unit.failure_class) == ("failed", "out of memory")
        assert "in a retraining" in unit.failure_message
        assert "recipe.batch_size" in unit.failure_message
    assert embedded.state(run_id) == "failed"
    monkeypatch.undo()
    assert made(embedded, run_id)[0].test_accuracy is not None
    embedded.act(run_id, "retry")
    run_to_end(embedded, run_id)
    assert embedded.state(run_id) == "succeeded"


@pytest.mark.slow
def test_a_retraining_killed_by_the_system_ends_with_the_same_weights(
    embedded: Deployment,
) -> None:
    changes = {"record_seconds": 0.03, "checkpoint_seconds": 0.15}
    brisk = Deployment(embedded.db, embedded.settings.model_copy(update=changes))
    recipe = {**RECIPE, "epochs": 20, "batch_size": 32, "patience": 8}
    spec = retraining_spec(top=1, seeds=[0], recipe=recipe)
    calm, struck = brisk.create(spec), brisk.create(spec)
    run_to_end(brisk, calm)
    newest = 0
    for _ in range(2):
        runner = forked.start(brisk, struck, "killed")

        def has_news(before: int = newest) -> bool:
            return any(one.id > before for one in artifacts_of(brisk, struck))

        wait_until(has_news, seconds=DEADLINE_SECONDS, what="a checkpoint of the retraining")
        time.sleep(0.1)
        runner.kill()
        runner.join()
        assert runner.exitcode == -9
        newest = max(one.id for one in artifacts_of(brisk, struck))
        with brisk.db.unit_of_work() as session:
            (lease,) = leases.held(session, "killed")
            killed = Failure(FailureClass.LOST, "The runner was killed.")
            leases.fail(session, lease, killed, brisk.settings.max_fruitless_attempts)
            settle(session, struck)
    last = forked.start(brisk, struck, "last")
    assert wait_for_state(brisk, struck, "succeeded", "failed") == "succeeded"
    last.join()
    assert last.exitcode == 0
    (expected,), (found,) = made(brisk, calm), made(brisk, struck)
    assert found.weights_sha256 == expected.weights_sha256
    assert found.epochs == expected.epochs
    assert any("retrain-0: resumed from step" in text for text in brisk.messages(struck))
