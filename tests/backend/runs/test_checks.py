"""What `POST /runs` refuses; the checks are the same on every database, so one is enough."""

from collections.abc import Callable

import pytest

from backend.benchmarks.service import add_benchmark
from backend.db import Database
from backend.models import Dataset, SearchSpace
from backend.references import get
from backend.runs.checks import num_live_rounds
from nas.benchmarks.table import Entry, GroundTruth
from nas.spaces import catalogue
from nas.spec import RunSpec, round_boundaries
from tests.backend.api import Api, fields_of, problem_of
from tests.backend.conftest import CONV, DEAD, POOL, SKIP
from tests.backend.tables import add_csv

UNTRIED = "|nor_conv_1x1~0|+|none~0|nor_conv_3x3~1|"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"training": {"steps": 0}}, "training.steps"),
        ({"training": {}}, "training.steps"),
        ({"training": {"steps": 10, "warm_up_steps": 10}}, "training.warm_up_steps"),
        ({"surprise": 1}, "surprise"),
        ({"space": "no spaces allowed"}, "space"),
        ({"space": "unknown"}, "space"),
        ({"space": "digits-mini@9"}, "space"),
        ({"dataset": "unknown"}, "dataset"),
        ({"benchmark": "unknown"}, "benchmark"),
        ({"space": "nas-bench-201"}, "benchmark"),
        ({"splitter": {"kind": "nonlinearity", "num_subspaces": 0}}, "splitter.num_subspaces"),
        ({"splitter": {"kind": "nonlinearity", "num_subspaces": 9}}, "splitter.num_subspaces"),
        (
            {"splitter": {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [7]}},
            "splitter.thresholds",
        ),
        (
            {"splitter": {"kind": "nonlinearity", "num_subspaces": 3, "thresholds": [1]}},
            "splitter.thresholds",
        ),
        ({"search": {"kind": "oracle"}}, "search"),
        ({"search": {"kind": "random", "budget": 0}}, "search.budget"),
        ({"search": {"kind": "random", "objectives": ["speed"]}}, "search.objectives"),
        ({"search": {"kind": "nsga2", "objectives": ["loss"]}}, "search.objectives"),
        ({"search": {"kind": "exhaustive", "budget": 100}}, "search.budget"),
        ({"search": {"kind": "random", "budget_seconds": 0}}, "search.budget_seconds"),
        ({"search": {"kind": "evolution", "objectives": ["flops"]}}, "search.objectives"),
        ({"search": {"kind": "random", "constraints": {"flops": 1}}}, "search.constraints"),
        ({"ranking": {"scorers": [{"kind": "loss"}, {"kind": "x"}]}}, "ranking.scorers.1"),
        (
            {"ranking": {"scorers": [{"kind": "loss"}, {"kind": "rank-sum", "of": ["magic"]}]}},
            "ranking.scorers.1.of",
        ),
        (
            {"ranking": {"scorers": [{"kind": "loss"}, {"kind": "az-nas"}]}},
            "ranking.scorers.1.kind",
        ),
        (
            {"ranking": {"scorers": [{"kind": "loss"}, {"kind": "calibrated"}]}},
            "ranking.scorers.1",
        ),
        ({"benchmark": None, "ranking": {"among": "benchmark"}}, "ranking.among"),
        ({"training": {"steps": 10, "batch_size": 1001}}, "training.batch_size"),
        ({"training": {"steps": 10, "sampler": {"kind": "oracle"}}}, "training.sampler"),
        (
            {
                "training": {
                    "steps": 10,
                    "sampler": {"kind": "supernet-balanced", "architectures_per_step": "two"},
                }
            },
            "training.sampler.architectures_per_step",
        ),
        (
            {"training": {"steps": 10, "sampler": {"kind": "sandwich", "num_random": 0}}},
            "training.sampler.num_random",
        ),
        ({"supernet": {"shared_cells": 2}}, "supernet.shared_cells"),
        ({"supernet": {"width": 0}}, "supernet.width"),
        ({"supernet": {"width": "wide"}}, "supernet.width"),
        ({"supernet": {"width": [8, 8, "x"]}}, "supernet.width.2"),
        ({"supernet": {"width": [8, 8]}}, "supernet.width"),
        ({"supernet": {"width": [8, 8], "routing": "accumulated"}}, "supernet.width"),
        ({"supernet": {"width": "auto", "parent_width": 1}}, "supernet.width"),
        ({"supernet": {"width": 8, "parent_width": 7}}, "supernet.parent_width"),
        ({"supernet": {"routing": "accumulated", "shared_cells": 1}}, "splitter.thresholds"),
        ({"supernet": {"routing": "accumulated"}, "splitter": {"kind": "none"}}, "splitter"),
    ],
)
def test_a_bad_spec_names_its_field_and_queues_nothing(
    changes: dict, field: str, api: Api, spec: dict
):
    assert fields_of(api.post("/api/v1/runs", json=spec | changes)) == [field]
    assert api.get("/api/v1/runs").json()["items"] == []


