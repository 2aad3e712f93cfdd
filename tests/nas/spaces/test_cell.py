import random
from collections import Counter
from itertools import combinations, pairwise, product

import pytest
from pydantic import ValidationError
from scipy import stats

from nas.errors import UnknownArchitecture
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Count
from nas.spaces.cell import CellSpace
from nas.spaces.skeleton import Skeleton

NB201 = catalogue()["nas-bench-201"]
DIGITS = catalogue()["digits-mini"]
ALL_OPERATIONS = NB201.choices[0]
# Positions of NAS-Bench-201's edges in an architecture.
E10, E20, E21, E30, E31, E32 = range(6)
NB201_PATHS = ((E30,), (E10, E31), (E20, E32), (E10, E21, E32))
TINY_SKELETON = Skeleton(
    width=2, cells_per_stage=1, num_stages=1, image_size=4, image_channels=1, num_classes=2
)


def cell_space(num_nodes: int, operations: tuple[str, ...]) -> CellSpace:
    return CellSpace(
        name="tiny", num_nodes=num_nodes, operations=operations, skeleton=TINY_SKELETON
    )


SMALL_SPACES = [
    DIGITS,
    NB201,
    cell_space(2, ALL_OPERATIONS),
    cell_space(4, ("none", "nor_conv_3x3")),
    cell_space(4, ("skip_connect", "nor_conv_1x1", "nor_conv_3x3")),
    cell_space(4, ("nor_conv_1x1",)),
    cell_space(5, ("none", "nor_conv_1x1")),
    cell_space(5, ("none", "skip_connect", "nor_conv_1x1")),
]


def all_paths(num_nodes: int) -> list[list[tuple[int, int]]]:
    """Every input-to-output path: 0, any ascending choice of the inner nodes, the last node."""
    inner = range(1, num_nodes - 1)
    stops = [
        (0, *chosen, num_nodes - 1)
        for length in range(num_nodes - 1)
        for chosen in combinations(inner, length)
    ]
    return [list(pairwise(nodes)) for nodes in stops]


def brute_force_count(space: CellSpace, architecture: Architecture) -> int | None:
    """The most nonlinear functions over the paths without `none`; None if there is no path."""
    operation = dict(zip(space.graph.edges, architecture, strict=True))
    counts = [
        sum(operation[edge].startswith("nor_conv") for edge in path)
        for path in all_paths(space.num_nodes)
        if all(operation[edge] != "none" for edge in path)
    ]
    return max(counts, default=None)


def brute_force_live_edges(space: CellSpace, architecture: Architecture) -> tuple[bool, ...]:
    operation = dict(zip(space.graph.edges, architecture, strict=True))
    live = {
        edge
        for path in all_paths(space.num_nodes)
        if all(operation[edge] != "none" for edge in path)
        for edge in path
    }
    return tuple(edge in live for edge in space.graph.edges)


class RankedRandom(random.Random):
    """Answers `randrange(n)` with a given rank, to walk through every outcome of a draw."""

    rank = 0
    total = 0

    def randrange(self, start: int, *args: int) -> int:  # type: ignore[override]
        assert not args
        self.total = start
        return self.rank


def test_methods_2_11_1_histogram_of_nas_bench_201() -> None:
    assert NB201.histogram() == {
        0: Count(all=1983, valid=1642),
        1: Count(all=7122, valid=7122),
        2: Count(all=5520, valid=5520),
        3: Count(all=1000, valid=1000),
    }
    assert sum(count.valid for count in NB201.histogram().values()) == 15_284


def test_methods_2_11_1_legacy_check_accepts_15300_cells() -> None:
    # The released code tests three cut sets and misses {2<-0, 2<-1, 3<-0, 3<-1}.
    cuts = ((E10, E20, E30), (E10, E30, E32), (E30, E31, E32))
    accepted = [
        cell
        for cell in NB201.enumerate()
        if not any(all(cell[edge] == "none" for edge in cut) for cut in cuts)
    ]
    assert len(accepted) == 15_300
    dead = [cell for cell in accepted if not NB201.is_valid(cell)]
    assert len(dead) == 16
    assert all(cell[edge] == "none" for cell in dead for edge in (E20, E21, E30, E31))


