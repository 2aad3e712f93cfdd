from sqlalchemy import select

from backend.db import Database
from backend.models import Artifact, EventRow, Run, Unit
from backend.runs.states import lock_run, move_run
from tests.backend.api import Api, fields_of, problem_of


class TestCreateRun:
    def test_a_run_is_queued_with_its_partition_unit(self, api: Api, spec: dict):
        response = api.post("/api/v1/runs", json=spec)
        assert response.status_code == 201
        run = response.json()
        assert (run["state"], run["progress"]) == ("queued", 0.0)
        assert (run["space"], run["dataset"], run["benchmark"]) == (
            "digits-mini@1",
            "digits@1",
            "mini-truth@1",
        )
        assert run["noise_ceiling"] == 0.8
        assert run["allowed_actions"] == ["cancel", "clone", "retrain"]
        assert run["waiting_reason"].startswith("No worker slot")
        units = api.get(f"/api/v1/runs/{run['id']}/units").json()["items"]
        assert [(unit["key"], unit["state"]) for unit in units] == [("partition", "ready")]

    def test_a_run_with_weight_banks_tells_its_sub_spaces_not_its_banks(
        self, api: Api, spec: dict
    ):
        # Of 5 cells, counts 1 and 2 leave the first of two banks at another one.
        banked = spec | {
            "supernet": {"routing": "accumulated", "cells_per_stage": 5},
            "splitter": {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [4]},
        }
        run = api.post("/api/v1/runs", json=banked).json()
        assert run["num_subspaces"] == 3
        assert api.get("/api/v1/runs").json()["items"][0]["num_subspaces"] == 3

    def test_the_stored_spec_holds_its_defaults(self, api: Api, spec: dict):
        run = api.post("/api/v1/runs", json=spec).json()
        assert run["spec"]["training"]["learning_rate"] == 0.1
        assert run["spec"]["splitter"] == {
            "kind": "nonlinearity",
            "num_subspaces": 3,
            "count": "effective",
            "thresholds": None,
            "sets": None,
        }