@pytest.mark.parametrize(
    ("space", "supernet", "field"),
    [
        ("mobilenet-proxyless", {"cells_per_stage": 2}, "supernet.cells_per_stage"),
        ("mobilenet-proxyless", {"reduction": "residual"}, "supernet.reduction"),
        ("darts-cell", {"reduction": "residual"}, "supernet.reduction"),
        ("mobilenet-proxyless", {"routing": "accumulated"}, "supernet.routing"),
    ],
)
def test_a_supernet_that_the_space_does_not_have_is_refused(
    space: str, supernet: dict, field: str, api: Api, spec: dict
):
    changes = {"space": space, "supernet": supernet, "benchmark": None}
    assert fields_of(api.post("/api/v1/runs", json=spec | changes)) == [field]


def test_fair_sampling_of_a_space_that_nearly_always_deals_dead_architectures_is_refused(
    api: Api, spec: dict
):
    paths = [(0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 7)]
    space = catalogue()["digits-mini"].model_dump(mode="json") | {
        "name": "two-paths",
        "num_nodes": 8,
        "operations": ["none", "skip_connect"],
        "edges": [{"source": source, "target": target} for source, target in paths],
    }
    assert api.post("/api/v1/search-spaces", json=space).status_code == 201
    asked = spec | {
        "space": "two-paths",
        "benchmark": None,
        "splitter": {"kind": "none"},
        "training": {"steps": 10, "sampler": {"kind": "fair"}},
    }
    problem = problem_of(api.post("/api/v1/runs", json=asked), 422)
    assert [error["field"] for error in problem["errors"]] == ["training.sampler.kind"]
    assert "take supernet-balanced or uniform" in problem["detail"]
    asked["training"]["sampler"] = {"kind": "uniform"}
    assert api.post("/api/v1/runs", json=asked).status_code == 201


@pytest.mark.parametrize("splitter", [{"kind": "none"}, {"kind": "nonlinearity"}])
@pytest.mark.parametrize(
    "sampler",
    [
        {"kind": "supernet-balanced", "architectures_per_step": "one-per-subspace"},
        {"kind": "fair"},
        {"kind": "sandwich"},
    ],
)
def test_samplers_of_several_architectures_work_with_one_sub_space_and_with_several(
    sampler: dict, splitter: dict, api: Api, spec: dict
):
    training = {"steps": 10, "sampler": sampler}
    changed = spec | {"training": training, "splitter": splitter}
    assert api.post("/api/v1/runs", json=changed).status_code == 201


def chosen(kind: str, **parameters: object) -> dict:
    """Landmarks that a run trains itself."""
    return {"kind": "stand-alone", "choice": {"kind": kind, **parameters}}


TERM = {"kind": "landmark"}


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        (
            {"landmarks": chosen("fixed", architectures=[CONV, "|conv~0|+|none~0|none~1|"])},
            "landmarks.choice.architectures",
            "outside the space: '|conv~0|+|none~0|none~1|' is no architecture of digits-mini",
        ),
        (
            {"landmarks": chosen("fixed", architectures=[CONV, DEAD])},
            "landmarks.choice.architectures",
            f"{DEAD} is dead",
        ),
        (
            {"landmarks": chosen("fixed", architectures=[CONV, CONV])},
            "landmarks.choice.architectures",
            f"{CONV} is listed twice",
        ),
        ({"landmarks": chosen("random", count=117)}, "landmarks.choice.count", "only 116 valid"),
        ({"landmarks": chosen("evenly-spaced")}, "landmarks.choice", "not known yet"),
        (
            {"landmarks": {"kind": "benchmark"}},
            "landmarks.choice.count",
            "50 landmarks, but there are only 3 valid architectures in the benchmark",
        ),
        (
            {
                "landmarks": {
                    "kind": "benchmark",
                    "choice": {"kind": "fixed", "architectures": [CONV, UNTRIED]},
                }
            },
            "landmarks.choice.architectures",
            f"{UNTRIED} is not in the benchmark",
        ),
        (
            {"landmarks": {"kind": "benchmark"}, "benchmark": None},
            "landmarks",
            "the run's benchmark, and it has none",
        ),
        (
            {"landmarks": chosen("random", count=116)},
            "landmarks.choice",
            "116 landmarks leave 0 architectures of digits-mini to be ranked",
        ),
        ({"landmarks": {"kind": "oracle"}}, "landmarks", "oracle"),
        (
            {"training": {"steps": 10, "regularisers": [TERM]}},
            "training.regularisers.0",
            "the regulariser landmark needs landmarks",
        ),
        (
            {"training": {"steps": 10, "regularisers": [TERM, TERM]}},
            "training.regularisers",
            "each regulariser may be named once",
        ),
        (
            {"training": {"steps": 10, "regularisers": [TERM | {"starts_at": 1}]}},
            "training.regularisers.0.starts_at",
            "less than 1",
        ),
        (
            {"training": {"steps": 10, "final_learning_rate": 0.2}},
            "training.final_learning_rate",
            "0.2 is above learning_rate 0.1",
        ),
    ],
)
def test_landmarks_that_cannot_be_had_are_refused_by_name(
    changes: dict, field: str, message: str, api: Api, spec: dict
):
    error = error_of(api, spec | changes)
    assert error["field"] == field
    assert message in error["message"]
    assert api.get("/api/v1/runs").json()["items"] == []