def test_methods_2_11_1_legacy_sampler_reaches_15120_cells() -> None:
    # The released sampler draws the edges into nodes 1 and 2 freely and restricts those into node
    # 3: all three are present if both 1<-0 and 2<-0 are none, else one of them is, of which 3<-1
    # does not count if 1<-0 is none. It does not look at 2<-1, so node 2 may be out of reach.
    support = set()
    for cell in NB201.enumerate():
        present = [name != "none" for name in cell]
        into_3 = (present[E30], present[E31], present[E32])
        if not present[E10] and not present[E20]:
            drawn = all(into_3)
        elif not present[E10]:
            drawn = present[E30] or present[E32]
        else:
            drawn = any(into_3)
        if drawn:
            support.add(cell)
    assert len(support) == 15_120
    valid = {cell for cell in NB201.enumerate() if NB201.is_valid(cell)}
    assert len(valid - support) == 180
    assert len(support - valid) == 16


def nb201_cell(**chosen: str) -> Architecture:
    """A cell by its edges, e10 for 1<-0, and so on; edges left out are `none`."""
    names = ("e10", "e20", "e21", "e30", "e31", "e32")
    assert chosen.keys() <= set(names)
    return tuple(chosen.get(name, "none") for name in names)


CONV, CONV1, SKIP, POOL = "nor_conv_3x3", "nor_conv_1x1", "skip_connect", "avg_pool_3x3"


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        pytest.param(nb201_cell(), 0, id="all none"),
        pytest.param(nb201_cell(e30=CONV), 1, id="conv on 3<-0 only"),
        pytest.param(nb201_cell(e10=CONV, e21=CONV1, e32=CONV), 3, id="the longest path alone"),
        pytest.param(
            nb201_cell(e10=CONV, e31=CONV, e32=CONV, e20=SKIP), 2, id="three convs, 2<-1 none"
        ),
        pytest.param(nb201_cell(e10=CONV, e30=SKIP), 0, id="conv into a node without exit"),
        pytest.param(nb201_cell(e31=CONV, e32=CONV, e30=POOL), 0, id="convs without the input"),
        pytest.param(nb201_cell(e10=CONV, e20=CONV, e21=CONV), 0, id="dead cell full of convs"),
        pytest.param((SKIP,) * 6, 0, id="all skip"),
        pytest.param((CONV1,) * 6, 3, id="all conv: the longest path, not the total"),
        pytest.param(nb201_cell(e10=SKIP, e21=CONV, e32=POOL, e30=CONV), 1, id="max of two paths"),
    ],
)
def test_methods_2_11_2_nonlinearity_count_of_single_cells(cell: Architecture, count: int) -> None:
    assert NB201.nonlinearity_count(cell) == count


def test_methods_2_11_2_three_convs_without_2_1_count_at_most_two() -> None:
    for others in product(ALL_OPERATIONS, repeat=2):
        cell = (CONV, others[0], "none", others[1], CONV, CONV)
        assert NB201.nonlinearity_count(cell) <= 2


@pytest.mark.parametrize("space", SMALL_SPACES, ids=lambda s: f"{s.num_nodes}-{s.operations}")
def test_counts_live_edges_and_histogram_agree_with_brute_force_over_paths(
    space: CellSpace,
) -> None:
    every: Counter[int] = Counter()
    valid: Counter[int] = Counter()
    for cell in space.enumerate():
        count = brute_force_count(space, cell)
        assert space.is_valid(cell) == (count is not None)
        assert space.nonlinearity_count(cell) == (count or 0)
        every[count or 0] += 1
        valid[count or 0] += count is not None
    expected = {count: Count(all=every[count], valid=valid[count]) for count in sorted(every)}
    assert space.histogram() == expected
    assert list(space.histogram()) == sorted(every)
    for cell in random.Random(0).sample(list(space.enumerate()), min(300, every.total())):
        assert space.live(cell) == brute_force_live_edges(space, cell)


