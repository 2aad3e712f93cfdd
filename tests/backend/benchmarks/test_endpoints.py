import json
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.db import Database
from backend.models import Benchmark, BenchmarkEntry
from nas.spaces import catalogue
from tests.backend.api import Api, fields_of, problem_of
from tests.backend.conftest import CONV, DEAD, POOL, SKIP

BENCHMARKS = "/api/v1/benchmarks"
DIGITS = catalogue()["digits-mini"]


def _upload(api: Api, *rows: str, header: str = "accuracy", headers: dict | None = None, **fields):
    table = "\n".join([f"architecture,{header}", *rows, ""])
    files = {"file": ("table.csv", table.encode())}
    data = {"name": "mine", "space": "digits-mini", **fields}
    return api.post(BENCHMARKS, data=data, files=files, headers=headers)


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
    assert {row["architecture"]: row["value"] for row in page["items"] + rest["items"]} == {
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
    assert [row["value"] for row in first] == [91.5]


def test_several_columns_are_imported_with_their_seeds_and_units(api: Api):
    made = _upload(
        api,
        f"{CONV},90,92,40,,2",
        f"{POOL},60,58,20,30,1",
        f"{SKIP},50,40,,,",
        f"{DEAD},10,10,,,",
        header="a/accuracy/seed0,a/accuracy/seed1,b/accuracy,flops [M],a/latency [s]",
        truth="b/accuracy",
    ).json()
    columns = {column["name"]: column for column in made["columns"]}
    assert list(columns) == ["a/accuracy", "b/accuracy", "flops", "a/latency"]
    assert made["truth"] == "b/accuracy"
    # Both seeds order the three valid cells alike.
    assert (columns["a/accuracy"]["seeds"], columns["a/accuracy"]["noise_ceiling"]) == (
        [0, 1],
        1.0,
    )
    assert columns["a/accuracy"]["noise_architectures"] == 3
    assert (columns["b/accuracy"]["seeds"], columns["b/accuracy"]["noise_ceiling"]) == (None, None)
    known = {name: (column["num_known"], column["num_valid"]) for name, column in columns.items()}
    assert known == {
        "a/accuracy": (4, 3),
        "b/accuracy": (2, 2),
        "flops": (1, 1),
        "a/latency": (2, 2),
    }
    latency = columns["a/latency"]
    assert (latency["unit"], latency["lowest"], latency["highest"]) == ("ms", 1000.0, 2000.0)


def test_coverage_is_told_by_nonlinearity_count(api: Api):
    _upload(api, f"{CONV},90", f"{SKIP},50", f"{POOL},60", f"{DEAD},10")
    found = api.get(f"{BENCHMARKS}/mine").json()
    assert (found["space_all"], found["space_valid"]) == ("125", "116")
    (coverage,) = found["coverage"]
    # digits-mini by hand: without a convolution each of two edges of the path has three choices.
    histogram = api.get("/api/v1/search-spaces/digits-mini/histogram").json()["counts"]
    by_count = {str(part["count"]): part for part in coverage["by_count"]}
    assert {key: (part["all"], part["valid"]) for key, part in by_count.items()} == {
        key: (size["all"], size["valid"]) for key, size in histogram.items()
    }
    assert {key: (part["known"], part["known_valid"]) for key, part in by_count.items()} == {
        "0": (3, 2),
        "1": (0, 0),
        "2": (1, 1),
    }
    # Of 50 and 60: the quartiles lie a quarter of the way from one to the other.
    assert by_count["0"]["quantiles"] == [50.0, 52.5, 55.0, 57.5, 60.0]
    assert by_count["1"]["quantiles"] == []


# The edge 0 -> 1 leads nowhere, so both are the convolution alone.
TWINS = ("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|", "|none~0|+|nor_conv_3x3~0|nor_conv_1x1~1|")


@pytest.mark.parametrize(("accuracies", "disagreeing"), [((90, 91), 0), ((90, 91.5), 1)])
def test_the_same_network_under_two_strings_is_warned_of_if_it_disagrees(
    accuracies: tuple[float, float], disagreeing: int, api: Api
):
    rows = [f"{code},{value}" for code, value in zip(TWINS, accuracies, strict=True)]
    made = _upload(api, *rows, f"{SKIP},50").json()
    twins = made["coverage"][0]["twins"]
    assert (twins["groups"], twins["architectures"], twins["disagreeing"]) == (1, 2, disagreeing)
    assert twins["largest"] == accuracies[1] - accuracies[0]
    assert len(made["warnings"]) == len(twins["examples"]) == disagreeing
    if disagreeing:
        (example,) = twins["examples"]
        assert example == {
            "lower": TWINS[0],
            "lowest": 90.0,
            "higher": TWINS[1],
            "highest": 91.5,
        }
        assert TWINS[0] in made["warnings"][0]


def test_results_are_listed_the_best_first_page_by_page(api: Api):
    _upload(
        api,
        f"{CONV},90,4",
        f"{SKIP},50,1",
        f"{POOL},60,2",
        f"{DEAD},95,0",
        header="accuracy,flops",
    )

    def listed(**query) -> list[float]:
        values, cursor = [], None
        while True:
            asked = {"limit": 2, **query} | ({"cursor": cursor} if cursor else {})
            page = api.get(f"{BENCHMARKS}/mine/entries", params=asked).json()
            values += [row["value"] for row in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return values

    assert listed(order="best") == [95.0, 90.0, 60.0, 50.0]
    assert listed(order="best", valid=True) == [90.0, 60.0, 50.0]
    assert listed(order="best", column="flops") == [0.0, 1.0, 2.0, 4.0]
    assert listed(valid=False) == [95.0]


def test_the_order_of_rows_does_not_make_another_version(api: Api):
    assert _upload(api, f"{CONV},90", f"{SKIP},50").status_code == 201
    assert _upload(api, f"{SKIP},50", f"{CONV},90").status_code == 200
    # The same numbers as another measurement are another table.
    assert _upload(api, f"{SKIP},50", f"{CONV},90", dataset="d").json()["version"] == 2


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
@pytest.mark.parametrize("place", [lambda text: {text: 1}, lambda text: {"a": [{"b": text}]}])
def test_a_recipe_that_cannot_be_stored_is_refused(place, text: str, api: Api):
    document = {"recipe": place(text), "columns": [{"metric": "flops"}], "entries": {CONV: [1]}}
    data = {"name": "mine", "space": "digits-mini"}
    files = {"file": ("t.json", json.dumps(document).encode())}
    response = api.post(BENCHMARKS, data=data, files=files)
    assert fields_of(response) == ["file"]
    assert "recipe" in response.json()["detail"]


class TestBadTables:
    @pytest.fixture
    def database_url(self, sqlite_url: str) -> str:
        return sqlite_url

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([f"{CONV},90", "|magic~0|+|magic~0|magic~1|,5"], "line 3"),
            ([f"{CONV},90", f"{SKIP},50", f"{CONV},90"], "line 4: "),
            ([f"{CONV},90", f"{SKIP},0.5"], "line 3: "),
            ([f"{CONV},nan"], "line 2"),
            ([f"{CONV},inf"], "line 2"),
            ([f"{CONV},ninety"], "line 2"),
            ([f"{CONV}"], "line 2"),
            ([], "no result"),
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

    def test_a_repeated_architecture_is_refused_with_both_lines(self, api: Api):
        # Far enough apart that the rows in between were stored in several pieces.
        codes = [DIGITS.encode(member) for member in DIGITS.enumerate()]
        rows = [f"{code},50" for code in codes]
        detail = _upload(api, *rows, f"{codes[3]},50").json()["detail"]
        assert detail.endswith(
            "line 127: " + repr(codes[3]) + " is in the table already, at line 5"
        )

    def test_what_the_form_says_must_fit_the_file(self, api: Api):
        assert fields_of(_upload(api, f"{CONV},90", truth="b/accuracy")) == ["truth"]
        assert fields_of(_upload(api, f"{CONV},90", dataset="no/name")) == ["dataset"]
        assert fields_of(_upload(api, f"{CONV},90", unit="permille")) == ["unit"]
        document = b'{"space": "nas-bench-201", "columns": [{"metric": "flops"}], "entries": {}}'
        data = {"name": "mine", "space": "digits-mini"}
        response = api.post(BENCHMARKS, data=data, files={"file": ("t.json", document)})
        assert fields_of(response) == ["space"]

    def test_the_form_tells_the_unit_and_the_dataset_of_a_bare_table(self, api: Api):
        made = _upload(api, f"{CONV},0.9", f"{SKIP},0.5", unit="fraction", dataset="d").json()
        assert made["truth"] == "d/accuracy"
        assert made["columns"][0]["highest"] == 90.0

    def test_an_unknown_column_is_refused_with_the_known_ones(self, api: Api):
        _upload(api, f"{CONV},90,1", header="accuracy,flops")
        response = api.get(f"{BENCHMARKS}/mine/entries", params={"column": "loss"})
        assert fields_of(response) == ["column"]
        assert response.json()["detail"].endswith("known: accuracy, flops")

    def test_a_foreign_cursor_is_refused(self, api: Api):
        _upload(api, f"{CONV},90", f"{SKIP},50")
        path = f"{BENCHMARKS}/mine/entries"
        cursor = api.get(path, params={"limit": 1, "order": "best"}).json()["next_cursor"]
        assert fields_of(api.get(path, params={"cursor": cursor})) == ["cursor"]

    def test_a_claimed_noise_ceiling_is_computed_from_the_seeds(self, api: Api):
        column = {"metric": "accuracy", "seeds": [0, 1], "noise_ceiling": 0.99}
        entries = {CONV: [[90, 50]], POOL: [[70, 70]], SKIP: [[50, 90]]}
        document = json.dumps({"columns": [column], "entries": entries}).encode()
        data = {"name": "mine", "space": "digits-mini"}
        made = api.post(BENCHMARKS, data=data, files={"file": ("t.json", document)}).json()
        assert (made["noise_ceiling"], made["num_seeds"]) == (-1.0, 2)

    def test_an_unknown_space_and_a_bad_name_are_named(self, api: Api):
        assert fields_of(_upload(api, f"{CONV},90", space="nowhere")) == ["space"]
        assert fields_of(_upload(api, f"{CONV},90", name="No Good")) == ["name"]

    def test_an_unknown_benchmark_is_not_found(self, api: Api):
        problem_of(api.get(f"{BENCHMARKS}/nowhere"), 404)
        problem_of(api.get(f"{BENCHMARKS}/mini-truth@2/entries"), 404)

    def test_a_key_is_bound_to_the_tables_content(self, api: Api):
        headers = {"Idempotency-Key": "a-key"}
        first = _upload(api, f"{CONV},90", headers=headers)
        again = _upload(api, f"{CONV},90", headers=headers)
        assert (again.status_code, again.json()) == (201, first.json())
        response = _upload(api, f"{CONV},91", headers=headers)
        assert fields_of(response) == ["Idempotency-Key"]


@pytest.mark.data
def test_the_nas_bench_201_table_is_imported_whole(api: Api, shared_data: Path):
    table = (shared_data / "nas-bench-201-cifar10-test.csv").read_bytes()
    data = {"name": "nas-bench-201-cifar10", "space": "nas-bench-201"}
    start = time.process_time()
    made = api.post(BENCHMARKS, data=data, files={"file": ("t.csv", table)}).json()
    # Of the processor, which other tests share.
    assert time.process_time() - start < 5
    assert (made["num_entries"], made["num_valid"]) == (15_625, 15_284)
    twins = made["coverage"][0]["twins"]
    # 5,260 networks have 15,625 strings, the dead ones being one of those with several.
    assert (twins["groups"], twins["disagreeing"]) == (1188, 92)
