import pytest
import torch

from nas.errors import InvalidCheckpoint
from nas.spaces import catalogue
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_stand_alone
from nas.training.batches import PixelStatistics
from nas.training.retrained import RetrainedModel, weights_sha256

CODE = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"
SHAPE = NetworkShape(width=3, cells_per_stage=1, image_channels=1, num_classes=4)


@pytest.fixture
def model():
    space = catalogue()["digits-mini"]
    architecture = space.decode(CODE)
    torch.manual_seed(0)
    network = build_stand_alone(space, architecture, SHAPE)
    # Running statistics as after training, in the memory format of training.
    network(torch.randn(16, 1, 8, 8), architecture)
    network.to(memory_format=torch.channels_last)
    return RetrainedModel(
        space=space,
        architecture=architecture,
        shape=SHAPE,
        state_dict=network.state_dict(),
        pixels=PixelStatistics(torch.tensor([77.25]), torch.tensor([0.1])),
        classes=("zero", "one", "two", "drei"),
        image_shape=(1, 8, 8),
        told={"seed": 3, "test_accuracy": 97.5},
    )


def test_a_model_read_back_gives_the_same_outputs_bit_by_bit(model):
    images = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))

    read = RetrainedModel.from_bytes(model.to_bytes())

    with torch.no_grad():
        first = model.network()(images, model.architecture)
        second = read.network()(images, read.architecture)
    assert torch.equal(first, second)
    assert first.shape == (5, 4)
    assert first.std() > 0
    assert read.weights_sha256 == model.weights_sha256


def test_a_model_read_back_describes_itself_in_the_same_way(model):
    read = RetrainedModel.from_bytes(model.to_bytes())

    assert read.space == model.space
    assert read.code == CODE
    assert read.shape == SHAPE
    assert torch.equal(read.pixels.mean, model.pixels.mean)
    assert torch.equal(read.pixels.deviation, model.pixels.deviation)
    assert read.classes == ("zero", "one", "two", "drei")
    assert read.image_shape == (1, 8, 8)
    assert read.told == {"seed": 3, "test_accuracy": 97.5}


def test_building_the_network_leaves_the_callers_random_numbers_alone(model):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)

    model.network()

    assert torch.equal(torch.rand(1), expected)


def test_the_checksum_tells_weights_apart_and_not_how_they_lie_in_memory(model):
    weights = dict(model.state_dict)
    same = {name: value.clone().contiguous() for name, value in reversed(weights.items())}
    other = dict(same)
    name = next(name for name, value in other.items() if value.dim() == 4)
    other[name] = other[name] + 1e-6

    assert weights_sha256(same) == weights_sha256(weights)
    assert weights_sha256(other) != weights_sha256(weights)


@pytest.mark.parametrize("cut", [0, 10, 1000])
def test_a_file_cut_short_is_refused(model, cut):
    with pytest.raises(InvalidCheckpoint, match="not the file of a retrained network"):
        RetrainedModel.from_bytes(model.to_bytes()[:cut])


def test_a_file_of_another_format_is_refused(model, monkeypatch):
    monkeypatch.setattr("nas.training.retrained.FORMAT", 99)
    data = model.to_bytes()
    monkeypatch.undo()

    with pytest.raises(InvalidCheckpoint, match="format 99"):
        RetrainedModel.from_bytes(data)
