from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.db import Database
from backend.models import Benchmark, BenchmarkEntry
from tests.backend.api import Api, fields_of, problem_of
from tests.backend.conftest import CONV, DEAD, SKIP

BENCHMARKS = "/api/v1/benchmarks"


def _upload(api: Api, *rows: str, name: str = "mine", space: str = "digits-mini", **options):
    table = "\n".join(["architecture,accuracy", *rows, ""])
    files = {"file": ("table.csv", table.encode())}
    return api.post(BENCHMARKS, data={"name": name, "space": space}, files=files, **options)


def _stored(db: Database) -> tuple[int, int]:
    with db.reading() as session:
        return (
            session.scalar(select(func.count(Benchmark.id))),
            session.scalar(select(func.count(BenchmarkEntry.architecture))),
        )


def test_a_table_is_imported_with_an_unknown_noise_ceiling(api: Api):
    response = _upload(api, f"{CONV},91.5", f"{DEAD},10", f"{SKIP},55")
    assert response.status_code == 201
    made = response.json()
    assert (made["space"], made["num_entries"], made["num_valid"]) == ("digits-mini@1", 3, 2)
    assert (made["num_seeds"], made["noise_ceiling"]) == (None, None)
    page = api.get(f"{BENCHMARKS}/mine/entries", params={"limit": 2}).json()
    rest = api.get(
        f"{BENCHMARKS}/mine/entries", params={"limit": 2, "cursor": page["next_cursor"]}
    ).json()
    assert rest["next_cursor"] is None
    assert {row["architecture"]: row["accuracy"] for row in page["items"] + rest["items"]} == {
        CONV: 91.5,
        DEAD: 10.0,
        SKIP: 55.0,
    }


def test_the_same_content_stays_and_other_content_becomes_the_next_version(api: Api):
    assert _upload(api, f"{CONV},91.5").json()["version"] == 1
    again = _upload(api, f"{CONV},91.5")
    assert (again.status_code, again.json()["version"]) == (200, 1)
    other = _upload(api, f"{CONV},92")
    assert (other.status_code, other.json()["version"]) == (201, 2)
    first = api.get(f"{BENCHMARKS}/mine@1/entries").json()["items"]
    assert [row["accuracy"] for row in first] == [91.5]


class TestBadTables:
    @pytest.fixture
    def database_url(self, sqlite_url: str) -> str:
        return sqlite_url

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([f"{CONV},90", "|magic~0|+|magic~0|magic~1|,5"], "line 3"),
            ([f"{CONV},90", f"{SKIP},50", f"{CONV},90"], "line 4"),
            ([f"{CONV},nan"], "line 2"),
            ([f"{CONV},inf"], "line 2"),
            ([f"{CONV},ninety"], "line 2"),
            ([f"{CONV}"], "line 2"),
            ([], "no architecture"),
        ],
    )
    def test_a_bad_line_is_named_and_nothing_is_stored(
        self, rows: list[str], said: str, api: Api, stocked: Database
    ):
        before = _stored(stocked)
        response = _upload(api, *rows)
        assert fields_of(response) == ["file"]
        assert said in response.json()["detail"]
        assert _stored(stocked) == before

    def test_a_table_that_is_no_text_is_refused(self, api: Api):
        data = {"name": "mine", "space": "digits-mini"}
        response = api.post(BENCHMARKS, data=data, files={"file": ("t.csv", b"\xff\xfe\x00")})
        assert fields_of(response) == ["file"]

    def test_an_unknown_space_and_a_bad_name_are_named(self, api: Api):
        assert fields_of(_upload(api, f"{CONV},1", space="nowhere")) == ["space"]
        assert fields_of(_upload(api, f"{CONV},1", name="No Good")) == ["name"]

    def test_an_unknown_benchmark_is_not_found(self, api: Api):
        problem_of(api.get(f"{BENCHMARKS}/nowhere"), 404)
        problem_of(api.get(f"{BENCHMARKS}/mini-truth@2/entries"), 404)

    def test_a_key_is_bound_to_the_tables_content(self, api: Api):
        headers = {"Idempotency-Key": "a-key"}
        first = _upload(api, f"{CONV},1", headers=headers)
        again = _upload(api, f"{CONV},1", headers=headers)
        assert (again.status_code, again.json()) == (201, first.json())
        response = _upload(api, f"{CONV},2", headers=headers)
        assert fields_of(response) == ["Idempotency-Key"]


@pytest.mark.data
def test_the_nas_bench_201_table_is_imported_whole(api: Api, shared_data: Path):
    table = (shared_data / "nas-bench-201-cifar10-test.csv").read_bytes()
    data = {"name": "nas-bench-201-cifar10", "space": "nas-bench-201"}
    made = api.post(BENCHMARKS, data=data, files={"file": ("t.csv", table)}).json()
    assert (made["num_entries"], made["num_valid"]) == (15_625, 15_284)