class TestListRuns:
    def test_pages_join_to_the_whole_list_newest_first(self, api: Api, new_run):
        made = [new_run() for _ in range(5)]
        found, cursor = [], None
        while True:
            parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = api.get("/api/v1/runs", params=parameters).json()
            found += [run["id"] for run in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == made[::-1]

    def test_runs_can_be_filtered_by_state(self, api: Api, new_run):
        kept, cancelled = new_run(), new_run()
        api.post(f"/api/v1/runs/{cancelled}/cancel")
        items = api.get("/api/v1/runs", params={"state": "queued"}).json()["items"]
        assert [run["id"] for run in items] == [kept]

    def test_an_unknown_state_is_refused(self, api: Api):
        assert fields_of(api.get("/api/v1/runs", params={"state": "sleeping"})) == ["state"]

    def test_an_invented_cursor_is_refused(self, api: Api):
        assert fields_of(api.get("/api/v1/runs", params={"cursor": "zzz"})) == ["cursor"]


class TestUpdateRun:
    def test_name_note_and_archive_can_change(self, api: Api, new_run):
        run_id = new_run()
        changes = {"name": "renamed", "note": "a note", "archived": True}
        run = api.patch(f"/api/v1/runs/{run_id}", json=changes).json()
        assert {key: run[key] for key in changes} == changes
        assert run["spec"]["name"] == "first"
        assert api.get("/api/v1/runs").json()["items"] == []
        archived = api.get("/api/v1/runs", params={"archived": True}).json()["items"]
        assert [run["id"] for run in archived] == [run_id]

    def test_nothing_else_can_change(self, api: Api, new_run):
        response = api.patch(f"/api/v1/runs/{new_run()}", json={"state": "succeeded"})
        assert fields_of(response) == ["state"]


class TestActions:
    def test_a_cancelled_run_can_be_retried(self, api: Api, new_run):
        run_id = new_run()
        cancelled = api.post(f"/api/v1/runs/{run_id}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
        assert cancelled.json()["allowed_actions"] == ["clone", "delete", "retry"]
        retried = api.post(f"/api/v1/runs/{run_id}/retry")
        assert (retried.status_code, retried.json()["state"]) == (202, "queued")

    def test_a_conflict_names_the_state_and_the_allowed_actions(self, api: Api, new_run):
        problem = problem_of(api.post(f"/api/v1/runs/{new_run()}/resume"), 409)
        assert problem["state"] == "queued"
        assert problem["allowed_actions"] == ["cancel", "clone", "retrain"]

    def test_an_unknown_run_is_not_found(self, api: Api):
        for action in ("cancel", "pause", "resume", "retry", "clone"):
            problem_of(api.post(f"/api/v1/runs/4711/{action}"), 404)

    def test_a_clone_differs_where_the_body_says_so(self, api: Api, new_run):
        original = new_run()
        response = api.post(
            f"/api/v1/runs/{original}/clone", json={"seed": 7, "training": {"steps": 50}}
        )
        assert response.status_code == 201
        run = response.json()
        assert run["cloned_from"] == original
        assert (run["spec"]["seed"], run["spec"]["training"]["steps"]) == (7, 50)
        assert run["spec"]["training"]["batch_size"] == 64

    def test_a_clone_is_checked_like_any_spec(self, api: Api, new_run):
        response = api.post(f"/api/v1/runs/{new_run()}/clone", json={"training": {"steps": 0}})
        assert fields_of(response) == ["training.steps"]

    def test_null_in_a_clone_brings_back_the_default(self, api: Api, new_run):
        run_id = new_run()
        api.patch(f"/api/v1/runs/{run_id}", json={"note": "x"})
        run = api.post(f"/api/v1/runs/{run_id}/clone", json={"benchmark": None}).json()
        assert run["benchmark"] is None


class TestDeleteRun:
    def test_an_active_run_cannot_be_deleted(self, api: Api, new_run):
        problem_of(api.delete(f"/api/v1/runs/{new_run()}"), 409)

    def test_a_deleted_run_leaves_no_row_and_no_file(
        self, api: Api, new_run, stocked: Database, plain_settings
    ):
        run_id = new_run()
        file = plain_settings.artifact_folder / "runs" / "checkpoint"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"weights")
        with stocked.unit_of_work() as session:
            unit = session.scalars(select(Unit)).one()
            for path in ("runs/checkpoint", "runs/gone-already"):
                session.add(
                    Artifact(
                        run_id=run_id,
                        unit_id=unit.id,
                        kind="checkpoint",
                        attempt=1,
                        step=1,
                        path=path,
                        sha256="0" * 64,
                        num_bytes=7,
                    )
                )
        api.post(f"/api/v1/runs/{run_id}/cancel")
        assert api.delete(f"/api/v1/runs/{run_id}").status_code == 204
        assert not file.exists()
        problem_of(api.get(f"/api/v1/runs/{run_id}"), 404)
        with stocked.reading() as session:
            for table in (Run, Unit, EventRow, Artifact):
                assert session.scalars(select(table)).all() == []

    def test_a_number_is_never_given_twice(self, api: Api, new_run):
        run_id = new_run()
        api.post(f"/api/v1/runs/{run_id}/cancel")
        api.delete(f"/api/v1/runs/{run_id}")
        assert new_run() > run_id

    def test_a_clone_outlives_its_original(self, api: Api, new_run):
        original = new_run()
        clone = api.post(f"/api/v1/runs/{original}/clone").json()["id"]
        api.post(f"/api/v1/runs/{original}/cancel")
        assert api.delete(f"/api/v1/runs/{original}").status_code == 204
        assert api.get(f"/api/v1/runs/{clone}").json()["cloned_from"] is None


def test_the_schema_of_a_spec_names_every_splitter_and_searcher(api: Api):
    schema = api.get("/api/v1/run-spec/schema").json()
    assert schema["required"] == ["name", "space", "dataset", "training"]
    assert {"NonlinearitySplitter", "EvolutionSearcher", "RandomSearcher"} <= set(schema["$defs"])


def test_the_log_tells_the_transitions(api: Api, new_run, stocked: Database):
    run_id = new_run()
    with stocked.unit_of_work() as session:
        move_run(session, lock_run(session, run_id), "running", "A slot took it.")
    lines = api.get(f"/api/v1/runs/{run_id}/log").json()["items"]
    assert [line["message"] for line in lines] == ["Run queued.", "A slot took it."]
    rest = api.get(f"/api/v1/runs/{run_id}/log", params={"after": lines[0]["id"]}).json()
    assert rest["items"] == lines[1:]
