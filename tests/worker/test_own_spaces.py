"""Search spaces of somebody's own: sent to the API as text, and executed by the worker."""

import pytest
import yaml

from backend.app import close_api, create_app
from nas.experiment import Experiment
from nas.ranking.scoring import score
from nas.training.state import TrainState
from tests.backend.api import Api
from tests.nas.test_own_spaces import CELL, CHAIN
from tests.worker.running import artifacts, run_to_end
from tests.worker.support import Deployment
from worker import checkpoints
from worker.loading import load_run

API = "/api/v1"
STEPS, BUDGET, RANKED = 12, 6, 10


@pytest.fixture
def api(embedded: Deployment) -> Api:
    """The API over the database that the worker reads."""
    app = create_app(embedded.settings, embedded.db)
    close_api(app)
    return Api(app)


def spec_of(name: str) -> dict:
    return {
        "name": "own",
        "space": name,
        "dataset": "digits",
        "splitter": {"kind": "nonlinearity", "num_subspaces": 2},
        "supernet": {"width": 4},
        "training": {"steps": STEPS, "warm_up_steps": 6, "batch_size": 16},
        "ranking": {
            "num_architectures": RANKED,
            "live_architectures": 4,
            "every_steps": 6,
            "num_images": 60,
            "live_images": 60,
            "batch_size": 30,
        },
        "search": {"kind": "evolution", "budget": BUDGET},
    }


def trained(
    deployment: Deployment, experiment: Experiment, run_id: int, subspace: int
) -> TrainState:
    newest = artifacts(deployment, run_id, f"train-{subspace}")[0]
    data = checkpoints.read_checked(deployment.settings.artifact_folder, newest)
    return TrainState.from_bytes(experiment, data)


@pytest.mark.parametrize("text", [CELL, CHAIN], ids=["cell", "layered"])
def test_a_run_on_an_uploaded_space_trains_ranks_and_searches(
    api: Api, embedded: Deployment, text: str
) -> None:
    sent = yaml.safe_load(text)
    name, pinned = sent["name"], f"{sent['name']}@1"
    headers = {"Content-Type": "application/yaml"}
    stored = api.post(f"{API}/search-spaces", content=text, headers=headers)
    assert (stored.status_code, stored.json()["kind"]) == (201, sent["kind"])
    queued = api.post(f"{API}/runs", json=spec_of(name))
    assert queued.status_code == 201, queued.text
    run_id = queued.json()["id"]
    # A newer version leaves the run on the one that it was made for.
    newer = text.replace("image_size: 8", "image_size: 16")
    assert api.post(f"{API}/search-spaces", content=newer, headers=headers).json()["version"] == 2

    run_to_end(embedded, run_id)

    run = f"{API}/runs/{run_id}"
    found = api.get(run).json()
    assert (found["state"], found["space"]) == ("succeeded", pinned), embedded.messages(run_id)
    units = {unit["key"]: unit for unit in api.get(f"{run}/units").json()["items"]}
    assert units.keys() == {
        *("partition", "warm-up", "search"),
        *(f"train-{subspace}" for subspace in range(2)),
        *(f"rank-{subspace}-0" for subspace in range(2)),
        *(f"evaluate-{helper}" for helper in range(3)),
    }
    assert {unit["state"] for unit in units.values()} == {"done"}
    assert all(units[f"train-{subspace}"]["progress"] > 0 for subspace in range(2))

    with embedded.db.reading() as session:
        experiment = load_run(session, embedded.settings, run_id).experiment
    space, partition = experiment.space, experiment.partition
    uploaded = api.get(f"{API}/search-spaces/{pinned}").json()["definition"]
    assert space.model_dump(mode="json") == uploaded
    scores = api.get(f"{run}/scores?stage=final").json()["items"]
    candidates = api.get(f"{run}/candidates").json()["items"]
    assert len({row["architecture"] for row in scores}) == RANKED
    assert len(candidates) == BUDGET
    supernets = [trained(embedded, experiment, run_id, subspace) for subspace in range(2)]
    for row in (*scores, *candidates):
        architecture = space.decode(row["architecture"])
        assert space.is_valid(architecture)
        assert partition.route(architecture) == row["subspace"]
        state, scorers = supernets[row["subspace"]], experiment.spec.ranking.scorers
        (expected,) = score(state.supernet, architecture, experiment.scoring_images, scorers)
        assert row["score"] == expected
    for row in candidates:
        assert row["flops"] == space.flops(space.decode(row["architecture"]))
