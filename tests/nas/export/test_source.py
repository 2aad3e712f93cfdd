"""The Python file of every kind of network: what it computes, holds, and looks like."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nas.errors import ExportFailed
from nas.export import layers
from nas.operations import OPERATIONS
from nas.operations.base import Operation, Place, WrittenPlace
from nas.operations.convolution import ReluConvBatchNorm
from tests.nas.export.models import CELL, CHAIN, exported, our_scores, pixels, space_like

FAR = space_like(
    CELL,
    {"reduction": "cell", "stem_multiplier": 2},
    num_inputs=4,
    num_nodes=7,
    outputs=[4, 5, 6],
    operations=["none", "skip_connect", "max_pool_3x3_bn", "dil_conv_3x3", "mbconv_3x3_e3"],
)
TWO_INPUTS = space_like(CELL, {}, num_inputs=2)
SINGLE_OUTPUTS = space_like(CELL, {"reduction": "cell"}, outputs=[1, 3])
SHORT = space_like(CHAIN, {})
LONG = space_like(
    CHAIN,
    {"stem_stride": 2, "first_block_channels": 2, "head_channels": 7},
    layers=[{"channels": 3}, {"channels": 4, "stride": 2, "operations": ["skip_connect"]}] * 2,
    operations=["sep_conv_5x5", "mbconv_7x7_e6_se"],
)
NETWORKS = {
    "digits": exported("digits-mini", 1, width=2),
    "bypassed": exported("digits-mini", "|none~0|+|skip_connect~0|nor_conv_3x3~1|", width=3),
    "pooled": exported("digits-mini", "|avg_pool_3x3~0|+|none~0|avg_pool_3x3~1|", width=3),
    "nb201": exported("nas-bench-201", 2, width=2, cells_per_stage=2, image_size=9),
    "nb201 pooled": exported("nas-bench-201", 3, width=3, reduction="pooled", image_size=7),
    "nb201 one": exported("nas-bench-201", 4, width=1, cells_per_stage=1),
    "darts": exported("darts-cell", 5, width=2, cells_per_stage=1),
    "darts odd": exported("darts-cell", 6, width=3, cells_per_stage=2, image_size=11),
    "proxyless": exported("mobilenet-proxyless", 7, width=4),
    "proxyless se": exported("mobilenet-proxyless-se", 8, width=2, image_size=9),
    **{f"far {seed}": exported(FAR, seed, image_size=9) for seed in range(3)},
    "two inputs": exported(TWO_INPUTS, 3),
    "dead output": exported(
        SINGLE_OUTPUTS, "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|"
    ),
    "short": exported(SHORT, "mbconv_3x3_e3_se-identity-nor_conv_3x3"),
    "nothing": exported(SHORT, "identity-identity-skip_connect"),
    "long": exported(LONG, 1, image_size=9),
}
EVERY = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())


@EVERY
def test_the_file_builds_the_trained_network(network):
    given = pixels(network.model, 4)
    expected = our_scores(network.model, given)
    assert expected.std() > 1e-3

    with torch.no_grad():
        found = network.network(given / 255)

    assert (found - expected).abs().max() < 1e-5


@EVERY
def test_the_file_holds_the_weights_that_are_counted_and_no_others(network):
    parameters = dict(network.network.named_parameters())
    counted = network.space.parameters(network.model.architecture)
    assert sum(part.numel() for part in parameters.values()) == counted


def defined_and_used(tree: ast.Module) -> tuple[set[str], set[str]]:
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    imported = {
        name.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in node.names
    }
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return defined | imported, used


@EVERY
def test_the_file_imports_torch_alone_and_defines_nothing_that_it_does_not_use(network):
    tree = ast.parse(network.source)
    modules = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
        )
    }
    assert modules <= {"torch", "torch.nn.functional"}
    defined, used = defined_and_used(tree)
    assert defined - used == {"build"}


def test_every_layer_is_part_of_some_network_here():
    written = "".join(network.source for network in NETWORKS.values())
    defined, _ = defined_and_used(ast.parse(Path(layers.__file__).read_text()))
    assert {name for name in defined if f"{name}(" not in written} == {"Tensor", "nn", "torch"}


def test_a_formatter_and_a_linter_leave_every_file_as_it_is(tmp_path: Path):
    for name, network in NETWORKS.items():
        (tmp_path / f"{name.replace(' ', '_')}.py").write_text(network.source)
    ruff = Path(sys.executable).parent / "ruff"
    for command in ("format", "check"):
        judged = ["--check"] if command == "format" else ["--select", "E4,E7,E9,F,I"]
        done = subprocess.run(
            [ruff, command, "--isolated", "--no-cache", *judged, tmp_path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_the_cell_is_written_with_its_live_edges_alone():
    network = exported(
        "nas-bench-201",
        "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|",
        width=4,
    )
    cell = network.source[network.source.index("class Cell") :].partition("\n\n\n")[0]
    assert (
        cell
        == '''class Cell(nn.Module):
    """The cell that was found; the name of an edge says where it leads."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edge_0_1 = conv_bn(channels, channels, 3)
        self.edge_1_2 = conv_bn(channels, channels, 1)
        self.edge_2_3 = avg_pool()

    def forward(self, node_0: Tensor) -> Tensor:
        node_1 = self.edge_0_1(relu(node_0))
        node_2 = self.edge_1_2(relu(node_1))
        node_3 = node_0 + self.edge_2_3(node_2)
        return node_3'''
    )
    assert "        self.blocks = nn.Sequential(\n            *(Cell(4) for _ in range(5)),\n" in (
        network.source
    )


PLACES = [Place(4, 4), Place(4, 4, 2), Place(3, 5), Place(3, 5, 2), Place(5, 1, 2)]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_every_operation_is_written_as_it_is_built(operation: Operation):
    if not operation.connects:
        return  # It stands on no live path.
    for place in filter(operation.fits, PLACES):
        built = operation.build(place, affine=True).eval()
        features = torch.randn(2, place.in_channels, 5, 7)
        channels = (str(place.in_channels), str(place.out_channels))
        # With the stride as a number, and as a name.
        strides = {str(place.stride): {}}
        if place.in_channels == place.out_channels:
            strides["stride"] = {"stride": place.stride}
        for stride, named in strides.items():
            text = operation.written(WrittenPlace(*channels, stride))
            module = eval(text, vars(layers) | named) if text else torch.nn.Identity()
            module.load_state_dict(built.state_dict())
            assert torch.allclose(module.eval()(features), built(features), atol=1e-6)
            written = module.state_dict()
            assert {name: value.shape for name, value in written.items()} == {
                name: value.shape for name, value in built.state_dict().items()
            }


def test_an_operation_that_nobody_has_written_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ReluConvBatchNorm, "written", Operation.written)
    network = exported("digits-mini", "|none~0|+|nor_conv_3x3~0|none~1|", width=2)
    with pytest.raises(ExportFailed, match=r"^python: the operation nor_conv_3x3 is not written"):
        _ = network.source
    with pytest.raises(ExportFailed, match="nor_conv_3x3"):
        _ = network.weights
    given = pixels(network.model, 2)
    with torch.no_grad():
        found = network.network(given / 255)
    assert (found - our_scores(network.model, given)).abs().max() < 1e-5


def test_a_file_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch):
    network = exported("digits-mini", "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|", width=3)
    wrong = network.source.replace("relu(node_0)", "node_0")
    assert wrong != network.source
    network.__dict__["source"] = wrong
    with pytest.raises(ExportFailed, match=r"^python: its class scores differ by .* is allowed$"):
        _ = network.weights