def test_landmarks_that_can_be_had_are_taken(api: Api, spec: dict):
    for landmarks in (
        chosen("spread", count=12),
        chosen("fixed", architectures=[CONV, POOL]),
        {"kind": "benchmark", "choice": {"kind": "random", "count": 3}},
        {"kind": "benchmark", "choice": {"kind": "evenly-spaced", "count": 2}},
    ):
        made = spec | {"landmarks": landmarks}
        made["training"] = {"steps": 10, "regularisers": [TERM]}
        assert api.post("/api/v1/runs", json=made).status_code == 201


def test_a_regulariser_that_reads_validation_images_needs_two_per_process(
    api: Api, spec: dict, new_dataset
):
    new_dataset("hardly-validated", num_validation=3)
    changed = spec | {"dataset": "hardly-validated", "landmarks": chosen("spread", count=4)}
    changed["training"] = {"steps": 10, "processes": 2, "regularisers": [TERM]}
    error = error_of(api, changed)
    assert error["field"] == "training.regularisers.0.images"
    assert "has 3 validation images, and a step of 2 processes needs 4" in error["message"]
    changed["training"]["regularisers"] = [TERM | {"images": "train"}]
    assert api.post("/api/v1/runs", json=changed).status_code == 201


def test_every_bad_field_is_named_at_once(api: Api, spec: dict):
    bad = spec | {"seed": -1, "training": {"steps": 0}}
    assert fields_of(api.post("/api/v1/runs", json=bad)) == ["seed", "training.steps"]


def test_an_infeasible_number_of_subspaces_names_the_feasible_ones(api: Api, spec):
    bad = spec | {"splitter": {"kind": "nonlinearity", "num_subspaces": 9}}
    problem = problem_of(api.post("/api/v1/runs", json=bad), 422)
    assert "feasible are 1, 2, 3" in problem["detail"]


def test_a_list_of_widths_that_is_too_short_names_the_number_of_sub_spaces(api: Api, spec: dict):
    changes = {
        "splitter": {"kind": "nonlinearity", "num_subspaces": 3},
        "supernet": {"width": [8, 8]},
    }
    problem = problem_of(api.post("/api/v1/runs", json=spec | changes), 422)
    assert "2 widths for 3 sub-spaces" in problem["detail"]


def test_infeasible_constraints_name_the_tightest_feasible_value(api: Api, spec: dict):
    bad = spec | {"search": {"kind": "random", "constraints": {"flops": 1}}}
    problem = problem_of(api.post("/api/v1/runs", json=bad), 422)
    cost = int(problem["detail"].split("the cheapest need ")[1].split()[0])
    good = spec | {"search": {"kind": "random", "constraints": {"flops": cost}}}
    assert api.post("/api/v1/runs", json=good).status_code == 201


def test_a_benchmark_of_another_space_is_refused_with_both_names(api: Api, spec: dict):
    problem = problem_of(api.post("/api/v1/runs", json=spec | {"space": "nas-bench-201"}), 422)
    assert "digits-mini@1" in problem["detail"]
    assert "nas-bench-201@1" in problem["detail"]


