"""How the demo's ranking is measured."""

import demo_ranking
import pytest

from nas.spec import RunSpec
from tests.benchmarks.prepared import shortened
from tests.benchmarks.printed import Place


class TestDemoRanking:
    def test_a_seed_is_measured_on_the_experiment_of_the_demo(self, place: Place) -> None:
        short = shortened(demo_ranking.SPEC, place, steps=30, warm_up_steps=12)
        place.replace(demo_ranking, SPEC=short)
        row = demo_ranking.measure(3)
        assert RunSpec.model_validate(row["spec"]).seed == 3
        assert [part["label"] for part in row["subspaces"]] == ["count 0", "count 1", "count 2"]
        assert sum(part["valid"] for part in row["subspaces"]) == 116
        assert row["updates"]["warm-up"] == 12
        assert sum(row["updates"].values()) == 30
        assert row["loss"]["num_architectures"] == row["accuracy"]["num_architectures"] == 12
        assert row["count_alone_tau"] == pytest.approx(0.4375, abs=1e-3)
