from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, update

from backend.db import Database, db_now
from backend.models import IdempotencyKey
from tests.backend.api import Api, fields_of


def _runs(api: Api) -> int:
    return len(api.get("/api/v1/runs").json()["items"])


def test_the_same_key_and_body_give_the_same_answer_and_one_run(api: Api, spec: dict):
    headers = {"Idempotency-Key": "a-key"}
    first = api.post("/api/v1/runs", json=spec, headers=headers)
    again = api.post("/api/v1/runs", json=spec, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert _runs(api) == 1


def test_the_same_key_with_another_body_is_refused(api: Api, spec: dict):
    headers = {"Idempotency-Key": "a-key"}
    api.post("/api/v1/runs", json=spec, headers=headers)
    response = api.post("/api/v1/runs", json=spec | {"seed": 1}, headers=headers)
    assert fields_of(response) == ["Idempotency-Key"]
    assert _runs(api) == 1


def test_without_a_key_every_request_counts(api: Api, spec: dict):
    api.post("/api/v1/runs", json=spec)
    api.post("/api/v1/runs", json=spec)
    assert _runs(api) == 2


def test_a_refused_request_does_not_use_its_key_up(api: Api, spec: dict):
    headers = {"Idempotency-Key": "a-key"}
    assert api.post("/api/v1/runs", json=spec | {"space": "x"}, headers=headers).status_code == 422
    assert api.post("/api/v1/runs", json=spec, headers=headers).status_code == 201


def test_requests_at_the_same_time_make_one_run(api: Api, spec: dict):
    headers = {"Idempotency-Key": "a-key"}
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(api.post, "/api/v1/runs", json=spec, headers=headers) for _ in range(4)
        ]
    assert {job.result().json()["id"] for job in jobs} == {1}
    assert _runs(api) == 1


def test_keys_are_forgotten_after_a_week(api: Api, spec: dict, stocked: Database):
    headers = {"Idempotency-Key": "a-key"}
    api.post("/api/v1/runs", json=spec, headers=headers)
    with stocked.unit_of_work() as session:
        session.execute(update(IdempotencyKey).values(created_at=db_now(-8 * 24 * 3600)))
    assert api.post("/api/v1/runs", json=spec | {"seed": 1}, headers=headers).status_code == 201
    with stocked.reading() as session:
        assert len(session.scalars(select(IdempotencyKey)).all()) == 1
