import gc
import json
import statistics
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import comb
from urllib.parse import parse_qsl

import pytest
import torch
import yaml
from jsonschema import Draft202012Validator

from backend.spaces.documents import yaml_text
from nas.spaces import catalogue, tables
from nas.spaces.cell import CellSpace
from nas.spaces.layered import LayeredSpace
from nas.supernets.build import build_supernet
from nas.supernets.spec import SupernetSpec
from tests.backend.api import Api, fields_of, problem_of
from tests.backend.conftest import CONV, DEAD, POOL

SPACES = "/api/v1/search-spaces"
YAML = {"Content-Type": "application/yaml"}
BANKED = "routing=accumulated&cells_per_stage=5&shared_cells=5"
THREE = {"kind": "nonlinearity", "num_subspaces": 3}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def mine(api: Api) -> dict:
    """A definition of somebody's own: the cell of digits-mini, under another name."""
    return api.get(f"{SPACES}/digits-mini").json()["definition"] | {"name": "mine"}


def nothing_stored(api: Api) -> bool:
    """Whether there are only the built-in spaces."""
    found = {(item["name"], item["version"]) for item in api.get(SPACES).json()["items"]}
    return found == {(name, 1) for name in catalogue()}


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
    items = {item["name"]: item for item in api.get(SPACES).json()["items"]}
    assert items.keys() == catalogue().keys()
    assert items["nas-bench-201"]["size"] == {"all": "15625", "valid": "15284"}
    assert items["nas-bench-201"]["num_decisions"] == 6


class TestCreate:
    def test_the_same_content_stays_and_other_content_becomes_the_next_version(
        self, api: Api, mine: dict
    ):
        first = api.post(SPACES, json=mine)
        assert (first.status_code, first.json()["version"]) == (201, 1)
        same = api.post(SPACES, json=dict(reversed(mine.items())))
        assert (same.status_code, same.json()["version"]) == (200, 1)
        changed = mine | {"operations": mine["operations"][::-1]}
        other = api.post(SPACES, json=changed)
        assert (other.status_code, other.json()["version"]) == (201, 2)
        stored = api.get(f"{SPACES}/mine").json()["definition"]
        assert stored["operations"] == changed["operations"]
        stored = api.get(f"{SPACES}/mine@1").json()["definition"]
        assert stored["operations"] == mine["operations"]

    def test_a_layered_space_is_stored_and_a_bad_one_refused_at_the_place(self, api: Api):
        definition = api.get(f"{SPACES}/mobilenet-proxyless").json()["definition"]
        own = definition | {"name": "own", "layers": definition["layers"][:5]}
        assert api.post(SPACES, json=own).status_code == 201
        assert api.get(f"{SPACES}/own").json()["size"]["all"] == str(6**2 * 7**3)
        first = definition["layers"][0]
        bad = own | {"layers": [first, first | {"operations": ["mbconv_3x3_e3", "identity"]}]}
        assert fields_of(api.post(SPACES, json=bad)) == ["layers.1.operations.1"]

    def test_a_version_that_a_run_uses_stays_as_it_is(self, api: Api, mine: dict, spec: dict):
        api.post(SPACES, json=mine)
        run = api.post("/api/v1/runs", json=spec | {"space": "mine", "benchmark": None}).json()
        assert run["space"] == "mine@1"
        before = api.get(f"{SPACES}/mine@1").json()
        assert before["num_runs"] == 1
        api.post(SPACES, json=mine | {"num_nodes": 4})
        assert api.get(f"{SPACES}/mine@1").json() == before
        assert api.get(f"{SPACES}/mine").json()["num_runs"] == 0
        assert api.get(f"/api/v1/runs/{run['id']}").json()["space"] == "mine@1"
        for method in ("PUT", "PATCH", "DELETE"):
            assert api.request(method, f"{SPACES}/mine@1", json=mine).status_code == 405

    @pytest.mark.parametrize("media_type", ["application/yaml", "text/yaml; charset=utf-8"])
    def test_yaml_is_the_same_as_json(self, api: Api, mine: dict, media_type: str):
        made = api.post(SPACES, json=mine).json()
        text = "# mine\n" + yaml.safe_dump(mine)
        again = api.post(SPACES, content=text, headers={"Content-Type": media_type})
        assert (again.status_code, again.json()) == (200, made)

    def test_another_content_type_is_refused(self, api: Api, mine: dict):
        headers = {"Content-Type": "text/csv"}
        problem_of(api.post(SPACES, content="kind,cell", headers=headers), 415)

    def test_the_name_of_a_built_in_space_takes_no_other_content(self, api: Api):
        definition = api.get(f"{SPACES}/digits-mini").json()
        assert definition["built_in"]
        same = api.post(SPACES, json=definition["definition"])
        assert (same.status_code, same.json()["version"]) == (200, 1)
        response = api.post(SPACES, json=definition["definition"] | {"num_nodes": 4})
        assert fields_of(response) == ["name"]
        assert "built-in" in response.json()["detail"]
        assert api.get(f"{SPACES}/digits-mini").json()["version"] == 1

    def test_a_size_keeps_every_digit(self, api: Api, mine: dict):
        made = api.post(SPACES, json=mine | {"num_nodes": 8})
        assert made.status_code == 201
        assert made.json()["size"]["all"] == str(5**28)

    def test_more_than_ten_to_the_forty_architectures_are_allowed(self, api: Api):
        space = api.get(f"{SPACES}/mobilenet-proxyless").json()["definition"]
        longer = [*space["layers"], *(60 * [space["layers"][-1] | {"stride": 1}])]
        made = api.post(SPACES, json=space | {"name": "long", "layers": longer})
        assert made.status_code == 201
        size = int(made.json()["size"]["all"])
        assert size > 10**40
        found = api.get(f"{SPACES}/long/histogram").json()
        assert sum(int(number["all"]) for number in found["counts"].values()) == size
        preview = api.post(f"{SPACES}/long/partition?sample=20", json=THREE).json()
        assert preview["cover"]["holds"]
        assert preview["cover"]["space"]["all"] == str(size)

    def test_the_schema_of_definitions_is_published(self, api: Api, mine: dict):
        schema = api.get(f"{SPACES}/schema").json()
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(schema)
        for name, space in catalogue().items():
            stored = api.get(f"{SPACES}/{name}").json()["definition"]
            written = yaml.safe_load(yaml_text(space))
            for definition in (stored, written):
                assert [error.message for error in validator.iter_errors(definition)] == [], name
        assert fields_of(api.post(SPACES, json=mine | {"name": "schema"})) == ["name"]