def test_a_space_too_large_to_enumerate_is_counted_exactly() -> None:
    space = cell_space(7, ALL_OPERATIONS)
    histogram = space.histogram()
    assert sum(count.all for count in histogram.values()) == 5**21
    # Only a path over all seven nodes holds six convolutions: its 6 edges are one of two
    # convolutions each, the other 15 are free.
    assert histogram[6] == Count(all=2**6 * 5**15, valid=2**6 * 5**15)
    architecture = space.sample(random.Random(0), {6})
    assert space.nonlinearity_count(architecture) == 6


@pytest.mark.parametrize("counts", [None, {0}, {1}, {3}, {1, 2}, {0, 7}])
def test_every_random_integer_draws_another_architecture_and_all_of_them(
    counts: set[int] | None,
) -> None:
    rng = RankedRandom()
    drawn = [NB201.sample(rng, counts)]
    for rank in range(1, rng.total):
        rng.rank = rank
        drawn.append(NB201.sample(rng, counts))
    wanted = {
        cell
        for cell in NB201.enumerate()
        if NB201.is_valid(cell) and (counts is None or NB201.nonlinearity_count(cell) in counts)
    }
    assert len(drawn) == len(wanted)
    assert set(drawn) == wanted


@pytest.mark.parametrize("counts", [None, {0}, {1}, {0, 2}])
def test_draws_are_uniform_by_chi_square(counts: set[int] | None) -> None:
    members = [
        cell
        for cell in DIGITS.enumerate()
        if DIGITS.is_valid(cell) and (counts is None or DIGITS.nonlinearity_count(cell) in counts)
    ]
    rng = random.Random(20)
    drawn = Counter(DIGITS.sample(rng, counts) for _ in range(100 * len(members)))
    assert drawn.keys() <= set(members)
    observed = [drawn[cell] for cell in members]
    assert stats.chisquare(observed).pvalue > 1e-3


def test_the_same_seed_draws_the_same_architectures() -> None:
    first, second = random.Random(5), random.Random(5)
    assert [NB201.sample(first) for _ in range(20)] == [NB201.sample(second) for _ in range(20)]


def test_sampling_a_count_that_no_valid_cell_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"nas-bench-201 has no valid .* label in \[4, 9\]"):
        NB201.sample(random.Random(0), {4, 9})


