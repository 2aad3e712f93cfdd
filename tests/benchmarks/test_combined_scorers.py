"""What combined scorers are measured on."""

from types import SimpleNamespace

import combined_scorers
from measuring.execution import correlate

from nas.spaces import catalogue
from nas.spec import RunSpec


def test_combined_scorers_are_measured_on_what_is_no_landmark() -> None:
    space = catalogue()["digits-mini"]
    content = {"name": "x", "space": space.name, "dataset": "digits", "training": {"steps": 1}}
    ranking = {"scorers": [{"kind": kind} for kind in combined_scorers.MEASURED]}
    spec = RunSpec.model_validate({**content, "ranking": ranking})
    codes = [space.encode(member) for member in space.enumerate() if space.is_valid(member)]
    worth = {code: float(place) for place, code in enumerate(codes)}
    experiment = SimpleNamespace(partition=spec.partition(space), spec=spec, space=space)
    done = SimpleNamespace(
        experiment=experiment, scores=dict.fromkeys(combined_scorers.MEASURED, worth)
    )
    landmarks = {code: 40 + worth[code] / 3 for code in codes[::6]}
    others = [code for code in codes if code not in landmarks]
    for scorer in combined_scorers.COMBINED.values():
        scores, left_out = combined_scorers.combined_scores(done, scorer, landmarks, others)
        assert list(scores) == others
        assert correlate(space, scores, worth, None).tau.value > 0.8
        assert (left_out is not None) == scorer.needs_landmarks
