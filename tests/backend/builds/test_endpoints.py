"""Builds over REST: what is accepted, what is refused with its field, and who may use a name."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from backend.builds import service
from backend.db import Database
from backend.errors import Unprocessable
from backend.models import Build, BuildTraining, Dataset, Unit
from nas.benchmarks.build import BuildSpec
from tests.backend.api import Api, fields_of, problem_of
from tests.backend.conftest import CONV, DEAD

BUILDS = "/api/v1/benchmark-builds"


def body(**changes) -> dict:
    given = {
        "name": "mine",
        "space": "digits-mini",
        "dataset": "digits",
        "recipe": {"epochs": 2},
        "sample": 6,
    }
    return {key: value for key, value in (given | changes).items() if value is not ...}


def stored_builds(db: Database) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count(Build.id))) or 0


def test_a_build_is_queued_listed_shown_stopped_and_removed(api: Api, stocked: Database):
    made = api.post(BUILDS, json=body())
    assert made.status_code == 201
    build = made.json()
    assert (build["state"], build["benchmark"], build["num_trained"]) == ("queued", None, 0)
    assert (build["num_architectures"], build["num_trainings"]) == (6, 2 * build["num_networks"])
    assert build["allowed_actions"] == ["cancel"]
    assert "No worker slot has reported" in build["waiting_reason"]
    assert build["spec"]["recipe"]["learning_rate"] == 0.1
    path = f"{BUILDS}/{build['id']}"
    assert api.get(path).json() == api.get(BUILDS).json()["items"][0] == build
    units = api.get(f"{path}/units").json()["items"]
    assert {unit["kind"] for unit in units[:-1]} == {"stand-alone"}
    assert [unit["state"] for unit in units] == ["ready"] * (len(units) - 1) + ["waiting"]
    assert units[-1]["depends_on"] == [unit["key"] for unit in units[:-1]]
    assert api.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert api.post(f"{path}/cancel").status_code == 409
    assert "clone" not in problem_of(api.post(f"{path}/pause"), 409)["allowed_actions"]
    assert api.post(f"{path}/retry").json()["state"] == "queued"
    assert problem_of(api.delete(path), 409)["state"] == "queued"
    api.post(f"{path}/cancel")
    log = [event["message"] for event in api.get(f"{path}/log").json()["items"]]
    assert log[0] == f"Build {build['id']} queued."
    assert "Retry requested." in log
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_builds_and_runs_are_no_more_than_neighbours(api: Api, spec: dict):
    run_id = api.post("/api/v1/runs", json=spec).json()["id"]
    build_id = api.post(BUILDS, json=body()).json()["id"]
    assert build_id != run_id
    assert [run["id"] for run in api.get("/api/v1/runs").json()["items"]] == [run_id]
    assert [build["id"] for build in api.get(BUILDS).json()["items"]] == [build_id]
    assert api.get(f"/api/v1/runs/{build_id}").status_code == 404
    assert api.post(f"/api/v1/runs/{build_id}/cancel").status_code == 404
    assert api.get(f"{BUILDS}/{run_id}").status_code == 404
    assert api.post(f"{BUILDS}/{run_id}/cancel").status_code == 404
    inheriting = spec | {"training": {"steps": 100, "inherit_from": build_id}}
    refused = api.post("/api/v1/runs", json=inheriting)
    assert f"there is no run {build_id}" in problem_of(refused, 422)["detail"]


def test_finished_trainings_are_listed(api: Api, stocked: Database):
    build_id = api.post(BUILDS, json=body()).json()["id"]
    with stocked.unit_of_work() as session:
        for seed, accuracy in ((0, 50.0), (1, None)):
            training = {"architecture": CONV, "seed": seed, "accuracy": accuracy}
            session.add(BuildTraining(run_id=build_id, **training, seconds=1.5, device="cpu"))
    listed = api.get(f"{BUILDS}/{build_id}/trainings").json()["items"]
    assert [(one["seed"], one["accuracy"]) for one in listed] == [(0, 50.0), (1, None)]
    build = api.get(f"{BUILDS}/{build_id}").json()
    assert (build["num_trained"], build["num_diverged"]) == (2, 1)


def test_what_is_sent_twice_under_one_key_is_built_once(api: Api, stocked: Database):
    headers = {"Idempotency-Key": "once"}
    first = api.post(BUILDS, json=body(), headers=headers)
    again = api.post(BUILDS, json=body(), headers=headers)
    assert first.json() == again.json()
    assert stored_builds(stocked) == 1
    assert fields_of(api.post(BUILDS, json=body(sample=5), headers=headers)) == ["Idempotency-Key"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"space": "nowhere"}, "space", "known: "),
        ({"dataset": "nowhere"}, "dataset", "known: digits"),
        ({"dataset": "mini-truth"}, "dataset", "there is no dataset 'mini-truth'"),
        ({"space": "mobilenet-proxyless"}, "dataset", "it needs 17x17 or more"),
        ({"sample": 117}, "sample", "116 valid ones: take at most as many"),
        ({"sample": 0}, "sample", "greater than or equal to 1"),
        (
            {"space": "darts-cell", "dataset": "large", "sample": None},
            "sample",
            "a benchmark can hold 100,000: set sample",
        ),
        ({"name": "mini-truth"}, "name", "taken by mini-truth@1: choose another one"),
        ({"name": "No Name"}, "name", "pattern"),
        ({"seeds": []}, "seeds", "at least 1"),
        ({"seeds": [3, 3]}, "seeds", "each seed may be named once, got [3, 3]"),
        ({"seeds": [0, -1]}, "seeds.1", "greater than or equal to 0"),
        ({"recipe": ...}, "recipe", "required"),
        ({"recipe": {}}, "recipe.epochs", "required"),
        ({"recipe": {"epochs": 1, "learning_rate": 0}}, "recipe.learning_rate", "greater than 0"),
        (
            {"recipe": {"epochs": 1, "augmentation": {"shift_pixels": 8}}},
            "recipe.augmentation.shift_pixels",
            "largest feasible value is 7",
        ),
        ({"architectures": [CONV]}, "sample", "leave one of the two out"),
        ({"sample": None, "architectures": [CONV, CONV]}, "architectures", "is twice"),
        ({"sample": None, "architectures": [CONV, "|x|"]}, "architectures.1", "|x|"),
        ({"sample": None, "architectures": [DEAD]}, "architectures.0", "is dead"),
        ({"sample": None, "architectures": []}, "architectures", "at least 1"),
        ({"width": 0}, "width", "greater than or equal to 1"),
        ({"seed": 1}, "seed", "not permitted"),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_field_and_the_remedy(
    api: Api, stocked: Database, changes: dict, field: str, said: str
):
    if changes.get("dataset") == "large":
        add_dataset(stocked, name="large", height=32, width=32)
    response = api.post(BUILDS, json=body(**changes))
    assert fields_of(response) == [field]
    assert said in problem_of(response, 422)["errors"][0]["message"]
    assert stored_builds(stocked) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("split", "said"), [("num_test", "no test images"), ("num_train", "training images")]
)
def test_a_dataset_without_images_to_train_or_to_measure_on_is_refused(
    api: Api, stocked: Database, split: str, said: str
):
    with stocked.unit_of_work() as session:
        session.execute(update(Dataset).values({split: 0}))
    response = api.post(BUILDS, json=body())
    assert fields_of(response) == ["dataset"]
    assert said in response.json()["detail"]


def test_a_chain_has_no_cells_to_set_in_a_row(api: Api, stocked: Database):
    add_dataset(stocked, name="large", height=32, width=32)
    changes = {"space": "mobilenet-proxyless", "dataset": "large", "cells_per_stage": 2}
    assert fields_of(api.post(BUILDS, json=body(**changes))) == ["cells_per_stage"]


def test_a_name_belongs_to_the_build_that_will_have_it_until_that_ends(api: Api):
    first = api.post(BUILDS, json=body()).json()["id"]
    refused = api.post(BUILDS, json=body())
    assert fields_of(refused) == ["name"]
    assert f"what build {first} will be called" in refused.json()["detail"]
    api.post(f"{BUILDS}/{first}/cancel")
    assert api.post(BUILDS, json=body()).status_code == 201


def test_of_two_that_want_a_name_at_once_one_is_refused(stocked: Database):
    spec = BuildSpec.model_validate(body())
    both = threading.Barrier(2)

    def build() -> str:
        both.wait()
        try:
            with stocked.unit_of_work() as session:
                service.create_build(session, spec)
        except Unprocessable as error:
            return error.field
        return "made"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(future.result() for future in [pool.submit(build) for _ in range(2)])
    assert outcomes == ["made", "name"]
    assert stored_builds(stocked) == 1


def test_many_trainings_are_shared_out_in_no_more_than_two_hundred_units(stocked: Database):
    spec = BuildSpec.model_validate(body(sample=None, seeds=list(range(10))))
    with stocked.unit_of_work() as session:
        build = service.create_build(session, spec)
        totals = list(
            session.scalars(
                select(Unit.total)
                .where(Unit.run_id == build.id, Unit.kind == "stand-alone")
                .order_by(Unit.id)
            )
        )
    # 84 networks for the 116 valid cells.
    assert (build.num_architectures, build.num_networks, build.num_trainings) == (116, 84, 840)
    assert totals == [5] * 168


def add_dataset(db: Database, **changes) -> None:
    with db.unit_of_work() as session:
        row = session.scalars(select(Dataset)).one()
        kept = {
            column.name: getattr(row, column.name)
            for column in Dataset.__table__.columns
            if column.name not in ("id", "created_at")
        }
        session.add(Dataset(**{**kept, **changes}))