@pytest.fixture
def new_dataset(stocked: Database) -> Callable[..., None]:
    """Store a dataset that is like digits but for some columns."""

    def add(name: str, **changes: object) -> None:
        with stocked.unit_of_work() as session:
            digits = get(session, Dataset, "digits")
            copied = {
                column.name: getattr(digits, column.name)
                for column in Dataset.__table__.columns
                if column.name not in ("id", "created_at")
            }
            session.add(Dataset(**copied | {"name": name} | changes))

    return add


def error_of(api: Api, spec: dict) -> dict[str, str]:
    (error,) = problem_of(api.post("/api/v1/runs", json=spec), 422)["errors"]
    return error


@pytest.mark.parametrize(
    ("space", "height", "width", "fits"),
    [
        ("digits-mini", 1, 1, True),
        ("nas-bench-201", 2, 2, False),
        ("nas-bench-201", 3, 3, True),
        ("nas-bench-201", 9, 2, False),
        ("darts-cell", 2, 9, False),
        ("mobilenet-proxyless", 16, 16, False),
        ("mobilenet-proxyless", 17, 17, True),
    ],
)
def test_images_too_small_for_the_halvings_of_the_space_are_refused(
    space: str, height: int, width: int, fits: bool, api: Api, spec: dict, new_dataset
):
    new_dataset("small", height=height, width=width)
    changed = spec | {"space": space, "dataset": "small", "benchmark": None}
    if fits:
        assert api.post("/api/v1/runs", json=changed).status_code == 201
        return
    error = error_of(api, changed)
    assert error["field"] == "dataset"
    assert f"the images of small@1 have {width}x{height} pixels" in error["message"]
    assert f"{space}@1 halves them" in error["message"]
    assert f"it needs {'17x17' if height == 16 else '3x3'} or more" in error["message"]
    assert api.get("/api/v1/runs").json()["items"] == []