def with_edge(space: dict, **edge) -> dict:
    """The space with edges of a chain, the last one changed."""
    last = {"source": 1, "target": 2} | edge
    return space | {"edges": [{"source": 0, "target": 1}, last]}


BAD = {
    "a cycle": (
        lambda mine: (
            mine
            | {
                "edges": [
                    {"source": source, "target": target}
                    for source, target in ((0, 1), (1, 2), (2, 3), (3, 1))
                ],
                "num_nodes": 4,
            }
        ),
        "edges.3",
        "3 -> 1 -> 2 -> 3 is a cycle",
    ),
    "an edge to itself": (lambda mine: with_edge(mine, source=2), "edges.1", "2 -> 2 is a cycle"),
    "nodes out of order": (
        lambda mine: with_edge(mine, source=2, target=1),
        "edges.1",
        "number the nodes so that every edge leads to a higher one",
    ),
    "an edge twice": (lambda mine: with_edge(mine, source=0, target=1), "edges.1", "already"),
    "an edge to nowhere": (lambda mine: with_edge(mine, target=7), "edges.1.target", "0 to 2"),
    "an unreachable output": (
        lambda mine: mine | {"edges": [{"source": 0, "target": 1}], "outputs": [2]},
        "outputs.0",
        "no path leads from an input to output node 2",
    ),
    "a last node that no edge reaches": (
        lambda mine: mine | {"edges": [{"source": 0, "target": 1}], "outputs": None},
        "edges",
        "no path leads from an input to the output [2]",
    ),
    "an unreachable output beside another": (
        lambda mine: mine | {"edges": [{"source": 0, "target": 1}], "outputs": [1, 2]},
        "outputs.1",
        "no path leads from an input to output node 2",
    ),
    "an unreachable output before another": (
        lambda mine: mine | {"edges": [{"source": 0, "target": 1}], "outputs": [2, 1]},
        "outputs.0",
        "no path leads from an input to output node 2",
    ),
    "an output that only none reaches": (
        lambda mine: with_edge(mine, operations=["none"]) | {"outputs": [1, 2]},
        "outputs.1",
        "output node 2 depends on no input",
    ),
    "outputs that only none reaches": (
        lambda mine: mine | {"operations": ["none"], "outputs": [1, 2]},
        "operations",
        "no architecture is live",
    ),
    "an unknown operation": (
        lambda mine: mine | {"operations": ["skip_connect", "teleport"]},
        "operations",
        "teleport",
    ),
    "an unknown operation of an edge": (
        lambda mine: with_edge(mine, operations=["teleport"]),
        "edges.1.operations",
        "teleport",
    ),
    "an edge without operations": (
        lambda mine: with_edge(mine, operations=[]),
        "edges.1.operations",
        "at least 1 item",
    ),
    "an operation twice": (
        lambda mine: mine | {"operations": ["none", "skip_connect", "none"]},
        "operations",
        "once",
    ),
    "no live architecture": (
        lambda mine: mine | {"operations": ["none"]},
        "operations",
        "no architecture is live",
    ),
    "nine nodes": (lambda mine: mine | {"num_nodes": 9}, "num_nodes", "more than 8"),
    "an output twice": (lambda mine: mine | {"outputs": [2, 2]}, "outputs", "once"),
    "an input as output": (lambda mine: mine | {"outputs": [0]}, "outputs.0", "1 to 2"),
    "a name with a space": (lambda mine: mine | {"name": "not mine"}, "name", "pattern"),
    "a field too many": (lambda mine: mine | {"colour": "red"}, "colour", "not permitted"),
    "an odd image": (
        lambda mine: mine | {"skeleton": mine["skeleton"] | {"num_stages": 4, "image_size": 4}},
        "skeleton.image_size",
        "multiple of 8",
    ),
    "no mapping": (lambda mine: [mine], "", "mapping"),
}


