"""Which runs may be inherited from, and that they stay while they are needed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.db import Database
from backend.models import Artifact, Dataset, Run, Unit
from backend.runs import service
from backend.settings import Settings
from nas.spec import RunSpec
from tests.backend.api import Api, fields_of, problem_of

COUNTS = {"kind": "nonlinearity", "num_subspaces": 2}


@pytest.fixture
def files(plain_settings: Settings) -> Path:
    return plain_settings.artifact_folder


@pytest.fixture
def source(stocked: Database, spec: dict, files: Path) -> Callable[..., int]:
    """A run of one supernet (or of the given spec), with the checkpoints of its train units."""

    def create(state: str = "succeeded", **changes) -> int:
        document = spec | {"splitter": {"kind": "none"}} | changes
        with stocked.unit_of_work() as session:
            made = RunSpec.model_validate(document)
            run_id = service.create_run(session, made).id
            run = session.get_one(Run, run_id)
            run.state = state
            for index in range(made.subspace_count(run.space.definition)):
                unit = Unit(run_id=run_id, key=f"train-{index}", kind="train", subspace=index)
                session.add(unit)
                session.flush()
                path = f"runs/{run_id}/train-{index}/attempt-0001-00001.ckpt"
                (files / path).parent.mkdir(parents=True)
                (files / path).write_bytes(b"weights")
                session.add(
                    Artifact(
                        run_id=run_id,
                        unit_id=unit.id,
                        kind="checkpoint",
                        attempt=1,
                        step=100,
                        path=path,
                        sha256="0" * 64,
                        num_bytes=7,
                    )
                )
        return run_id

    return create


def inheriting(spec: dict, run_id: int, **changes) -> dict:
    return spec | {"training": {"steps": 100, "inherit_from": run_id}} | changes


def refusal(api: Api, document: dict) -> str:
    response = api.post("/api/v1/runs", json=document)
    assert fields_of(response) == ["training.inherit_from"]
    return problem_of(response, 422)["detail"]


def test_a_run_remembers_from_which_one_it_inherits(
    api: Api, spec: dict, source, stocked: Database
):
    run_id = source()
    made = api.post("/api/v1/runs", json=inheriting(spec, run_id, splitter=COUNTS))
    assert made.status_code == 201
    assert made.json()["spec"]["training"]["inherit_from"] == run_id
    with stocked.reading() as session:
        assert session.get_one(Run, made.json()["id"]).inherits_from == run_id


@pytest.mark.parametrize("number", [1, 2**31, 2**63, 10**30])
def test_a_run_that_does_not_exist(api: Api, spec: dict, number: int):
    assert f"there is no run {number}" in refusal(api, inheriting(spec, number))


@pytest.mark.parametrize("number", [0, -1, "one", 1.5])
def test_what_is_no_number_of_a_run(api: Api, spec: dict, number):
    refusal(api, inheriting(spec, number))


@pytest.mark.parametrize("state", ["queued", "running", "paused", "failed", "cancelled"])
def test_a_run_that_has_not_succeeded(api: Api, spec: dict, source, state: str):
    assert f"it is {state}" in refusal(api, inheriting(spec, source(state)))


def test_a_narrower_run(api: Api, spec: dict, source):
    narrow = source(supernet={"width": 4})
    said = refusal(api, inheriting(spec, narrow, supernet={"width": 6}))
    assert f"run {narrow} cannot be inherited from: its supernet 0 of width 4 cannot fill" in said
    assert "make supernet.width at most 4" in said


def test_a_run_on_another_space(api: Api, spec: dict, source):
    other = source(space="nas-bench-201", benchmark=None)
    assert "nas-bench-201, not digits-mini" in refusal(api, inheriting(spec, other))


def test_a_run_on_images_of_other_classes(api: Api, spec: dict, source, stocked: Database):
    with stocked.unit_of_work() as session:
        session.add(
            Dataset(
                name="pairs",
                version=1,
                path="datasets/pairs.npz",
                sha256="1" * 64,
                num_bytes=1,
                channels=1,
                height=8,
                width=8,
                classes=["even", "odd"],
                num_train=1000,
                num_validation=397,
                num_test=400,
                split_seed=0,
            )
        )
    said = refusal(api, inheriting(spec, source(dataset="pairs")))
    assert "made for classes 2, and those of this run for 10" in said


def test_a_run_that_divides_the_space_otherwise(api: Api, spec: dict, source):
    run_id = source(splitter={"kind": "random", "num_subspaces": 2})
    said = refusal(api, inheriting(spec, run_id, splitter=COUNTS))
    assert "it has 2 supernets, one per sub-space, and had no warm-up" in said


def test_a_run_whose_checkpoint_is_gone(api: Api, spec: dict, source, files: Path):
    run_id = source()
    (files / f"runs/{run_id}/train-0/attempt-0001-00001.ckpt").unlink()
    assert "the checkpoint of its supernet 0 of width 8 is gone" in refusal(
        api, inheriting(spec, run_id)
    )


def test_nothing_is_queued_by_a_refused_run(api: Api, spec: dict):
    refusal(api, inheriting(spec, 1))
    assert api.get("/api/v1/runs").json()["items"] == []


def test_a_run_is_kept_while_unfinished_ones_inherit_from_it(api: Api, spec: dict, source):
    run_id = source()
    heirs = [
        api.post("/api/v1/runs", json=inheriting(spec, run_id)).json()["id"] for _ in range(2)
    ]
    problem = problem_of(api.delete(f"/api/v1/runs/{run_id}"), 409)
    assert f"the weights of runs {heirs[0]}, {heirs[1]} start from it" in problem["detail"]
    assert "delete" not in problem["allowed_actions"]
    api.post(f"/api/v1/runs/{heirs[0]}/cancel")
    problem = problem_of(api.delete(f"/api/v1/runs/{run_id}"), 409)
    assert f"the weights of run {heirs[1]} start from it" in problem["detail"]
    api.post(f"/api/v1/runs/{heirs[1]}/cancel")
    assert api.delete(f"/api/v1/runs/{run_id}").status_code == 204
    said = problem_of(api.post(f"/api/v1/runs/{heirs[0]}/clone"), 422)
    assert [error["field"] for error in said["errors"]] == ["training.inherit_from"]
