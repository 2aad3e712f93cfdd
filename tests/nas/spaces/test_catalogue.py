"""The built-in spaces are those of the papers, written out here a second time by hand."""

from itertools import product

import pytest

from nas.operations import OPERATIONS
from nas.operations.inverted_bottleneck import InvertedBottleneck
from nas.spaces import catalogue
from nas.spaces.cell import CellSpace
from nas.spaces.layered import LayeredSpace

CATALOGUE = catalogue()

# MobileNet blocks as ProxylessNAS names them: kernel 3, 5 or 7, expansion 3 or 6.
BLOCKS = {
    "mbconv_3x3_e3",
    "mbconv_3x3_e6",
    "mbconv_5x5_e3",
    "mbconv_5x5_e6",
    "mbconv_7x7_e3",
    "mbconv_7x7_e6",
}
SE_BLOCKS = {
    "mbconv_3x3_e3_se",
    "mbconv_3x3_e6_se",
    "mbconv_5x5_e3_se",
    "mbconv_5x5_e6_se",
    "mbconv_7x7_e3_se",
    "mbconv_7x7_e6_se",
}
# Channels, layers and the stride of the first layer, per stage (Cai et al., ICLR 2019).
STAGES = [(32, 4, 2), (40, 4, 2), (80, 4, 2), (96, 4, 1), (192, 4, 2), (320, 1, 1)]


def cell(name: str) -> CellSpace:
    space = CATALOGUE[name]
    assert isinstance(space, CellSpace)
    return space


def layered(name: str) -> LayeredSpace:
    space = CATALOGUE[name]
    assert isinstance(space, LayeredSpace)
    return space


def test_these_are_the_spaces_of_the_catalogue() -> None:
    assert set(CATALOGUE) == {
        "digits-mini",
        "nas-bench-201",
        "darts-cell",
        "mobilenet-proxyless",
        "mobilenet-proxyless-se",
    }
    assert {name: space.name for name, space in CATALOGUE.items()} == {
        name: name for name in CATALOGUE
    }


class TestDartsCell:
    """Liu et al., ICLR 2019 (arXiv 1806.09055), with an operation kept on every edge."""

    SPACE = cell("darts-cell")

    def test_two_inputs_and_four_nodes_that_read_all_before_them(self) -> None:
        # Nodes 0 and 1 are the outputs of the two cells before.
        assert (self.SPACE.num_nodes, self.SPACE.num_inputs) == (6, 2)
        assert self.SPACE.graph.edges == (
            (0, 2),
            (1, 2),
            (0, 3),
            (1, 3),
            (2, 3),
            (0, 4),
            (1, 4),
            (2, 4),
            (3, 4),
            (0, 5),
            (1, 5),
            (2, 5),
            (3, 5),
            (4, 5),
        )
        # The four nodes between are concatenated; the inputs are not.
        assert self.SPACE.graph.outputs == (2, 3, 4, 5)

    def test_every_edge_chooses_among_these_eight_operations(self) -> None:
        eight = {
            "none",
            "skip_connect",
            "avg_pool_3x3_bn",
            "max_pool_3x3_bn",
            "sep_conv_3x3",
            "sep_conv_5x5",
            "dil_conv_3x3",
            "dil_conv_5x5",
        }
        assert len(self.SPACE.choices) == 14
        for names in self.SPACE.choices:
            assert len(names) == 8
            assert set(names) == eight
        assert self.SPACE.size.all == 8**14 == 4_398_046_511_104

    def test_a_separable_convolution_counts_two_and_a_dilated_one(self) -> None:
        assert {name: OPERATIONS[name].nonlinearities for name in self.SPACE.operations} == {
            "none": 0,
            "skip_connect": 0,
            "avg_pool_3x3_bn": 0,
            "max_pool_3x3_bn": 0,
            "sep_conv_3x3": 2,
            "sep_conv_5x5": 2,
            "dil_conv_3x3": 1,
            "dil_conv_5x5": 1,
        }
        # The longest path runs over an input and all four nodes: four edges.
        assert max(self.SPACE.histogram()) == 8
        assert max(self.SPACE.histogram("total")) == 28

    def test_it_stands_in_a_network_of_eight_cells_for_cifar_10(self) -> None:
        skeleton = self.SPACE.skeleton
        # Two stages before the last end in a cell that halves the image: 3 x 2 + 2 cells.
        assert (skeleton.num_stages, skeleton.cells_per_stage, skeleton.reduction) == (
            3,
            2,
            "cell",
        )
        assert (skeleton.width, skeleton.widths, skeleton.stem_multiplier) == (16, None, 3)
        assert (skeleton.image_size, skeleton.image_channels, skeleton.num_classes) == (32, 3, 10)


class TestNasBench201:
    """Dong and Yang, ICLR 2020 (arXiv 2001.00326)."""

    SPACE = cell("nas-bench-201")

    def test_its_cell(self) -> None:
        assert (self.SPACE.num_nodes, self.SPACE.num_inputs) == (4, 1)
        assert self.SPACE.graph.edges == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
        assert self.SPACE.graph.outputs == (3,)
        five = {"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"}
        for names in self.SPACE.choices:
            assert len(names) == 5
            assert set(names) == five
        # The string with which the published table writes its best cell on CIFAR-10.
        best = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|"
        best += "nor_conv_3x3~2|"
        assert self.SPACE.encode(self.SPACE.decode(best)) == best

    def test_its_network(self) -> None:
        skeleton = self.SPACE.skeleton
        assert (skeleton.num_stages, skeleton.cells_per_stage) == (3, 5)
        # 16, 32 and 64 channels, with a residual block between.
        assert (skeleton.width, skeleton.widths, skeleton.reduction) == (16, None, "residual")
        assert skeleton.stem_multiplier == 1
        assert (skeleton.image_size, skeleton.image_channels, skeleton.num_classes) == (32, 3, 10)


