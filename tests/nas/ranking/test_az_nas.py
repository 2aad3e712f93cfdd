"""AZ-NAS is the rank sum of its four proxies, which a run has to have."""

import numpy as np
import pytest
from pydantic import ValidationError

from nas.ranking.reference import Measured, reference_sample
from nas.ranking.scorers.az_nas import COMPONENTS, AzNasScorer
from nas.ranking.scorers.rank_sum import RankSumScorer
from nas.ranking.spec import RankingSpec
from nas.spaces import catalogue

SPACE = catalogue()["digits-mini"]


def test_az_nas_is_the_rank_sum_of_its_components() -> None:
    sample = reference_sample(SPACE, 50)
    scores = np.random.default_rng(0).normal(size=(50, 4))
    measured = Measured(SPACE, sample, np.zeros(50, dtype=np.int64), scores)
    found = AzNasScorer().combined(measured, None, measured)
    assert found.tolist() == RankSumScorer().combined(measured, None, measured).tolist()


def test_a_run_has_to_have_its_components() -> None:
    scorers = [{"kind": kind} for kind in COMPONENTS]
    spec = RankingSpec.model_validate({"scorers": [*scorers, {"kind": "az-nas"}]})
    (az_nas,) = spec.combined_scorers
    measured = [scorer.kind for scorer in spec.measured_scorers]
    assert az_nas.components(measured) == COMPONENTS
    with pytest.raises(ValidationError, match="add trainability to") as refused:
        RankingSpec.model_validate({"scorers": [*scorers[:2], scorers[3], {"kind": "az-nas"}]})
    assert refused.value.errors()[0]["loc"] == ("scorers", 3, "az-nas", "kind")
