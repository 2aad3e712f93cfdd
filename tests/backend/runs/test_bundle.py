"""All that is stored about a run as one archive."""

import csv
import io
import json
import zipfile
from datetime import datetime, timedelta

import pytest
from pyarrow import parquet
from sqlalchemy import select

from backend.db import Database
from backend.models import EventRow, Metric, Score, Unit
from backend.runs import bundle
from tests.backend.api import Api, problem_of
from tests.backend.conftest import CONV


@pytest.fixture
def run_id(stocked: Database, new_run) -> int:
    """A run with some scores, one that is not finite in its text, and a curve of several pages."""
    run_id = new_run()
    with stocked.unit_of_work() as session:
        unit = session.scalars(select(Unit).where(Unit.run_id == run_id)).one()
        for step in range(1, 2 * bundle.ROWS_AT_ONCE + 2):
            point = Metric(
                unit_id=unit.id, run_id=run_id, series="loss", step=step, value=step / 8
            )
            session.add(point)
        score = Score(
            run_id=run_id,
            stage="final",
            step=9,
            scorer="loss",
            architecture=CONV,
            subspace=0,
            score=-0.1,
        )
        session.add(score)
    return run_id


def opened(api: Api, run_id: int, form: str) -> zipfile.ZipFile:
    answer = api.get(f"/api/v1/runs/{run_id}/bundle", params={"format": form})
    assert answer.status_code == 200, answer.text
    named = f'attachment; filename="run-{run_id}-{form}.zip"'
    assert answer.headers["content-disposition"] == named
    assert int(answer.headers["content-length"]) == len(answer.content)
    return zipfile.ZipFile(io.BytesIO(answer.content))


def test_every_table_is_there_in_every_form_and_says_the_same(api: Api, run_id: int):
    as_json, as_csv, as_parquet = (
        opened(api, run_id, form) for form in ("json", "csv", "parquet")
    )
    for name in bundle.TABLES:
        rows = json.loads(as_json.read(f"{name}.json"))
        lines = list(csv.DictReader(io.TextIOWrapper(as_csv.open(f"{name}.csv"), "utf-8")))
        table = parquet.read_table(io.BytesIO(as_parquet.read(f"{name}.parquet")))
        assert len(rows) == len(lines) == table.num_rows
        for row, line, typed in zip(rows, lines, table.to_pylist(), strict=True):
            assert list(row) == list(line) == list(typed)
            for key, value in row.items():
                if value is None:
                    assert (line[key], typed[key]) == ("", None)
                elif isinstance(value, list | dict):
                    assert json.loads(line[key]) == json.loads(typed[key]) == value
                elif isinstance(typed[key], datetime):
                    assert datetime.fromisoformat(line[key]) == typed[key]
                    assert typed[key].utcoffset() == timedelta(0)
                else:
                    assert line[key] == str(value)
                    assert typed[key] == value
    metrics = json.loads(as_json.read("metrics.json"))
    assert [row["step"] for row in metrics] == list(range(1, 2 * bundle.ROWS_AT_ONCE + 2))
    assert len(json.loads(as_json.read("scores.json"))) == 1
    assert len(json.loads(as_json.read("units.json"))) == 1
    assert json.loads(as_json.read("candidates.json")) == []


def test_the_run_with_its_whole_spec_stands_beside_the_tables(api: Api, run_id: int):
    archive = opened(api, run_id, "csv")
    assert json.loads(archive.read("run.json")) == api.get(f"/api/v1/runs/{run_id}").json()
    about = archive.read("README.txt").decode()
    assert f"Run {run_id}, 'first': queued." in about
    assert set(archive.namelist()) == {
        "run.json",
        "README.txt",
        *(f"{name}.csv" for name in bundle.TABLES),
    }


def test_a_missing_run_and_an_unknown_form_are_refused(api: Api, run_id: int):
    assert "99999" in problem_of(api.get("/api/v1/runs/99999/bundle"), 404)["detail"]
    refused = api.get(f"/api/v1/runs/{run_id}/bundle", params={"format": "xlsx"})
    assert "parquet" in problem_of(refused, 422)["detail"] + refused.text


def test_nothing_is_left_behind(api: Api, run_id: int, plain_settings):
    opened(api, run_id, "parquet")
    assert list(plain_settings.artifact_folder.iterdir()) == []


def test_the_log_has_what_is_meant_for_people(api: Api, stocked: Database, run_id: int):
    rows = json.loads(opened(api, run_id, "json").read("log.json"))
    with stocked.reading() as session:
        every = session.scalars(select(EventRow).where(EventRow.run_id == run_id)).all()
    assert [row["id"] for row in rows] == [
        event.id for event in every if event.kind in ("log", "run-state", "unit-state", "edit")
    ]
    assert rows
