import random
from collections import Counter

import pytest
from pydantic import ValidationError

from nas.errors import InfeasiblePartition, InfeasibleSupernet
from nas.partition.accumulated import (
    BankedPartition,
    Banks,
    accumulated_partition,
    bank_spans,
)
from nas.partition.none import NoneSplitter
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.partition.random import RandomSplitter
from nas.partition.routing import Routing
from nas.spaces import catalogue
from nas.spec import RunSpec

NB201 = catalogue()["nas-bench-201"]
SPEC = {"name": "a", "space": "nas-bench-201", "dataset": "digits", "training": {"steps": 10}}


def split(thresholds: tuple[int, ...], shared_cells: int = 0) -> BankedPartition:
    splitter = NonlinearitySplitter(num_subspaces=len(thresholds) + 1, thresholds=thresholds)
    return accumulated_partition(splitter, NB201, cells_per_stage=5, shared_cells=shared_cells)


# Bank by depth, as (first depth, last depth): bank; depths that are not named have bank 0.
BANK_TABLE = [
    ((25,), 5, {2: {(13, 15): 1}, 3: {(9, 15): 1}}),
    ((20,), 5, {2: {(11, 15): 1}, 3: {(7, 15): 1}}),
    ((15,), 5, {2: {(8, 15): 1}, 3: {(6, 15): 1}}),
    ((15, 20), 5, {2: {(8, 10): 1, (11, 15): 2}, 3: {(6, 6): 1, (7, 15): 2}}),
    ((15, 30), 5, {2: {(8, 15): 1}, 3: {(6, 10): 1, (11, 15): 2}}),
    (
        (10, 20, 30),
        0,
        {
            1: {(11, 15): 1},
            2: {(6, 10): 1, (11, 15): 2},
            3: {(4, 6): 1, (7, 10): 2, (11, 15): 3},
        },
    ),
]


@pytest.mark.parametrize(("thresholds", "shared_cells", "expected"), BANK_TABLE)
def test_methods_2_11_3_the_bank_table_of_the_released_code(
    thresholds: tuple[int, ...],
    shared_cells: int,
    expected: dict[int, dict[tuple[int, int], int]],
) -> None:
    partition = split(thresholds, shared_cells)
    rng = random.Random(0)
    for count in range(4):
        cell = NB201.sample(rng, {count})
        for depth in range(1, 16):
            banks = [
                bank
                for (first, last), bank in expected.get(count, {}).items()
                if first <= depth <= last
            ]
            assert partition.route(cell, depth) == (banks or [0])[0], (count, depth)


def test_subspaces_are_the_counts_with_the_same_bank_at_every_depth() -> None:
    partition = split((15, 20), shared_cells=5)
    assert [subspace.labels for subspace in partition.subspaces] == [{0, 1}, {2}, {3}]
    assert [subspace.title for subspace in partition.subspaces] == [
        "count 0-1, banks 0",
        "count 2, banks 0-1-2",
        "count 3, banks 0-1-2",
    ]
    owners = Counter(partition.route(cell) for cell in NB201.enumerate())
    assert owners == {0: 1983 + 7122, 1: 5520, 2: 1000}
    assert [subspace.size.all for subspace in partition.subspaces] == [9105, 5520, 1000]


def test_the_bank_of_every_depth_is_written_in_spans() -> None:
    assert bank_spans(Banks((15, 20), 15, 5).profile(2)) == ((1, 7, 0), (8, 10, 1), (11, 15, 2))
    assert bank_spans((1,)) == ((1, 1, 1),)
    assert bank_spans(()) == ()


def test_every_bank_and_only_what_is_read_exists_in_a_cell() -> None:
    banks = split((15, 20), shared_cells=5).banks
    assert banks.num_banks == 3
    expected = [
        {bank for count in range(4) for bank in [banks.bank(count, depth)]}
        for depth in range(1, 16)
    ]
    assert [set(held) for held in banks.by_cell(NB201)] == expected


