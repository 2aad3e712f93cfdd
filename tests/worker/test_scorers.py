"""A run with scorers of every kind: what it stores at the end, and what in live rounds."""

import math

import pytest

from backend.runs import results
from nas.plugin import concrete_subclasses
from nas.ranking.scorers.base import Scorer
from nas.spec import RunSpec
from tests.worker.running import run_to_end
from tests.worker.support import Deployment, add_truth, tiny_spec

PACKAGE = "nas.ranking.scorers"
SMALL = {"width": 4, "cells_per_stage": 1}
SCORERS = [
    {"kind": "loss"},
    {"kind": "flops"},
    {"kind": "synflow", **SMALL},
    {"kind": "naswot", "batch_size": 8, **SMALL},
    {"kind": "expressivity", "batch_size": 8, **SMALL},
    {"kind": "progressivity", "batch_size": 8, **SMALL},
    {"kind": "trainability", "batch_size": 8, **SMALL},
    {"kind": "ntk-min-eigenvalue", "batch_size": 8, "num_initialisations": 1, **SMALL},
    {"kind": "zico", "batch_size": 8},
    {"kind": "sigeo", "batch_size": 8},
    {"kind": "accuracy"},
    {"kind": "live-conv-params"},
    {"kind": "nonlinearity-count"},
    {"kind": "az-nas"},
    {"kind": "rank-sum", "of": ["naswot", "synflow"]},
]


@pytest.fixture
def spec() -> RunSpec:
    return tiny_spec(
        benchmark="ordered",
        ranking={"scorers": SCORERS, "reference_architectures": 8},
        search={"kind": "random", "budget": 6, "scorer": "naswot"},
    )


def test_a_run_ends_with_finite_scores_and_a_correlation_of_every_scorer(
    embedded: Deployment, spec: RunSpec
) -> None:
    add_truth(embedded.db)
    run_id = embedded.create(spec)
    run_to_end(embedded, run_id)
    assert embedded.state(run_id) == "succeeded"
    kinds = {scorer.kind for scorer in spec.ranking.scorers}
    # The calibrated one needs landmarks besides.
    every = {one.model_fields["kind"].default for one in concrete_subclasses(Scorer, PACKAGE)}
    assert kinds == every - {"calibrated"}
    with embedded.db.reading() as session:
        scores = results.scores(session, run_id)
        correlations = results.correlations(session, run_id)
        candidates = results.candidates(session, run_id)
    assert all(math.isfinite(row.score) for row in scores)
    final = [row for row in scores if row.stage == "final" and row.ranked]
    assert {row.scorer: 0 for row in final} == dict.fromkeys(kinds, 0)
    for kind in kinds:
        assert sum(row.scorer == kind for row in final) == spec.ranking.num_architectures
    overall = {
        row.scorer: row for row in correlations if (row.stage, row.scope) == ("final", "overall")
    }
    assert set(overall) == kinds
    assert all(row.tau is not None for row in overall.values())
    # Live rounds: supernet scorers alone.
    live = {"loss", "accuracy"}
    assert {row.scorer for row in scores if row.stage == "live"} == live
    assert {row.scorer for row in correlations if row.stage == "live"} == live
    # The search maximised an untrained score, one that the ranking has too where it looked.
    ranked = {row.architecture: row.score for row in final if row.scorer == "naswot"}
    assert len(candidates) == 6
    found = {row.architecture: row.score for row in candidates}
    assert found.keys() & ranked.keys()
    for architecture in found.keys() & ranked.keys():
        assert found[architecture] == ranked[architecture]

    conditions = {kind: row.conditions for kind, row in overall.items()}
    assert conditions["loss"]["split"] == "validation"
    assert conditions["flops"]["images"] == 0
    assert (conditions["naswot"]["split"], conditions["naswot"]["images"]) == ("train", 8)
    assert "untrained, width 4" in conditions["synflow"]["network"]
    assert conditions["zico"]["images"] == 32
    # Combined scores rest on what is combined: neither of these has seen a validation image.
    for kind, split in (("az-nas", "none: noise"), ("rank-sum", "train")):
        assert (conditions[kind]["split"], conditions[kind]["images"]) == (split, 8)