def test_every_bad_definition_is_refused_with_its_place_and_nothing_is_stored(
    api: Api, mine: dict
):
    for case, (make, field, reason) in BAD.items():
        for path in ("", "/validate"):
            response = api.post(SPACES + path, json=make(mine))
            assert fields_of(response) == [field], case
            assert reason in response.json()["detail"], case
            text = yaml.safe_dump(make(mine))
            as_yaml = api.post(SPACES + path, content=text, headers=YAML)
            assert as_yaml.json() == response.json(), case
    assert nothing_stored(api)


@pytest.mark.parametrize(
    ("name", "changes", "place"),
    [
        ("digits-mini", {"num_nodes": "three"}, "num_nodes"),
        ("digits-mini", {"num_nodes": 1}, "num_nodes"),
        ("digits-mini", {"num_nodes": 9}, "num_nodes"),
        ("digits-mini", {"operations": []}, "operations"),
        ("digits-mini", {"name": "not mine"}, "name"),
        ("digits-mini", {"colour": "red"}, "colour"),
        ("digits-mini", {"skeleton": {}}, "skeleton.width"),
        ("digits-mini", {"edges": [{"source": 0, "target": 1, "weight": 2}]}, "edges.0.weight"),
        ("mobilenet-proxyless", {"layers": []}, "layers"),
        ("mobilenet-proxyless", {"layers": [{"channels": 8, "stride": 3}]}, "layers.0.stride"),
        ("mobilenet-proxyless", {"layers": [{"channels": 0}]}, "layers.0.channels"),
        ("mobilenet-proxyless", {"num_nodes": 3}, "num_nodes"),
        ("mobilenet-proxyless", {"kind": "graph"}, ""),
    ],
)
def test_the_published_schema_refuses_what_the_api_refuses(
    api: Api, name: str, changes: dict, place: str
):
    validator = Draft202012Validator(api.get(f"{SPACES}/schema").json())
    good = api.get(f"{SPACES}/{name}").json()["definition"] | {"name": "mine"}
    assert validator.is_valid(good)
    assert not validator.is_valid(good | changes)
    assert place in fields_of(api.post(SPACES, json=good | changes))


