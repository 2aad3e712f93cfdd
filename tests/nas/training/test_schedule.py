import math
import random

import pytest
import torch
from pydantic import ValidationError

from nas.spaces import catalogue
from nas.spec import RunSpec
from nas.training.schedule import Schedule

SPACE = catalogue()["nas-bench-201"]
NUM_IMAGES = 100


def schedule(**training: object) -> Schedule:
    spec = RunSpec.model_validate(
        {
            "name": "schedule",
            "space": SPACE.name,
            "dataset": "digits",
            "seed": 3,
            "splitter": {"kind": "nonlinearity", "num_subspaces": 3, "thresholds": [1, 2]},
            "training": {"steps": 40, "batch_size": 8, "learning_rate": 0.2, **training},
        }
    )
    return Schedule(spec, spec.splitter.split(SPACE), NUM_IMAGES)


def drawn(source: Schedule, step: int) -> tuple[object, ...]:
    return (
        source.routes(step),
        tuple(source.image_indices(step).tolist()),
        torch.rand(2, generator=source.augmentation(step)).tolist(),
    )


def test_a_step_is_the_same_in_whatever_order_steps_are_asked_for() -> None:
    steps = list(range(40))
    in_order = schedule()
    expected = [drawn(in_order, step) for step in steps]
    shuffled = random.Random(0).sample(steps, len(steps))
    other = schedule()
    found = {step: drawn(other, step) for step in shuffled}
    assert [found[step] for step in steps] == expected


def test_the_first_steps_of_a_longer_schedule_are_those_of_a_shorter_one() -> None:
    short, long = schedule(steps=40), schedule(steps=4000, warm_up_steps=7)
    assert [drawn(short, step) for step in range(40)] == [drawn(long, step) for step in range(40)]


def test_another_seed_draws_other_steps() -> None:
    one = schedule()
    other = Schedule(one._spec.model_copy(update={"seed": 4}), one._partition, NUM_IMAGES)
    assert [drawn(one, step) for step in range(5)] != [drawn(other, step) for step in range(5)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "supernet-balanced",
            [
                "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"
                "+|nor_conv_3x3~0|skip_connect~1|nor_conv_3x3~2|",
                "|nor_conv_1x1~0|+|nor_conv_1x1~0|avg_pool_3x3~1|"
                "+|nor_conv_1x1~0|skip_connect~1|nor_conv_1x1~2|",
            ],
        ),
        (
            "uniform",
            [
                "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|avg_pool_3x3~2|",
                "|skip_connect~0|+|nor_conv_3x3~0|nor_conv_1x1~1|"
                "+|none~0|skip_connect~1|avg_pool_3x3~2|",
            ],
        ),
    ],
)
def test_steps_of_one_architecture_are_those_recorded(kind: str, expected: list[str]) -> None:
    # Another label of the stream or order of draws would change the weights of every spec.
    source = schedule(sampler={"kind": kind})
    drawn_codes = [SPACE.encode(source.routes(step)[0].architecture) for step in (0, 1)]
    assert drawn_codes == expected


def test_an_architecture_belongs_to_the_subspace_it_is_routed_to() -> None:
    source = schedule()
    partition = source._partition
    for step in range(60):
        for route in source.routes(step):
            assert partition.route(route.architecture) == route.subspace


def test_an_epoch_shows_no_image_twice() -> None:
    source = schedule()
    # 12 whole batches of 8 fit into 100 images.
    epoch = torch.cat([source.image_indices(step) for step in range(12)])
    assert len(epoch.unique()) == 96
    assert 0 <= int(epoch.min()) <= int(epoch.max()) < NUM_IMAGES
    following = torch.cat([source.image_indices(step) for step in range(12, 24)])
    assert not torch.equal(epoch, following)


def test_a_batch_larger_than_the_split_is_the_whole_split() -> None:
    source = schedule(batch_size=300)
    assert sorted(source.image_indices(5).tolist()) == list(range(NUM_IMAGES))


def test_the_cosine_ends_at_the_final_learning_rate(make_experiment) -> None:
    experiment = make_experiment(learning_rate=0.025, final_learning_rate=0.001, steps=1000)
    schedule = Schedule(experiment.spec, experiment.partition, 100)
    assert schedule.learning_rate(0) == pytest.approx(0.025)
    assert schedule.learning_rate(500) == pytest.approx((0.025 + 0.001) / 2)
    # 0.001 + 0.024 (1 + cos(0.999 pi)) / 2
    assert schedule.learning_rate(999) == pytest.approx(0.0010000592, abs=1e-9)


def test_a_final_learning_rate_above_the_first_is_refused(make_experiment) -> None:
    with pytest.raises(ValidationError, match=r"0\.2 is above learning_rate 0\.1"):
        make_experiment(learning_rate=0.1, final_learning_rate=0.2)


def test_the_learning_rate_is_one_cosine_over_all_steps_warm_up_included() -> None:
    source = schedule(steps=40, warm_up_steps=20)
    assert source.learning_rate(0) == 0.2
    assert source.learning_rate(20) == pytest.approx(0.1)
    assert source.learning_rate(10) == pytest.approx(0.1 * (1 + math.sqrt(0.5)))
    assert 0 < source.learning_rate(39) < 0.001
