import pytest
from sqlalchemy import select

from backend.db import Database
from backend.models import (
    Candidate,
    RetrainingEpochRow,
    RetrainingRow,
    Run,
    Score,
    Unit,
)
from backend.runs import retraining, service
from backend.runs.schemas import RetrainRequest
from tests.backend.api import Api, fields_of, problem_of
from tests.backend.conftest import CONV, DEAD, POOL, SKIP

SMALL = {"kind": "digits", "epochs": 4, "batch_size": 100}


def path(run_id: int) -> str:
    return f"/api/v1/runs/{run_id}/retrainings"


def searched(db: Database, run_id: int, state: str = "succeeded") -> int:
    """End a run's search without any worker: CONV is best, then POOL, then SKIP."""
    with db.unit_of_work() as session:
        run = session.get_one(Run, run_id)
        run.state = state
        session.scalars(select(Unit).where(Unit.run_id == run_id)).one().state = "done"
        session.add(Unit(run_id=run_id, key="search", kind="search", state="done"))
        for place, (code, score) in enumerate([(SKIP, -2.0), (CONV, -0.5), (POOL, -1.0)]):
            session.add(
                Candidate(
                    run_id=run_id,
                    evaluation=place + 1,
                    architecture=code,
                    subspace=0,
                    score=score,
                    best_score=max(score, -0.5),
                    flops=1,
                    parameters=1,
                    nonlinearity_count=0,
                    objectives={"loss": score},
                    seconds=1.0,
                )
            )
    return run_id


@pytest.fixture
def ended(stocked: Database, new_run) -> int:
    return searched(stocked, new_run())


def finish(db: Database, run_id: int, number: int, accuracy: float | None) -> None:
    with db.unit_of_work() as session:
        row = session.scalars(
            select(RetrainingRow).where(
                RetrainingRow.run_id == run_id, RetrainingRow.number == number
            )
        ).one()
        row.test_accuracy = row.validation_accuracy = accuracy
        row.failure = "The training diverged." if accuracy is None else None