TEXTS = {
    "a key twice": (
        "name: mine\nkind: cell\nname: yours\n",
        "line 3, column 1: name is written twice",
    ),
    "a nested key twice": ("skeleton: {width: 8, width: 9}\n", "width is written twice"),
    "no YAML": ("a: [\n", "line 2, column 1"),
    "aliases of aliases": (
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(
            f"{new}: &{new} [{', '.join(8 * [f'*{old}'])}]\n" for old, new in pairwise("abcdefgh")
        ),
        "aliases make more than 100,000 values",
    ),
    "an alias of itself": ("a: &a [*a]\n", "aliases make more than"),
    "an unsafe tag": ("!!python/object:os.system {}\n", "could not determine a constructor"),
    "deep nesting": ("[" * 50_000, "nested too deeply"),
    "nothing": ("", "a search space is a mapping"),
    "a scalar": ("mine", "a search space is a mapping"),
}


def test_bad_text_is_refused_with_its_place_and_nothing_is_stored(api: Api):
    for case, (text, reason) in TEXTS.items():
        response = api.post(SPACES, content=text, headers=YAML)
        assert fields_of(response) == [""], case
        assert reason in response.json()["detail"], case
    assert nothing_stored(api)


def test_bad_json_is_refused_with_its_place(api: Api):
    headers = {"Content-Type": "application/json"}
    for text, field, reason in (
        ('{"name": "a", "name": "b"}', "name", "twice"),
        ('{"skeleton": {"width": 8, "width": 9}}', "skeleton.width", "twice"),
        ('{"edges": [{"source": 0}, {"source": 0, "source": 1}]}', "edges.1.source", "twice"),
        ('{"a": {"b": 1, "b": 2}, "a": {}}', "a", "twice"),
        ('{"a": {"b": 1, "b": 2}, "c": {"d": 1, "d": 2}}', "a.b", "twice"),
        ('{"name": }', "", "line 1, column 10"),
        ("[" * 50_000, "", "nested too deeply"),
        (b"\xff{}", "", "UTF-8"),
    ):
        response = api.post(SPACES, content=text, headers=headers)
        assert fields_of(response) == [field]
        assert reason in response.json()["detail"]
    assert nothing_stored(api)


@pytest.mark.parametrize("size", [2**20 + 1, 6 * 2**20])
@pytest.mark.parametrize(
    ("written", "padding", "media_type"),
    [(yaml.safe_dump, "#", YAML["Content-Type"]), (json.dumps, " ", "application/json")],
    ids=["yaml", "json"],
)
def test_more_than_a_mebibyte_is_refused_and_nothing_is_stored(
    api: Api, mine: dict, written: Callable[[dict], str], padding: str, media_type: str, size: int
):
    text, headers = written(mine), {"Content-Type": media_type}
    for path in ("", "/validate"):
        content = text + padding * (size - len(text))
        response = api.post(SPACES + path, content=content, headers=headers)
        assert fields_of(response) == [""]
        assert "1 MiB" in response.json()["detail"]
    assert nothing_stored(api)
    allowed = api.post(SPACES, content=text + padding * (2**20 - len(text)), headers=headers)
    assert allowed.status_code == 201


class TestValidate:
    def test_it_says_what_would_be_stored_and_stores_nothing(self, api: Api, mine: dict):
        found = api.post(f"{SPACES}/validate", json=mine).json()
        assert (found["stored_as"], found["next_version"]) == (None, 1)
        assert found["size"]["all"] == "125"
        assert found["histogram"]["counts"].keys() == {"0", "1", "2"}
        assert nothing_stored(api)
        made = api.post(SPACES, json=mine).json()
        assert found["definition"] == made["definition"]
        found = api.post(f"{SPACES}/validate?count=total", json=mine).json()
        assert (found["stored_as"], found["next_version"]) == ("mine@1", 2)
        assert found["histogram"]["counts"].keys() == {"0", "1", "2", "3"}


