"""Which supernets a run can start from, and why not from others."""

from typing import Any

import pytest

from nas.errors import InfeasibleInheritance
from nas.spaces import catalogue
from nas.spec import RunSpec
from nas.supernets.donors import Donor, Trained, donors

BY_COUNT = {"kind": "nonlinearity", "num_subspaces": 3}
BY_CHANCE = {"kind": "random", "num_subspaces": 3}
UNDIVIDED = {"kind": "none"}
BANKS = {"routing": "accumulated", "cells_per_stage": 3}
THREE = {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [3]}


def trained(
    splitter: dict[str, Any],
    width: Any = 8,
    *,
    warm_up: int = 0,
    space: str = "nas-bench-201",
    classes: int = 10,
    channels: int = 1,
    **supernet: Any,
) -> Trained:
    spec = RunSpec.model_validate(
        {
            "name": "run",
            "space": space,
            "dataset": "digits",
            "splitter": splitter,
            "supernet": {"width": width, **supernet},
            "training": {"steps": 100, "warm_up_steps": warm_up},
        }
    )
    partition = spec.partition(catalogue()[space])
    shape = spec.supernet.shape(image_channels=channels, num_classes=classes)
    return Trained(spec.supernet.supernets(partition, shape), warms_up=warm_up > 0)


def own(*widths: int) -> dict[int | None, Donor]:
    return {index: Donor("train", index, width) for index, width in enumerate(widths)}


WARM = Donor("warm-up", None, 16)


@pytest.mark.parametrize(
    ("source", "heir", "expected"),
    [
        # The same partition: each from its own, a warm-up or not.
        (trained(BY_COUNT), trained(BY_COUNT), own(8, 8, 8)),
        (trained(BY_COUNT, [9, 8, 7]), trained(BY_COUNT, [9, 6, 7]), own(9, 8, 7)),
        (trained(BY_COUNT, warm_up=9), trained(BY_COUNT), own(8, 8, 8)),
        (
            trained(BY_COUNT),
            trained({**BY_COUNT, "thresholds": [0, 1]}),  # what is found automatically
            own(8, 8, 8),
        ),
        # One supernet for all: an undivided space, or the warm-up.
        (trained(UNDIVIDED), trained(UNDIVIDED), own(8)),
        (trained(UNDIVIDED), trained(BY_COUNT, 5), dict.fromkeys(range(3), Donor("train", 0, 8))),
        (
            trained(BY_COUNT, parent_width=16, warm_up=9),
            trained(BY_CHANCE, 16),
            dict.fromkeys(range(3), WARM),
        ),
        # A warm-up starts from one supernet.
        (trained(UNDIVIDED), trained(BY_COUNT, warm_up=9), {None: Donor("train", 0, 8)}),
        (
            trained(BY_COUNT, parent_width=16, warm_up=9),
            trained(BY_COUNT, parent_width=12, warm_up=9),
            {None: WARM},
        ),
        # Weight banks.
        (trained(UNDIVIDED, cells_per_stage=3), trained(THREE, **BANKS), {None: own(8)[0]}),
        (
            trained(THREE, 9, **BANKS),
            trained(THREE, **BANKS),
            {None: Donor("train", None, 9)},
        ),
    ],
)
def test_who_inherits_from_whom(
    source: Trained, heir: Trained, expected: dict[int | None, Donor]
) -> None:
    assert donors(source, heir) == expected


@pytest.mark.parametrize(
    ("source", "heir", "said"),
    [
        (
            trained(UNDIVIDED, 7),
            trained(UNDIVIDED),
            "supernet 0 of width 7 cannot fill one of wid",
        ),
        (trained(BY_COUNT, [8, 7, 8]), trained(BY_COUNT), "supernet 1 of width 7 cannot"),
        (trained(UNDIVIDED), trained(BY_COUNT, 4, parent_width=9, warm_up=1), "parent_width at m"),
        (trained(BY_COUNT), trained(BY_CHANCE), "had no warm-up; this run divides the space othe"),
        (trained(BY_COUNT), trained(BY_COUNT, warm_up=1), "leave training.warm_up_steps at 0"),
        (
            trained(THREE, **BANKS),
            trained(UNDIVIDED, cells_per_stage=3),
            "one supernet with weight",
        ),
        (
            trained(THREE, **BANKS),
            trained({**THREE, "thresholds": [4]}, **BANKS),
            "one supernet with weight banks",
        ),
        (
            trained(UNDIVIDED, space="digits-mini"),
            trained(UNDIVIDED),
            "another one, digits-mini, not nas-bench-201",
        ),
        (trained(UNDIVIDED, channels=3), trained(UNDIVIDED), "made for channels of an image 3"),
        (trained(UNDIVIDED, classes=3), trained(UNDIVIDED), "made for classes 3, and those of"),
        (trained(UNDIVIDED, cells_per_stage=2), trained(UNDIVIDED), "made for cells per stage 2"),
        (trained(UNDIVIDED, reduction="residual"), trained(UNDIVIDED), "made for reduction resid"),
    ],
)
def test_what_does_not_fit_is_said(source: Trained, heir: Trained, said: str) -> None:
    with pytest.raises(InfeasibleInheritance) as error:
        donors(source, heir)
    assert said in str(error.value)


def test_a_space_of_the_same_name_with_other_content_is_another_space() -> None:
    source, heir = trained(UNDIVIDED), trained(UNDIVIDED)
    space = heir.supernets.partition.space
    changed = space.model_copy(update={"operations": space.operations[:4]})  # type: ignore[attr-defined]
    object.__setattr__(heir.supernets.partition, "space", changed)
    with pytest.raises(InfeasibleInheritance, match="another one, of other content"):
        donors(source, heir)