@pytest.mark.parametrize("space", ["digits-mini", "nas-bench-201", "darts-cell"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_space_takes_images_of_any_channels_and_classes(
    space: str, channels: int, api: Api, spec: dict, new_dataset
):
    new_dataset("other", channels=channels, classes=["cat", "dog", "bird"])
    changed = spec | {"space": space, "dataset": "other", "benchmark": None}
    assert api.post("/api/v1/runs", json=changed).status_code == 201


def test_a_shift_that_moves_images_out_of_sight_is_refused(api: Api, spec: dict):
    def shifted(pixels: int) -> dict:
        return spec | {"training": {"steps": 100, "augmentation": {"shift_pixels": pixels}}}

    error = error_of(api, shifted(8))
    assert error["field"] == "training.augmentation.shift_pixels"
    assert "8x8 pixels; the largest feasible value is 7" in error["message"]
    assert api.post("/api/v1/runs", json=shifted(7)).status_code == 201


@pytest.mark.parametrize("measured_on", ["digits", "unknown", None])
def test_a_benchmark_of_another_number_of_classes_is_refused_where_it_is_known(
    measured_on: str | None, api: Api, stocked: Database, spec: dict, new_dataset
):
    new_dataset("pets", classes=["cat", "dog"])
    truth = GroundTruth({CONV: Entry(90.0)}, dataset=measured_on)
    with stocked.unit_of_work() as session:
        add_benchmark(session, "measured", get(session, SearchSpace, "digits-mini"), truth)
    assert api.post("/api/v1/runs", json=spec | {"benchmark": "measured"}).status_code == 201
    changed = spec | {"dataset": "pets", "benchmark": "measured"}
    if measured_on != "digits":
        assert api.post("/api/v1/runs", json=changed).status_code == 201
        return
    error = error_of(api, changed)
    assert error["field"] == "benchmark"
    assert (
        "digits/accuracy of measured@1 was measured on the 10 classes of digits"
        in error["message"]
    )
    assert "pets@1 has 2" in error["message"]


def test_a_body_that_is_not_json_is_a_problem(api: Api):
    headers = {"content-type": "application/json"}
    response = api.post("/api/v1/runs", content=b"{", headers=headers)
    assert "not JSON" in problem_of(response, 422)["detail"]


@pytest.mark.parametrize(
    ("training", "every_steps", "rounds", "smallest"),
    [
        ({"steps": 10_000_000}, 1, "10,000,000", 5000),
        ({"steps": 10_000_000}, 4999, "2,001", 5000),
        # The end of the warm-up is a boundary of its own where it is no multiple.
        ({"steps": 4000, "warm_up_steps": 1}, 2, "2,001", 3),
    ],
)
def test_more_rounds_than_anybody_can_look_at_are_refused_with_the_smallest_feasible_value(
    training: dict, every_steps: int, rounds: str, smallest: int, api: Api, spec: dict
):
    changed = spec | {"training": training, "ranking": {"every_steps": every_steps}}
    (error,) = problem_of(api.post("/api/v1/runs", json=changed), 422)["errors"]
    assert error["field"] == "ranking.every_steps"
    assert f"makes {rounds} rounds" in error["message"]
    assert error["message"].endswith(f"the smallest feasible value is {smallest}")
    changed["ranking"]["every_steps"] = smallest
    assert api.post("/api/v1/runs", json=changed).status_code == 201


@pytest.mark.parametrize("warm_up_steps", [0, 1, 20, 25, 99])
@pytest.mark.parametrize("every_steps", [1, 7, 20, 50, 99, 100, 101])
def test_rounds_are_counted_as_they_are_listed(warm_up_steps: int, every_steps: int, spec: dict):
    training = {"steps": 100, "warm_up_steps": warm_up_steps}
    changed = spec | {"training": training, "ranking": {"every_steps": every_steps}}
    made = RunSpec.model_validate(changed)
    assert num_live_rounds(made.training, every_steps) == len(round_boundaries(made))


def test_a_runs_name_is_stripped(api: Api, spec: dict):
    run = api.post("/api/v1/runs", json=spec | {"name": " \u00a0 first \n"}).json()
    assert (run["name"], run["spec"]["name"]) == ("first", "first")
    patched = api.patch(f"/api/v1/runs/{run['id']}", json={"name": "\tsecond "}).json()
    assert patched["name"] == "second"


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x07", "\x9b31m", "a\u2028b", "x" * 101])
def test_a_name_that_is_no_line_of_text_is_refused(name: str, api: Api, spec: dict):
    assert fields_of(api.post("/api/v1/runs", json=spec | {"name": name})) == ["name"]
    run = api.post("/api/v1/runs", json=spec).json()
    assert fields_of(api.patch(f"/api/v1/runs/{run['id']}", json={"name": name})) == ["name"]


def test_a_note_may_have_lines_but_no_nul(api: Api, spec: dict):
    address = f"/api/v1/runs/{api.post('/api/v1/runs', json=spec).json()['id']}"
    assert api.patch(address, json={"note": "a\nb"}).json()["note"] == "a\nb"
    assert fields_of(api.patch(address, json={"note": "a\0b"})) == ["note"]


class TestTruth:
    @pytest.fixture
    def measured(self, stocked: Database) -> Database:
        """A benchmark with accuracies on two datasets, and one without any."""
        accuracies = f"architecture,a/accuracy,b/accuracy,flops\n{CONV},90,20,1\n{SKIP},80,30,2\n"
        add_csv(stocked, "two", accuracies)
        add_csv(stocked, "costs", f"architecture,flops\n{CONV},1\n")
        return stocked

    def test_a_run_names_the_column_that_it_is_compared_with(
        self, api: Api, measured: Database, spec: dict
    ):
        chosen = spec | {"benchmark": "two", "benchmark_column": "b/accuracy"}
        assert api.post("/api/v1/runs", json=chosen).json()["benchmark_column"] == "b/accuracy"
        without = api.post("/api/v1/runs", json=spec | {"benchmark": "two"}).json()
        assert without["benchmark_column"] == "a/accuracy"
        assert without["spec"]["benchmark_column"] is None

    @pytest.mark.parametrize("column", ["accuracy", "c/accuracy"])
    def test_an_unknown_column_is_refused_with_the_known_ones(
        self, column: str, api: Api, measured: Database, spec: dict
    ):
        error = error_of(api, spec | {"benchmark": "two", "benchmark_column": column})
        assert error["field"] == "benchmark_column"
        assert error["message"].endswith("known: a/accuracy, b/accuracy")

    def test_a_column_that_is_no_accuracy_is_no_ground_truth(
        self, api: Api, measured: Database, spec: dict
    ):
        error = error_of(api, spec | {"benchmark": "two", "benchmark_column": "flops"})
        assert error["field"] == "benchmark_column"

    def test_a_benchmark_without_accuracies_is_no_ground_truth(
        self, api: Api, measured: Database, spec: dict
    ):
        error = error_of(api, spec | {"benchmark": "costs"})
        assert error["field"] == "benchmark"
        assert "only flops" in error["message"]

    def test_a_column_needs_a_benchmark(self, api: Api, spec: dict):
        error = error_of(api, spec | {"benchmark": None, "benchmark_column": "accuracy"})
        assert error["field"] == "benchmark_column"