def test_edges_are_in_the_order_of_the_string_of_nas_bench_201() -> None:
    assert NB201.graph.edges == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    cell = ("avg_pool_3x3", "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "none")
    code = "|avg_pool_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|nor_conv_3x3~1|none~2|"
    assert NB201.encode(cell) == code
    assert NB201.decode(code) == cell


def test_every_cell_survives_its_string() -> None:
    codes = set()
    for cell in NB201.enumerate():
        code = NB201.encode(cell)
        codes.add(code)
        assert NB201.decode(code) == cell
    assert len(codes) == 15_625


@pytest.mark.parametrize(
    "code",
    [
        "",
        "none",
        "|none~0|+|none~0|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~0|",
        "|none~0|+|none~1|none~0|",
        "|none~0|none~0|none~1|",
        " |none~0|+|none~0|none~1|",
        "|none~0|+|none~0|none~1|\n",
        "|conv_5x5~0|+|none~0|none~1|",
        "|none|+|none|none|",
        "||none~0|+|none~0|none~1|",
    ],
)
def test_a_string_of_another_space_is_refused(code: str) -> None:
    with pytest.raises(UnknownArchitecture, match="is no architecture of digits-mini"):
        DIGITS.decode(code)


def test_flops_and_parameters_of_the_full_nas_bench_201_cell() -> None:
    # Stages of 16, 32 and 64 channels at 32, 16 and 8 pixels; 5 cells of 6 edges each.
    cell = (CONV,) * 6
    stem = 3 * 16 * 9 * 32 * 32
    edges = 5 * 6 * 9 * (16 * 16 * 32 * 32 + 32 * 32 * 16 * 16 + 64 * 64 * 8 * 8)
    reduction_1 = (9 * 16 * 32 + 9 * 32 * 32 + 16 * 32) * 16 * 16
    reduction_2 = (9 * 32 * 64 + 9 * 64 * 64 + 32 * 64) * 8 * 8
    classifier = 64 * 10
    total = stem + edges + reduction_1 + reduction_2 + classifier
    assert total == 220_119_680
    assert NB201.flops(cell) == total
    # Each BatchNorm adds a scale and a shift per channel; the shortcut has none.
    stem = 3 * 16 * 9 + 2 * 16
    edges = 5 * 6 * (9 * 16 * 16 + 2 * 16 + 9 * 32 * 32 + 2 * 32 + 9 * 64 * 64 + 2 * 64)
    reduction_1 = 9 * 16 * 32 + 9 * 32 * 32 + 16 * 32 + 4 * 32
    reduction_2 = 9 * 32 * 64 + 9 * 64 * 64 + 32 * 64 + 4 * 64
    tail = 2 * 64 + 64 * 10 + 10
    total = stem + edges + reduction_1 + reduction_2 + tail
    assert total == 1_531_546
    assert NB201.parameters(cell) == total


def test_flops_and_parameters_of_a_hand_counted_digits_cell() -> None:
    # 8 channels at 8 pixels, one cell.
    cell = (CONV, SKIP, CONV1)
    stem = 1 * 8 * 9 * 64
    conv = 8 * 8 * 9 * 64
    conv_1 = 8 * 8 * 64
    assert stem + conv + conv_1 + 8 * 10 == 45_648
    assert DIGITS.flops(cell) == 45_648
    # Each BatchNorm adds a scale and a shift per channel, also the one before the classifier.
    stem = 72 + 16
    conv = 576 + 16
    conv_1 = 64 + 16
    tail = 16 + 80 + 10
    assert stem + conv + conv_1 + tail == 866
    assert DIGITS.parameters(cell) == 866


def test_convolutions_on_dead_edges_cost_nothing() -> None:
    live_only = nb201_cell(e30=CONV)
    with_dead_ends = nb201_cell(e30=CONV, e10=CONV, e21=CONV)  # node 2 leads nowhere
    without_input = nb201_cell(e30=CONV, e31=CONV, e32=CONV1)
    assert NB201.live(with_dead_ends) == (False, False, False, True, False, False)
    for cell in (with_dead_ends, without_input):
        assert NB201.flops(cell) == NB201.flops(live_only)
        assert NB201.parameters(cell) == NB201.parameters(live_only)


@pytest.mark.parametrize("space", SMALL_SPACES, ids=lambda s: f"{s.num_nodes}-{s.operations}")
def test_no_valid_cell_is_cheaper_than_all_of_the_cheapest(space: CellSpace) -> None:
    cheapest = [(space.flops(cell), space.parameters(cell)) for cell in space.cheapest()]
    assert all(space.is_valid(cell) for cell in space.cheapest())
    for cell in space.enumerate():
        if space.is_valid(cell):
            flops, parameters = space.flops(cell), space.parameters(cell)
            assert any(low[0] <= flops and low[1] <= parameters for low in cheapest)


def test_digits_mini_holds_125_cells_of_which_nine_are_dead() -> None:
    assert sum(count.all for count in DIGITS.histogram().values()) == 125
    # Dead: 2<-0 is none and so is 1<-0 or 2<-1, 25 - 4 * 4 = 9 cells.
    assert sum(count.valid for count in DIGITS.histogram().values()) == 116


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("operations", ["none", "conv_7x7"], r"unknown operations \['conv_7x7'\]"),
        ("operations", ["none", "none"], "named once"),
        ("operations", ["none"], "connects two nodes"),
        ("operations", [], "at least 1 item"),
        ("num_nodes", 1, "greater than or equal to 2"),
        ("num_nodes", 9, "9 nodes are more than 8"),
        ("name", "Upper", "should match pattern"),
        ("nodes", 4, "Extra inputs"),
    ],
)
def test_a_bad_cell_space_is_refused_with_the_reason(
    field: str, value: object, message: str
) -> None:
    data = {**DIGITS.model_dump(mode="json"), field: value}
    with pytest.raises(ValidationError, match=message):
        CellSpace.model_validate(data)


def test_an_image_that_does_not_halve_evenly_is_refused() -> None:
    with pytest.raises(ValidationError, match="image_size 10 must be a multiple of 4"):
        Skeleton(
            width=8,
            cells_per_stage=1,
            num_stages=3,
            image_size=10,
            image_channels=1,
            num_classes=2,
        )
