"""The recipes that are compared."""

import ranking_quality
from measuring.arms import ABLATION
from measuring.scored import LOSS

from nas.spaces import catalogue


def test_arms_differ_in_what_their_names_say() -> None:
    specs = {arm.name: arm.spec("nas-bench-201-cifar10", 5, [LOSS]) for arm in ABLATION}
    steps = {name: spec.training.steps for name, spec in specs.items()}
    assert {name: number for name, number in steps.items() if number != 24_000} == {
        "narrow-balanced": 24_001,
        "narrow-balanced-landmarks": 24_001,
        "warm-private-all-equal-passes": 8_000,
    }
    passes = {name: ranking_quality._passes(spec) for name, spec in specs.items()}
    assert {name: number for name, number in passes.items() if number != 24_000} == {
        "warm-private-all": 72_000
    }
    assert specs["one-shot"].supernet.width == 16
    assert {spec.supernet.width for name, spec in specs.items() if name != "one-shot"} == {5}
    assert [name for name, spec in specs.items() if spec.landmarks is not None] == [
        "narrow-balanced-landmarks",
        "warm-private-landmarks",
    ]
    space = catalogue()["nas-bench-201"]
    sizes = {
        name: [part.size.valid for part in spec.partition(space).subspaces]
        for name, spec in specs.items()
    }
    by_count = [8_764, 5_520, 1_000]
    assert sizes.pop("one-shot") == sizes.pop("narrow-one-shot") == [15_284]
    assert sizes.pop("random-partition") != by_count
    assert all(found == by_count for found in sizes.values())