class TestHistogram:
    def test_both_readings_tell_valid_from_dead(self, api: Api):
        space = api.get(f"{SPACES}/nas-bench-201").json()
        effective = api.get(f"{SPACES}/nas-bench-201/histogram?count=effective").json()
        assert effective == api.get(f"{SPACES}/nas-bench-201/histogram").json()
        total = api.get(f"{SPACES}/nas-bench-201/histogram?count=total").json()
        assert total["counts"].keys() == set("0123456")
        # All six edges a convolution, of two kinds; dead cells have no live path, so count 0.
        assert total["counts"]["6"] == {"all": "64", "valid": "64"}
        for found in (effective, total):
            numbers = found["counts"].values()
            assert sum(int(number["all"]) for number in numbers) == 15_625
            assert sum(int(number["valid"]) for number in numbers) == 15_284
            assert (found["all"], found["valid"]) == tuple(space["size"].values())
        assert int(total["counts"]["0"]["all"]) - int(total["counts"]["0"]["valid"]) == 341

    def test_another_reading_is_refused(self, api: Api):
        response = api.get(f"{SPACES}/nas-bench-201/histogram?count=other")
        assert fields_of(response) == ["count"]

    def test_it_looks_at_no_architecture(self, api: Api, monkeypatch: pytest.MonkeyPatch):
        """Counted from nothing, in spaces that nobody could enumerate."""

        def refuse(*_: object) -> None:
            raise AssertionError("an architecture was looked at")

        for kind in (CellSpace, LayeredSpace):
            for method in ("enumerate", "label", "live", "is_valid", "sample"):
                monkeypatch.setattr(kind, method, refuse)
        tables.counting.cache_clear()
        started = time.perf_counter()
        darts = api.get(f"{SPACES}/darts-cell/histogram").json()
        mobilenet = api.get(f"{SPACES}/mobilenet-proxyless/histogram").json()
        assert time.perf_counter() - started < 10
        assert sum(int(size["all"]) for size in darts["counts"].values()) == 8**14
        # Count 8: two of the eight operations count 2, and one of them stands on every edge of a
        # path over all four nodes, which may start at either input; nine edges are free.
        assert int(darts["counts"]["8"]["all"]) == (8**2 - 6**2) * 2**3 * 8**9
        # k of the fifteen layers that may be left out are.
        assert mobilenet["counts"] == {
            str(42 - 2 * k): dict.fromkeys(
                ("all", "valid"), str(6**6 * comb(15, k) * 6 ** (15 - k))
            )
            for k in range(16)
        }

    @pytest.mark.parametrize("reading", ["effective", "total"])
    @pytest.mark.parametrize("name", sorted(catalogue()))
    def test_it_is_answered_within_50_ms_once_it_is_warm(self, api: Api, name: str, reading: str):
        path = f"{SPACES}/{name}/histogram?count={reading}"
        assert api.get(path).status_code == 200
        seconds = []
        for _ in range(15):
            # Of all threads: what the machine does beside this says nothing about the server.
            start = time.process_time()
            api.get(path)
            seconds.append(time.process_time() - start)
        assert statistics.median(seconds) < 0.05

    def test_memory_stays_flat_however_often_it_is_asked_for(self, api: Api):
        paths = [
            f"{SPACES}/{name}/histogram?count={reading}"
            for name in catalogue()
            for reading in ("effective", "total")
        ]

        def held() -> int:
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        for path in 2 * paths:
            api.get(path)
        tables_kept = tables.counting.cache_info().currsize
        tracemalloc.start()
        try:
            before = held()
            for path in 20 * paths:
                assert api.get(path).status_code == 200
            grown = held() - before
        finally:
            tracemalloc.stop()
        assert grown < 2**18, grown
        assert tables.counting.cache_info().currsize == tables_kept


