import pytest

from tests.backend.api import Api, fields_of, problem_of
from tests.backend.conftest import CONV, DEAD, POOL

SPACES = "/api/v1/search-spaces"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def test_sub_space_sizes_of_nas_bench_201(api: Api):
    assert api.get(f"{SPACES}/nas-bench-201/histogram").json() == {
        "counts": {
            "0": {"all": "1983", "valid": "1642"},
            "1": {"all": "7122", "valid": "7122"},
            "2": {"all": "5520", "valid": "5520"},
            "3": {"all": "1000", "valid": "1000"},
        },
        "all": "15625",
        "valid": "15284",
    }


def test_the_list_gives_every_version_with_its_size(api: Api):
    items = api.get(SPACES).json()["items"]
    assert [(item["name"], item["version"]) for item in items] == [
        ("digits-mini", 1),
        ("nas-bench-201", 1),
    ]
    assert items[1]["size"] == {"all": "15625", "valid": "15284"}
    assert items[1]["num_decisions"] == 6


class TestCreate:
    def test_the_same_content_stays_and_other_content_becomes_the_next_version(self, api: Api):
        definition = api.get(f"{SPACES}/digits-mini").json()["definition"]
        same = api.post(SPACES, json=definition)
        assert (same.status_code, same.json()["version"]) == (200, 1)
        changed = definition | {"operations": definition["operations"][::-1]}
        other = api.post(SPACES, json=changed)
        assert (other.status_code, other.json()["version"]) == (201, 2)
        assert api.get(f"{SPACES}/digits-mini").json()["definition"] == changed
        assert api.get(f"{SPACES}/digits-mini@1").json()["definition"] == definition

    def test_an_unknown_operation_is_named(self, api: Api):
        definition = api.get(f"{SPACES}/digits-mini").json()["definition"]
        bad = definition | {"operations": ["skip_connect", "teleport"]}
        response = api.post(SPACES, json=bad)
        assert fields_of(response) == ["operations"]
        assert "teleport" in response.json()["detail"]

    def test_a_large_space_keeps_every_digit_of_its_size(self, api: Api):
        definition = api.get(f"{SPACES}/nas-bench-201").json()["definition"]
        definition |= {"name": "seven-nodes", "num_nodes": 7}
        made = api.post(SPACES, json=definition)
        assert made.status_code == 201
        assert made.json()["size"]["all"] == str(5**21)


class TestPartition:
    def test_a_preview_gives_sizes_shares_and_thresholds(self, api: Api):
        splitter = {"kind": "nonlinearity", "num_subspaces": 3, "thresholds": [1, 2]}
        preview = api.post(f"{SPACES}/nas-bench-201/partition", json=splitter).json()
        assert preview["thresholds"] == [1, 2]
        assert [row["size"] for row in preview["subspaces"]] == [
            {"all": "9105", "valid": "8764"},
            {"all": "5520", "valid": "5520"},
            {"all": "1000", "valid": "1000"},
        ]
        assert [row["counts"] for row in preview["subspaces"]] == [[0, 1], [2], [3]]
        assert preview["subspaces"][2]["share_valid"] == pytest.approx(1000 / 15284)
        assert sum(row["share_all"] for row in preview["subspaces"]) == pytest.approx(1)

    def test_an_infeasible_number_names_the_feasible_ones(self, api: Api):
        splitter = {"kind": "nonlinearity", "num_subspaces": 5}
        response = api.post(f"{SPACES}/nas-bench-201/partition", json=splitter)
        assert fields_of(response) == ["num_subspaces"]
        assert "feasible are 1, 2, 3, 4" in response.json()["detail"]

    def test_an_unknown_space_is_not_found(self, api: Api):
        splitter = {"kind": "nonlinearity", "num_subspaces": 2}
        problem_of(api.post(f"{SPACES}/nowhere/partition", json=splitter), 404)


class TestArchitecture:
    def test_everything_known_of_a_cell(self, api: Api):
        found = api.get(f"{SPACES}/digits-mini/architectures/{CONV}").json()
        assert found["code"] == CONV
        assert [row["operation"] for row in found["decisions"]] == ["nor_conv_3x3"] * 3
        assert (found["valid"], found["nonlinearity_count"]) == (True, 2)
        assert found["drawing"]["num_nodes"] == 3
        assert [(edge["source"], edge["target"]) for edge in found["drawing"]["edges"]] == [
            (0, 1),
            (0, 2),
            (1, 2),
        ]
        assert found["known_results"] == [
            {
                "benchmark": "mini-truth@1",
                "accuracy": 90.0,
                "seeds": [89.0, 91.0],
                "rank": 1,
                "num_valid": 3,
            }
        ]

    def test_the_rank_is_among_valid_cells_and_a_dead_one_has_none(self, api: Api):
        pool = api.get(f"{SPACES}/digits-mini/architectures/{POOL}").json()
        dead = api.get(f"{SPACES}/digits-mini/architectures/{DEAD}").json()
        assert pool["known_results"][0]["rank"] == 3
        assert (dead["valid"], dead["known_results"][0]["rank"]) == (False, None)
        assert not any(edge["live"] for edge in dead["drawing"]["edges"])

    def test_flops_and_parameters_of_the_all_convolution_cell(self, api: Api):
        node = "nor_conv_3x3"
        code = f"|{node}~0|+|{node}~0|{node}~1|+|{node}~0|{node}~1|{node}~2|"
        found = api.get(f"{SPACES}/nas-bench-201/architectures/{code}").json()
        assert found["flops"] == 220_119_680

    def test_an_architecture_of_another_space_is_not_found_and_shown_how(self, api: Api):
        response = api.get(f"{SPACES}/nas-bench-201/architectures/{CONV}")
        assert "6 edges" in problem_of(response, 404)["detail"]
