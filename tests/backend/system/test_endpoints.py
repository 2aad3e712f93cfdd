import tomllib
from pathlib import Path

from sqlalchemy import select

from backend import migrate
from backend.app import create_app
from backend.db import Database, db_now
from backend.models import Unit, WorkerSlot
from backend.settings import Settings
from tests.backend.api import Api


def test_the_process_is_healthy(api: Api):
    assert api.get("/healthz").json() == {"status": "ok"}


def test_a_migrated_database_without_redis_is_ready(api: Api):
    response = api.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "database": True,
        "schema_current": True,
        "redis": None,
        "storage": "writable",
    }


def test_a_silent_redis_is_not_ready(stocked: Database, plain_settings: Settings):
    settings = plain_settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    response = Api(create_app(settings, stocked)).get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "database": True,
        "schema_current": True,
        "redis": False,
        "storage": "writable",
    }


def test_a_database_without_tables_is_not_ready(tmp_path: Path):
    settings = Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    db = Database(settings.database)
    response = Api(create_app(settings, db)).get("/readyz")
    assert response.status_code == 503
    assert response.json()["schema_current"] is False
    db.close()


def test_the_version_is_the_projects(api: Api):
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    found = api.get("/api/v1/version").json()
    assert found["version"] == project["version"]
    assert found["schema_revision"] == migrate.head()


def test_workers_are_listed_with_what_they_execute(api: Api, stocked: Database, new_run):
    run_id = new_run()
    with stocked.unit_of_work() as session:
        unit = session.scalars(select(Unit)).one()
        common = {"hostname": "here", "pid": 1, "device": "cpu"}
        session.add_all(
            [
                WorkerSlot(name="a", unit_id=unit.id, **common),
                WorkerSlot(name="b", **common),
                WorkerSlot(name="c", seen_at=db_now(-60), **common),
            ]
        )
    items = api.get("/api/v1/workers").json()["items"]
    assert [(row["name"], row["state"], row["run_id"], row["unit"]) for row in items] == [
        ("a", "busy", run_id, "partition"),
        ("b", "idle", None, None),
        ("c", "silent", None, None),
    ]
    text = api.get("/metrics").text
    assert 'efsnas_worker_slots{state="busy"} 1.0' in text
    assert 'efsnas_worker_slots{state="idle"} 1.0' in text
    assert 'efsnas_worker_slots{state="silent"} 1.0' in text


def test_metrics_count_runs_units_and_requests(fresh_api: Api, new_run):
    run_id = new_run()
    new_run()
    fresh_api.post(f"/api/v1/runs/{run_id}/cancel")
    text = fresh_api.get("/metrics").text
    assert 'efsnas_runs{state="queued"} 1.0' in text
    assert 'efsnas_runs{state="cancelled"} 1.0' in text
    assert 'efsnas_units{state="ready"} 1.0' in text
    assert 'efsnas_request_seconds_count{method="POST",status="202"} 1.0' in text
    age = text.split("\nefsnas_oldest_queued_run_age_seconds ")[1].split()[0]
    assert 0 <= float(age) < 60