def digits_mini_flops(width: int) -> dict[int, list[int]]:
    """Multiply-adds of every valid digits-mini cell in a supernet, by count: taken down by hand.

    Whatever the cell, images of 8x8 pixels are read by a stem of nine weights per channel, and
    ten classes by one linear layer; of the operations only convolutions multiply.
    """
    space = catalogue()["digits-mini"]
    assert (space.skeleton.num_stages, space.skeleton.cells_per_stage) == (1, 1)
    pixels, weights = 8 * 8, {"nor_conv_1x1": width**2, "nor_conv_3x3": 9 * width**2}
    around = pixels * 9 * width + 10 * width
    flops = defaultdict(list)
    for cell in filter(space.is_valid, space.enumerate()):
        live = [operation for operation, used in zip(cell, space.live(cell), strict=True) if used]
        cost = around + pixels * sum(weights.get(operation, 0) for operation in live)
        flops[space.nonlinearity_count(cell)].append(cost)
    return flops


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

    def test_both_sides_of_the_proof_of_cover_are_given(self, api: Api):
        preview = api.post(f"{SPACES}/nas-bench-201/partition", json=THREE).json()
        whole = {"all": "15625", "valid": "15284"}
        assert preview["cover"] == {
            "subspaces": whole,
            "space": whole,
            "shared_labels": [],
            "holds": True,
        }

    def test_ranges_are_exact_and_quantiles_lie_between_them(self, api: Api):
        preview = api.post(f"{SPACES}/digits-mini/partition?sample=50&seed=3", json=THREE).json()
        assert preview["costs"] == "exact"
        assert preview["sampling"] == {
            "n": 50,
            "seed": 3,
            "quantiles": [0.05, 0.25, 0.5, 0.75, 0.95],
        }
        space = catalogue()["digits-mini"]
        for index, row in enumerate(preview["subspaces"]):
            owned = [
                architecture
                for architecture in space.enumerate()
                if space.is_valid(architecture)
                and space.nonlinearity_count(architecture) in row["counts"]
            ]
            for kind, cost in (("flops", space.flops), ("parameters", space.parameters)):
                values = [cost(architecture) for architecture in owned]
                assert row["costs"][kind] == {"min": str(min(values)), "max": str(max(values))}
                drawn = [int(value) for value in row["sampled_costs"][kind]]
                assert drawn == sorted(drawn)
                assert set(drawn) <= set(values)
            assert row["sampled_costs"]["n"] == 50
            assert row["index"] == index

    def test_exact_ranges_can_be_left_out(self, api: Api):
        preview = api.post(f"{SPACES}/digits-mini/partition?costs=none", json=THREE).json()
        assert preview["costs"] == "none"
        assert [row["costs"] for row in preview["subspaces"]] == [None] * 3

    @pytest.mark.parametrize("count", ["effective", "total"])
    def test_ranges_are_exact_in_large_cells_too(self, api: Api, mine: dict, count: str):
        api.post(SPACES, json=mine | {"num_nodes": 7})
        preview = api.post(f"{SPACES}/mine/partition", json=THREE | {"count": count}).json()
        assert preview["costs"] == "exact"
        assert preview["cover"]["holds"]
        rows = preview["subspaces"]
        space = CellSpace.model_validate(mine | {"num_nodes": 7})
        dearest = space.flops(("nor_conv_3x3",) * len(space.choices))
        assert max(int(row["costs"]["flops"]["max"]) for row in rows) == dearest
        for row in rows:
            spread = row["costs"]["flops"]
            drawn = [int(value) for value in row["sampled_costs"]["flops"]]
            assert int(spread["min"]) <= min(drawn)
            assert max(drawn) <= int(spread["max"])

    def test_suggested_widths_stay_below_the_parent(self, api: Api):
        preview = api.post(f"{SPACES}/nas-bench-201/partition?width=16", json=THREE).json()
        widths = preview["widths"]
        assert [row["suggested_width"] for row in preview["subspaces"]] == [5, 5, 5]
        each = [int(row["supernet_parameters"]) for row in preview["subspaces"]]
        assert sum(each) == int(widths["parameters"]) <= int(widths["parent_parameters"])
        assert widths["fits"]
        training = preview["training"]
        assert 0 < training["flops"] < training["one_shot_flops"]

    def test_training_costs_three_passes_of_the_mean_architecture_per_image(self, api: Api):
        path = f"{SPACES}/digits-mini/partition"
        query = "sample=2000&steps=70&batch_size=30&width=12"
        preview = api.post(f"{path}?{query}", json=THREE).json()
        assert [row["suggested_width"] for row in preview["subspaces"]] == [4, 4, 4]
        training = preview["training"]
        assert (training["steps"], training["batch_size"]) == (70, 30)
        narrow, parent = (digits_mini_flops(width) for width in (4, 12))
        # Every sub-space is trained equally often; the parent draws from all cells alike.
        split = statistics.fmean(statistics.fmean(costs) for costs in narrow.values())
        one_shot = statistics.fmean(flops for costs in parent.values() for flops in costs)
        images = 70 * 30
        # The standard error of the sampled means is below 1 %.
        assert training["flops"] == pytest.approx(images * 3 * split, rel=0.04)
        assert training["one_shot_flops"] == pytest.approx(images * 3 * one_shot, rel=0.04)

    def test_supernets_are_those_of_a_run_with_these_settings(self, api: Api):
        for query in ("", "cells_per_stage=3&reduction=residual", "dataset=digits&width=7"):
            path = f"{SPACES}/nas-bench-201/partition?sample=1&{query}"
            preview = api.post(path, json=THREE).json()
            given = dict(parse_qsl(query))
            digits = "dataset" in given
            supernet = SupernetSpec.model_validate(
                {name: value for name, value in given.items() if name not in ("dataset", "width")}
            )
            shape = supernet.shape(image_channels=1 if digits else 3, num_classes=10)
            row = preview["subspaces"][0]
            for width, parameters in (
                (row["suggested_width"], row["supernet_parameters"]),
                (int(given.get("width", 16)), preview["widths"]["parent_parameters"]),
            ):
                with torch.device("meta"):
                    built = build_supernet(
                        catalogue()["nas-bench-201"], replace(shape, width=width)
                    )
                assert sum(weight.numel() for weight in built.parameters()) == int(parameters)

    def test_supernets_that_cannot_be_are_refused(self, api: Api):
        for space, query, field in (
            ("mobilenet-proxyless", "cells_per_stage=2", "cells_per_stage"),
            ("darts-cell", "reduction=residual", "reduction"),
            ("digits-mini", "dataset=nowhere", "dataset"),
        ):
            response = api.post(f"{SPACES}/{space}/partition?{query}", json=THREE)
            assert fields_of(response) == [field]

    def test_bad_options_are_refused(self, api: Api):
        for query in ("sample=0", "width=0", "costs=all", "colour=red"):
            response = api.post(f"{SPACES}/digits-mini/partition?{query}", json=THREE)
            assert fields_of(response) == [query.partition("=")[0]]

    def test_weight_banks_are_those_of_the_released_code(self, api: Api):
        splitter = {"kind": "nonlinearity", "num_subspaces": 3, "thresholds": [15, 20]}
        preview = api.post(f"{SPACES}/nas-bench-201/partition?{BANKED}", json=splitter).json()
        assert preview["thresholds"] == [15, 20]
        assert [row["counts"] for row in preview["subspaces"]] == [[0, 1], [2], [3]]
        assert [row["size"]["all"] for row in preview["subspaces"]] == ["9105", "5520", "1000"]
        assert preview["cover"]["holds"]
        banks = preview["banks"]
        assert (banks["num_banks"], banks["num_cells"], banks["shared_cells"]) == (3, 15, 5)
        assert [
            (row["count"], row["subspace"], row["size"]["valid"], row["banks"])
            for row in banks["profiles"]
        ] == [
            (0, 0, "1642", [0] * 15),
            (1, 0, "7122", [0] * 15),
            (2, 1, "5520", [0] * 7 + [1] * 3 + [2] * 5),
            (3, 2, "1000", [0] * 5 + [1] + [2] * 9),
        ]
        widths = preview["widths"]
        assert {row["suggested_width"] for row in preview["subspaces"]} == {5}
        one_bank = int(preview["subspaces"][0]["supernet_parameters"])
        assert one_bank < int(widths["parameters"]) < 3 * one_bank
        assert widths["fits"]

    def test_private_supernets_have_no_banks(self, api: Api):
        assert api.post(f"{SPACES}/digits-mini/partition", json=THREE).json()["banks"] is None

    @pytest.mark.parametrize(
        ("space", "splitter", "options", "place", "message"),
        [
            (
                "nas-bench-201",
                {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [45]},
                BANKED,
                "thresholds",
                "no architecture of nas-bench-201 reaches bank 1",
            ),
            (
                "nas-bench-201",
                {"kind": "nonlinearity", "num_subspaces": 3},
                "routing=accumulated&shared_cells=3",
                "thresholds",
                "reaches bank 1",
            ),
            (
                "nas-bench-201",
                {"kind": "random"},
                BANKED,
                "kind",
                "needs a splitter of kind nonlinearity",
            ),
            (
                "mobilenet-proxyless",
                {"kind": "nonlinearity"},
                "routing=accumulated",
                "routing",
                "mobilenet-proxyless has none; take routing class",
            ),
            ("digits-mini", {"kind": "none"}, "shared_cells=2", "shared_cells", "share no cell"),
            ("digits-mini", {"kind": "none"}, "routing=bank", "routing", "'accumulated'"),
            ("digits-mini", {"kind": "none"}, "cells_per_stage=0", "cells_per_stage", "than"),
        ],
    )
    def test_what_makes_no_banks_is_refused_at_its_place(
        self, api: Api, space: str, splitter: dict, options: str, place: str, message: str
    ):
        for path, more in (("partition", ""), ("partition/owner", "&architecture=a")):
            response = api.post(f"{SPACES}/{space}/{path}?{options}{more}", json=splitter)
            assert fields_of(response) == [place]
            assert message in response.json()["detail"]

    def test_the_owner_of_an_architecture_tells_its_banks(self, api: Api):
        splitter = {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [3]}
        owner = f"{SPACES}/digits-mini/partition/owner"
        options = {"routing": "accumulated", "cells_per_stage": 3, "architecture": CONV}
        found = api.post(owner, json=splitter, params=options).json()
        assert (found["subspace"], found["nonlinearity_count"]) == (1, 2)
        assert found["banks"] == [0, 1, 1]

    def test_the_owner_of_an_architecture(self, api: Api):
        owner = f"{SPACES}/digits-mini/partition/owner"
        found = api.post(owner, json=THREE, params={"architecture": CONV}).json()
        assert found == {
            "code": CONV,
            "subspace": 2,
            "label": "count 2",
            "valid": True,
            "nonlinearity_count": 2,
            "banks": [],
        }
        dead = api.post(owner, json=THREE, params={"architecture": DEAD}).json()
        assert (dead["subspace"], dead["valid"]) == (0, False)

    def test_an_architecture_of_another_space_has_no_owner(self, api: Api):
        owner = f"{SPACES}/nas-bench-201/partition/owner"
        response = api.post(owner, json=THREE, params={"architecture": CONV})
        assert fields_of(response) == ["architecture"]
        assert "is no architecture of nas-bench-201" in response.json()["detail"]
        problem_of(api.post(f"{SPACES}/nowhere/partition/owner?architecture=a", json=THREE), 404)

    @pytest.mark.parametrize(
        ("splitter", "num_subspaces"),
        [
            ({"kind": "none"}, 1),
            ({"kind": "random", "num_subspaces": 4}, 4),
            ({"kind": "random-edge", "num_decisions": 1}, 5),
            ({"kind": "nonlinearity", "num_subspaces": 2, "count": "total"}, 2),
        ],
    )
    def test_every_splitter_has_a_preview(self, api: Api, splitter: dict, num_subspaces: int):
        preview = api.post(f"{SPACES}/nas-bench-201/partition", json=splitter).json()
        assert len(preview["subspaces"]) == num_subspaces
        assert preview["cover"]["holds"]
        assert preview["widths"]["fits"]

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
                "column": "accuracy",
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
