import pytest
import torch

from nas.errors import InvalidCheckpoint
from nas.training.checkpoint import copied, digested, reading, tensors


def tree():
    return {"format": 3, "inner": {"weight": torch.ones(2)}, "list": [torch.zeros(1), 5]}


def test_a_copy_shares_no_memory():
    original = tree()
    duplicate = copied(original)
    original["inner"]["weight"].fill_(7)
    original["list"][0].fill_(7)
    assert torch.equal(duplicate["inner"]["weight"], torch.ones(2))
    assert torch.equal(duplicate["list"][0], torch.zeros(1))
    assert duplicate["list"][1] == 5


def test_tensors_have_dotted_names():
    assert [name for name, _ in tensors(tree())] == ["inner.weight"]


def test_what_was_written_is_read_back_and_another_format_is_refused():
    data = digested(tree())
    with reading(data, "cpu", 3) as stored:
        assert torch.equal(stored["inner"]["weight"], torch.ones(2))
    with (
        pytest.raises(InvalidCheckpoint, match="format 3; this version reads 4"),
        reading(data, "cpu", 4),
    ):
        pass


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_changed_byte_is_noticed(place):
    data = bytearray(digested(tree()))
    data[place] ^= 1
    with (
        pytest.raises(InvalidCheckpoint, match="do not match their checksum"),
        reading(bytes(data), "cpu", 3),
    ):
        pass


def test_what_does_not_fit_its_reader_is_no_checkpoint():
    with (
        pytest.raises(InvalidCheckpoint, match="not a checkpoint"),
        reading(digested(tree()), "cpu", 3) as stored,
    ):
        stored["missing"]