def test_a_run_tells_its_sub_spaces_not_its_banks() -> None:
    # Two banks, but three profiles: counts 2 and 3 leave bank 0 at another depth.
    document = {
        **SPEC,
        "splitter": {"kind": "nonlinearity", "num_subspaces": 2, "thresholds": [25]},
        "supernet": {"routing": "accumulated", "cells_per_stage": 5, "shared_cells": 5},
    }
    spec = RunSpec.model_validate(document)
    assert spec.subspace_count(NB201) == len(spec.partition(NB201).subspaces) == 3
    private = RunSpec.model_validate({**document, "supernet": {}, "splitter": {"kind": "none"}})
    assert private.subspace_count(NB201) == 1


@pytest.mark.parametrize("splitter", [NoneSplitter(), RandomSplitter(num_subspaces=2)])
def test_banks_need_thresholds_of_counts(splitter) -> None:
    routing = Routing(routing="accumulated", cells_per_stage=5)
    with pytest.raises(InfeasiblePartition, match="of kind nonlinearity") as refused:
        routing.partition(splitter, NB201)
    assert refused.value.parameter == "kind"
    assert len(Routing().partition(splitter, NB201).subspaces) == splitter.subspace_count(NB201)


def test_banks_need_cells() -> None:
    routing = Routing(routing="accumulated")
    with pytest.raises(InfeasibleSupernet, match="mobilenet-proxyless has none") as refused:
        routing.partition(NonlinearitySplitter(), catalogue()["mobilenet-proxyless"])
    assert refused.value.parameter == "routing"


@pytest.mark.parametrize(
    ("splitter", "parameter"),
    [
        (NonlinearitySplitter(count="total"), "count"),
        (NonlinearitySplitter(num_subspaces=2, sets=((1,),)), "sets"),
    ],
)
def test_banks_compare_effective_counts_with_thresholds(splitter, parameter: str) -> None:
    with pytest.raises(InfeasiblePartition, match="running effective count") as refused:
        accumulated_partition(splitter, NB201, cells_per_stage=5, shared_cells=0)
    assert refused.value.parameter == parameter


def test_automatic_thresholds_scale_with_depth() -> None:
    splitter = NonlinearitySplitter(num_subspaces=2)
    assert splitter.split(NB201).thresholds == (1,)
    partition = accumulated_partition(splitter, NB201, cells_per_stage=5, shared_cells=0)
    assert partition.thresholds == (15,)
    cell = NB201.sample(random.Random(0), {2})
    assert partition.route(cell, 15) == splitter.split(NB201).route(cell) == 1


def test_a_bank_that_no_architecture_reaches_is_refused() -> None:
    with pytest.raises(
        InfeasiblePartition, match=r"reaches bank 1 of .* at most at 45"
    ) as refused:
        split((45,))
    assert refused.value.parameter == "thresholds"
    with pytest.raises(InfeasiblePartition, match="reaches bank 1 of"):
        split((15, 16), shared_cells=15)


def test_a_bank_that_is_skipped_is_refused() -> None:
    # Counts 1, 2 and 3 pass 30 and 31 in the same step, so nobody stops in between.
    assert Banks((30, 31), 15).profile(2)[14] == 0
    assert {bank for count in (1, 2, 3) for bank in Banks((13, 14), 15, 14).profile(count)} == {
        0,
        2,
    }
    with pytest.raises(InfeasiblePartition, match="reaches bank 1 of"):
        split((13, 14), shared_cells=14)


def test_a_run_with_banks_takes_thresholds_and_no_warm_up() -> None:
    banked = {**SPEC, "supernet": {"routing": "accumulated", "cells_per_stage": 5}}
    spec = RunSpec.model_validate(banked | {"splitter": {"kind": "nonlinearity"}})
    partition = spec.partition(NB201)
    assert isinstance(partition, BankedPartition)
    assert partition.banks == Banks((0, 15), 15)
    for change, message in [
        ({"splitter": {"kind": "none"}}, "splitter must be of kind nonlinearity"),
        ({"training": {"steps": 10, "warm_up_steps": 5}}, "must be 0 for routing accumulated"),
        ({"supernet": {"shared_cells": 2}}, "shared_cells 2 needs routing accumulated"),
    ]:
        with pytest.raises(ValidationError, match=message):
            RunSpec.model_validate(banked | change)