class TestRequest:
    def test_picked_architectures_become_units_and_the_run_is_queued_again(
        self, api: Api, stocked: Database, ended: int
    ):
        body = {"architectures": [SKIP, CONV], "seeds": [0, 7], "recipe": SMALL, "width": 3}

        answer = api.post(path(ended), json=body)

        assert answer.status_code == 202, answer.text
        found = answer.json()["items"]
        assert [(one["number"], one["architecture"], one["seed"]) for one in found] == [
            (0, SKIP, 0),
            (1, SKIP, 7),
            (2, CONV, 0),
            (3, CONV, 7),
        ]
        assert found[0]["recipe"]["epochs"] == found[0]["max_epochs"] == 4
        assert found[0]["recipe"]["patience"] == 20  # the preset's own
        assert (found[0]["width"], found[0]["origin"], found[0]["state"]) == (3, "picked", "ready")
        run = api.get(f"/api/v1/runs/{ended}").json()
        assert run["state"] == "queued"
        assert run["progress"] < 1
        with stocked.reading() as session:
            units = session.scalars(
                select(Unit).where(Unit.kind == "retrain").order_by(Unit.id)
            ).all()
            assert [unit.key for unit in units] == [f"retrain-{number}" for number in range(4)]
            # Four epochs of ten steps.
            assert {unit.total for unit in units} == {40}

    def test_a_number_of_seeds_and_the_recipe_of_the_dataset_are_enough(
        self, api: Api, ended: int
    ):
        found = api.post(path(ended), json={"architectures": [CONV], "seeds": 2}).json()["items"]
        assert [one["seed"] for one in found] == [0, 1]
        assert {one["recipe"]["kind"] for one in found} == {"digits"}

    def test_the_best_candidates_are_taken_in_the_order_of_the_search(self, api: Api, ended: int):
        found = api.post(path(ended), json={"top": 2, "seeds": [0]}).json()["items"]
        assert [one["architecture"] for one in found] == [CONV, POOL]
        assert {one["origin"] for one in found} == {"winner"}

        further = api.post(path(ended), json={"top": 3, "seeds": [0]}).json()["items"]

        assert [one["architecture"] for one in further] == [SKIP]
        assert fields_of(api.post(path(ended), json={"top": 3, "seeds": [0]})) == ["top"]

    @pytest.mark.parametrize(
        ("body", "field", "words"),
        [
            ({"architectures": [CONV, "|conv~0|"]}, "architectures.1", ""),
            ({"architectures": [DEAD]}, "architectures.0", "is dead"),
            ({"architectures": [CONV, CONV]}, "architectures.1", "listed twice"),
            ({"architectures": []}, "architectures", "at least 1"),
            ({}, "architectures", "either list architectures"),
            ({"architectures": [CONV], "top": 1}, "architectures", "either"),
            ({"architectures": [CONV], "seeds": [1, 1]}, "seeds", "once"),
            ({"architectures": [CONV], "seeds": 0}, "seeds", "at least 1"),
            ({"architectures": [CONV], "recipe": {"kind": "none"}}, "recipe", "digits"),
            (
                {
                    "architectures": [CONV],
                    "recipe": {"kind": "digits", "augmentation": {"shift_pixels": 8}},
                },
                "recipe.augmentation.shift_pixels",
                "largest feasible value is 7",
            ),
        ],
    )
    def test_what_cannot_be_retrained_is_refused_by_its_field(
        self, api: Api, ended: int, body, field, words
    ):
        problem = problem_of(api.post(path(ended), json=body), 422)
        (error,) = problem["errors"]
        assert error["field"] == field
        assert words in error["message"]
        assert api.get(path(ended)).json()["items"] == []

    def test_an_architecture_is_not_trained_twice_by_one_recipe_and_seed(
        self, api: Api, ended: int
    ):
        body = {"architectures": [CONV], "seeds": [0], "recipe": SMALL}
        assert api.post(path(ended), json=body).status_code == 202

        problem = problem_of(api.post(path(ended), json={**body, "seeds": [0, 1]}), 422)

        assert problem["errors"][0]["field"] == "architectures.0"
        assert "seed 0 already" in problem["errors"][0]["message"]
        for other in ({"seeds": [1]}, {"recipe": {**SMALL, "epochs": 5}}, {"width": 4}):
            assert api.post(path(ended), json={**body, **other}).status_code == 202

    def test_the_same_key_asks_once(self, api: Api, ended: int):
        body = {"architectures": [CONV], "seeds": [0]}
        answers = [
            api.post(path(ended), json=body, headers={"Idempotency-Key": "a"}) for _ in range(2)
        ]
        assert answers[0].json() == answers[1].json()
        assert len(api.get(path(ended)).json()["items"]) == 1

    def test_before_the_search_has_ended_there_are_no_winners(self, api: Api, new_run):
        run_id = new_run()
        assert fields_of(api.post(path(run_id), json={"top": 1})) == ["top"]
        picked = api.post(path(run_id), json={"architectures": [CONV], "seeds": [0]})
        assert picked.json()["items"][0]["state"] == "waiting"
        assert api.get(f"/api/v1/runs/{run_id}").json()["state"] == "queued"

    @pytest.mark.parametrize("state", ["failed", "cancelled", "cancelling"])
    def test_a_run_that_has_stopped_is_retried_first(
        self, api: Api, stocked: Database, new_run, state
    ):
        run_id = searched(stocked, new_run(), state)
        problem = problem_of(api.post(path(run_id), json={"architectures": [CONV]}), 409)
        assert "retrain" not in problem["allowed_actions"]

    def test_an_unknown_run_is_not_found(self, api: Api):
        problem_of(api.post(path(99), json={"architectures": [CONV]}), 404)
        problem_of(api.get(path(99)), 404)


