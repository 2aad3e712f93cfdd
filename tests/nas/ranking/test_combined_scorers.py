"""Which scorers a combined one may combine, and the scores of each against plain calculation."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nas.errors import InfeasibleCalibration, ScoreUndefined
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.ranking.combination import combine, learn
from nas.ranking.places import log_rank_sum
from nas.ranking.reference import reference_sample
from nas.ranking.regression import Average
from nas.ranking.scorers.calibrated import CalibratedScorer
from nas.ranking.scorers.rank_sum import RankSumScorer
from nas.ranking.spec import RankingSpec
from nas.spaces import catalogue

SPACE = catalogue()["digits-mini"]
PARTITION = NonlinearitySplitter(num_subspaces=2).split(SPACE)
SAMPLE = reference_sample(SPACE, 40)
MEASURED = [{"kind": "flops"}, {"kind": "nonlinearity-count"}]


def ranking(*scorers: dict[str, Any], **others: Any) -> RankingSpec:
    return RankingSpec.model_validate(
        {"scorers": scorers, "reference_architectures": 40, **others}
    )


def table() -> dict[str, dict[str, float]]:
    """Scores of all valid architectures, random as those of an untrained supernet."""
    rng = np.random.default_rng(0)
    return {
        SPACE.encode(member): {
            "flops": float(SPACE.flops(member)),
            "nonlinearity-count": float(rng.normal()),
        }
        for member in SPACE.enumerate()
        if SPACE.is_valid(member)
    }


@pytest.mark.parametrize(
    ("scorers", "place", "reason"),
    [
        ([{"kind": "rank-sum"}], (0, "rank-sum", "of"), "nothing to combine"),
        ([{"kind": "rank-sum"}, {"kind": "calibrated"}], (0, "rank-sum", "of"), "nothing to"),
        (
            [*MEASURED, {"kind": "rank-sum", "of": ["flops", "loss"]}],
            (2, "rank-sum", "of"),
            "'loss' cannot be combined: it is not among the run's scorers that do not combine "
            r"others, \['flops', 'nonlinearity-count'\]",
        ),
        (
            [*MEASURED, {"kind": "rank-sum", "of": ["rank-sum"]}],
            (2, "rank-sum", "of"),
            "cannot be",
        ),
        (
            [*MEASURED, {"kind": "calibrated", "of": ["rank-sum"]}, {"kind": "rank-sum"}],
            (2, "calibrated", "of"),
            "'rank-sum' cannot be combined",
        ),
        (
            [*MEASURED, {"kind": "rank-sum", "of": ["flops", "flops"]}],
            (2, "rank-sum", "of"),
            "named once",
        ),
        (
            [*MEASURED, {"kind": "rank-sum", "of": ["flops"], "weights": [1, 2]}],
            (2, "rank-sum", "weights"),
            "2 weights for 1 scorers",
        ),
        (
            [*MEASURED, {"kind": "rank-sum", "weights": [1, 2]}],
            (2, "rank-sum", "weights"),
            "2 weights for 0 scorers",
        ),
    ],
)
def test_what_cannot_be_combined_is_refused_at_its_place(scorers, place, reason) -> None:
    with pytest.raises(ValidationError, match=reason) as refused:
        ranking(*scorers)
    assert refused.value.errors()[0]["loc"] == ("scorers", *place)


def test_by_default_every_scorer_that_does_not_combine_is_combined() -> None:
    spec = ranking({"kind": "rank-sum"}, *MEASURED, {"kind": "calibrated", "of": ["flops"]})
    assert [scorer.kind for scorer in spec.measured_scorers] == ["flops", "nonlinearity-count"]
    found = [combine(spec, PARTITION, one, table()).components for one in spec.combined_scorers]
    assert found == [("flops", "nonlinearity-count"), ("flops",)]
    assert spec.live_scorers == ()


def test_live_rounds_and_what_stands_for_a_run_are_those_of_supernets() -> None:
    spec = ranking({"kind": "rank-sum"}, {"kind": "flops"}, {"kind": "loss"})
    assert [scorer.kind for scorer in spec.live_scorers] == ["loss"]
    assert spec.shown_scorer == "loss"


def test_a_rank_sum_reads_the_reference_sample_and_its_weights() -> None:
    scorer = RankSumScorer(of=("nonlinearity-count", "flops"), weights=(1.0, 3.0))
    spec = ranking(*MEASURED, scorer.model_dump())
    scores, members = table(), [SAMPLE[3], SAMPLE[17]]

    def values(architectures) -> np.ndarray:
        rows = [scores[SPACE.encode(member)] for member in architectures]
        return np.array([[row["nonlinearity-count"], row["flops"]] for row in rows])

    found = combine(spec, PARTITION, scorer, scores).scores(members, values(members).tolist())
    expected = log_rank_sum(values(members), values(SAMPLE), (1.0, 3.0))
    assert found == expected.tolist()


def test_a_missing_score_of_the_reference_sample_is_named() -> None:
    scores = table()
    code = SPACE.encode(SAMPLE[5])
    del scores[code]["flops"]
    spec = ranking(*MEASURED, {"kind": "rank-sum"})
    with pytest.raises(ScoreUndefined, match="has no final score by flops") as refused:
        combine(spec, PARTITION, spec.combined_scorers[0], scores)
    assert str(refused.value).startswith(code)


@pytest.mark.parametrize("model", ["gaussian-process", "ridge", "average"])
@pytest.mark.parametrize("features", ["none", "counts", "choices"])
def test_calibration_makes_supernets_of_different_offsets_comparable(model, features) -> None:
    scorer = CalibratedScorer(model=model, architecture_features=features, of=("flops",))
    rng = np.random.default_rng(1)
    scores = table()
    codes = sorted(scores)
    owner = {code: PARTITION.route(SPACE.decode(code)) for code in codes}
    truth = {code: 80 + 5 * float(rng.normal()) for code in codes}
    for code in codes:
        # Each supernet orders its own sub-space rightly, but the second one is far too optimistic.
        scores[code]["flops"] = truth[code] + 20 * owner[code]
    spec = ranking(*MEASURED, scorer.model_dump())
    found = combine(spec, PARTITION, scorer, scores)
    landmarks = {code: truth[code] for code in codes[::4]}
    learned = learn(found, scores, landmarks)
    assert learned is not None
    assert learned.accuracies == tuple(landmarks.values())
    assert learned.regression.target == "logit"
    if isinstance(learned.regression, Average):
        assert model == "average"
        members = learned.regression.members
        assert len(members) == (4 if features == "choices" else 2)
        assert sum(one.process is not None for one in members) == len(members) / 2
        widths = {len(one.coefficients) for one in members if one.process is None}
        assert len(widths) == len(members) / 2
    else:
        assert (learned.regression.process is not None) == (model == "gaussian-process")
    ready = combine(spec, PARTITION, scorer, scores, learned)
    others = [code for code in codes if code not in landmarks]
    predicted = ready.scores(
        [SPACE.decode(code) for code in others], [[scores[code]["flops"]] for code in others]
    )
    raw = [scores[code]["flops"] for code in others]
    expected = [truth[code] for code in others]
    corrected = np.corrcoef(predicted, expected)[0, 1]
    assert corrected > 0.8 > np.corrcoef(raw, expected)[0, 1] + 0.15
    assert learned.left_out_tau is not None
    assert learned.left_out_tau > 0.5
    first, second = learned.regression.offsets
    assert first > second


def test_a_rank_sum_learns_nothing_and_calibration_needs_two_landmarks() -> None:
    scores = table()
    landmarks = dict.fromkeys(list(scores)[:1], 90.0)
    spec = ranking(*MEASURED, {"kind": "rank-sum"}, {"kind": "calibrated"})
    rank_sum, calibrated = (
        combine(spec, PARTITION, scorer, scores) for scorer in spec.combined_scorers
    )
    assert learn(rank_sum, scores, landmarks) is None
    with pytest.raises(InfeasibleCalibration, match="1 landmarks are too few"):
        learn(calibrated, scores, landmarks)