class TestDigitsMini:
    SPACE = cell("digits-mini")

    def test_a_cell_of_three_edges_and_the_operations_of_nas_bench_201(self) -> None:
        assert (self.SPACE.num_nodes, self.SPACE.num_inputs) == (3, 1)
        assert self.SPACE.graph.edges == ((0, 1), (0, 2), (1, 2))
        assert self.SPACE.graph.outputs == (2,)
        five = {"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"}
        for names in self.SPACE.choices:
            assert len(names) == 5
            assert set(names) == five

    def test_one_cell_of_eight_channels_for_8x8_grey_digits(self) -> None:
        skeleton = self.SPACE.skeleton
        assert (skeleton.width, skeleton.widths, skeleton.stem_multiplier) == (8, None, 1)
        assert (skeleton.num_stages, skeleton.cells_per_stage) == (1, 1)
        assert (skeleton.image_size, skeleton.image_channels, skeleton.num_classes) == (8, 1, 10)


@pytest.mark.parametrize(
    ("name", "blocks"),
    [("mobilenet-proxyless", BLOCKS), ("mobilenet-proxyless-se", BLOCKS | SE_BLOCKS)],
)
class TestMobileNet:
    """Cai et al., ICLR 2019 (arXiv 1812.00332); You et al., CVPR 2020, with excitation."""

    def test_six_stages_of_21_layers_halve_the_image_four_times(
        self, name: str, blocks: set[str]
    ) -> None:
        layers = layered(name).layers
        assert len(layers) == 21
        assert [(layer.channels, layer.stride) for layer in layers] == [
            (channels, stride if first else 1)
            for channels, num_layers, stride in STAGES
            for first in [True] + [False] * (num_layers - 1)
        ]

    def test_only_the_first_layer_of_a_stage_cannot_be_left_out(
        self, name: str, blocks: set[str]
    ) -> None:
        firsts = {0, 4, 8, 12, 16, 20}
        for index, names in enumerate(layered(name).choices):
            assert len(set(names)) == len(names)
            assert set(names) == (blocks if index in firsts else blocks | {"identity"})

    def test_stem_first_block_head_and_image(self, name: str, blocks: set[str]) -> None:
        skeleton = layered(name).skeleton
        assert (skeleton.stem_channels, skeleton.stem_stride) == (32, 2)
        assert skeleton.first_block_channels == 16
        assert skeleton.head_channels == 1280
        assert (skeleton.image_size, skeleton.image_channels) == (224, 3)
        assert skeleton.num_classes == 1000

    def test_every_block_has_the_kernel_and_the_expansion_of_its_name(
        self, name: str, blocks: set[str]
    ) -> None:
        found = set()
        for block in blocks:
            operation = OPERATIONS[block]
            assert isinstance(operation, InvertedBottleneck)
            size, expansion = operation.kernel_size, operation.expansion
            squeezes = "_se" if operation.squeezes else ""
            assert block == f"mbconv_{size}x{size}_e{expansion}{squeezes}"
            found.add((size, expansion, operation.squeezes))
        assert found == set(product((3, 5, 7), (3, 6), {one.endswith("_se") for one in blocks}))


def test_the_flops_of_a_mobilenet_chain_counted_by_hand() -> None:
    # Every block is mbconv_3x3_e3. One of i -> o channels expands to 3i on the pixels of its input
    # (3ii weights), then has a 3x3 depthwise kernel (27i) and a projection (3io) on those of its
    # output.
    stem = 9 * 3 * 32 * 112**2
    first_block = (9 * 32 + 32 * 16) * 112**2
    stages = [
        16 * 48 * 112**2 + (9 * 48 + 48 * 32) * 56**2,
        3 * (32 * 96 + 9 * 96 + 96 * 32) * 56**2,
        32 * 96 * 56**2 + (9 * 96 + 96 * 40) * 28**2,
        3 * (40 * 120 + 9 * 120 + 120 * 40) * 28**2,
        40 * 120 * 28**2 + (9 * 120 + 120 * 80) * 14**2,
        3 * (80 * 240 + 9 * 240 + 240 * 80) * 14**2,
        (80 * 240 + 9 * 240 + 240 * 96) * 14**2,
        3 * (96 * 288 + 9 * 288 + 288 * 96) * 14**2,
        96 * 288 * 14**2 + (9 * 288 + 288 * 192) * 7**2,
        3 * (192 * 576 + 9 * 576 + 576 * 192) * 7**2,
        (192 * 576 + 9 * 576 + 576 * 320) * 7**2,
    ]
    head = 320 * 1280 * 7**2
    classifier = 1280 * 1000
    total = stem + first_block + sum(stages) + head + classifier
    space = layered("mobilenet-proxyless")
    assert space.flops(("mbconv_3x3_e3",) * 21) == total == 291_084_032
    # Without the 15 layers that can be left out, the first layers of the stages remain.
    shortest = total - sum(stages[1:10:2])
    blocks = [
        "mbconv_3x3_e3" if "identity" not in names else "identity" for names in space.choices
    ]
    assert space.flops(tuple(blocks)) == shortest