class TestResults:
    def test_means_and_spread_stand_beside_score_and_benchmark(
        self, api: Api, stocked: Database, ended: int
    ):
        api.post(path(ended), json={"architectures": [CONV, SKIP], "seeds": 3, "recipe": SMALL})
        for number, accuracy in enumerate([90.0, 92.0, None, 71.0]):
            finish(stocked, ended, number, accuracy)
        with stocked.unit_of_work() as session:
            session.add(
                Score(
                    run_id=ended,
                    stage="final",
                    step=9,
                    scorer="loss",
                    architecture=CONV,
                    subspace=0,
                    score=-0.4,
                )
            )

        conv, skip = api.get(path(ended)).json()["architectures"]

        assert (conv["architecture"], conv["numbers"]) == (CONV, [0, 1, 2])
        assert (conv["num_done"], conv["num_diverged"]) == (2, 1)
        assert conv["test_accuracy"] == 91.0
        assert conv["test_deviation"] == pytest.approx(2**0.5)
        assert (conv["scorer"], conv["score"]) == ("loss", -0.4)
        assert (skip["num_done"], skip["test_deviation"], skip["score"]) == (1, None, -2.0)

    def test_trainings_by_another_recipe_are_told_apart(self, api: Api, ended: int):
        body = {"architectures": [CONV], "seeds": [0], "recipe": SMALL}
        api.post(path(ended), json=body)
        api.post(path(ended), json={**body, "recipe": {**SMALL, "learning_rate": 0.2}})
        found = api.get(path(ended)).json()["architectures"]
        assert [one["numbers"] for one in found] == [[0], [1]]

    def test_a_benchmark_tells_the_true_accuracy(self, stocked: Database, api: Api, new_run):
        run_id = searched(stocked, new_run(benchmark="mini-truth"))
        api.post(path(run_id), json={"architectures": [CONV], "seeds": [0]})
        assert api.get(path(run_id)).json()["architectures"][0]["true_accuracy"] == 90.0

    def test_curves_are_listed_by_training_and_epoch(
        self, api: Api, stocked: Database, ended: int
    ):
        api.post(path(ended), json={"architectures": [CONV], "seeds": [0, 1]})
        with stocked.unit_of_work() as session:
            for row in session.scalars(select(RetrainingRow)):
                for epoch in (2, 1):
                    session.add(
                        RetrainingEpochRow(
                            unit_id=row.unit_id,
                            run_id=ended,
                            epoch=epoch,
                            loss=1 / epoch,
                            learning_rate=0.1,
                            accuracy=10.0 * epoch,
                        )
                    )
        listed = f"/api/v1/runs/{ended}/retraining-epochs"
        first = api.get(listed, params={"limit": 3}).json()
        assert [(one["number"], one["epoch"]) for one in first["items"]] == [
            (0, 1),
            (0, 2),
            (1, 1),
        ]
        rest = api.get(listed, params={"cursor": first["next_cursor"]}).json()
        assert rest["items"] == [
            {"number": 1, "epoch": 2, "loss": 0.5, "learning_rate": 0.1, "accuracy": 20.0}
        ]

    def test_a_deleted_run_takes_its_retrainings_along(
        self, api: Api, stocked: Database, ended: int
    ):
        api.post(path(ended), json={"architectures": [CONV], "seeds": [0]})
        api.post(f"/api/v1/runs/{ended}/cancel")
        assert api.delete(f"/api/v1/runs/{ended}").status_code == 204
        with stocked.reading() as session:
            assert session.scalars(select(RetrainingRow)).all() == []


class TestPlan:
    def test_winners_are_planned_once(self, stocked: Database, new_run):
        run_id = searched(stocked, new_run(retrain={"top": 2, "seeds": [4]}))
        for expected in (2, 0):
            with stocked.unit_of_work() as session:
                assert retraining.plan_winners(session, session.get_one(Run, run_id)) == expected
        with stocked.reading() as session:
            found = retraining.retrainings(session, run_id)
        assert [(one.architecture, one.seed) for one in found] == [(CONV, 4), (POOL, 4)]

    def test_a_run_stores_the_recipe_it_was_given_by_its_dataset(self, api: Api, new_run):
        spec = api.get(f"/api/v1/runs/{new_run(retrain={'top': 1})}").json()["spec"]
        assert spec["retrain"]["recipe"]["kind"] == "digits"
        assert spec["retrain"]["recipe"]["epochs"] > 0
        assert spec["retrain"]["seeds"] == [0, 1, 2]

    def test_a_request_begins_with_what_the_run_says(self, stocked: Database, new_run):
        run_id = searched(
            stocked, new_run(retrain={"top": 1, "seeds": [9], "recipe": SMALL, "width": 5})
        )
        with stocked.unit_of_work() as session:
            asked = RetrainRequest(architectures=[SKIP], width=6)
            (one,) = retraining.request(session, run_id, asked)
        assert (one.seed, one.recipe.epochs, one.width) == (9, 4, 6)

    def test_a_run_without_a_search_has_no_winners_to_retrain(self, api: Api, spec):
        body = {**spec, "search": None, "retrain": {"top": 1}}
        assert fields_of(api.post("/api/v1/runs", json=body)) == ["retrain"]

    def test_a_recipe_that_the_images_do_not_allow_is_refused(self, api: Api, spec):
        recipe = {"kind": "cifar10", "augmentation": {"shift_pixels": 9}}
        body = {**spec, "retrain": {"recipe": recipe}}
        assert fields_of(api.post("/api/v1/runs", json=body)) == [
            "retrain.recipe.augmentation.shift_pixels"
        ]

    def test_a_clone_keeps_the_stored_recipe(self, stocked: Database, new_run):
        run_id = new_run(retrain={"top": 1, "recipe": SMALL})
        with stocked.unit_of_work() as session:
            copy = service.clone(session, run_id)
        assert copy.spec.retrain.recipe.epochs == 4
