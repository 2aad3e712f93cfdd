import gc
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest

from nas.data.pickles import read_pickle
from nas.errors import InvalidDataset
from tests.nas.data.archives import Hostile, Python2

BATCH = {
    "labels": [0, 255, 256, 70_000, -1, 2**40],
    "data": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "mean": np.array([[0.5, -1.25]]),
    "wide": np.array([1, -2], dtype=">i4"),
    "names": ["cat", "dog"] * 200,
    "nothing": None,
    "share": 0.5,
    "yes": True,
}


def refusal(content: bytes) -> str:
    with pytest.raises(InvalidDataset, match=r"^batch: ") as caught:
        read_pickle(content, "batch")
    return str(caught.value)


def dictionary(value: bytes) -> bytes:
    """A pickle of protocol 2 that holds a value under `data`."""
    return b"\x80\x02}(U\x04data" + value + b"u."


def array(
    shape: bytes = b"K\x02\x85", dtype: bytes = b"U\x02u1", raw: bytes = b"U\x02ab"
) -> bytes:
    return dictionary(
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR(K\x01"
        + shape
        + b"cnumpy\ndtype\n("
        + dtype
        + b"K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + raw
        + b"tb"
    )


def test_what_python_2_wrote_is_read_back():
    found = read_pickle(Python2.dumps(BATCH), "batch")
    assert found.keys() == BATCH.keys()
    for key in ("data", "mean", "wide"):
        assert np.array_equal(found[key], BATCH[key])
        assert found[key].dtype == BATCH[key].dtype
    assert found["labels"] == BATCH["labels"]
    assert found["names"] == [b"cat", b"dog"] * 200
    assert (found["nothing"], found["share"], found["yes"]) == (None, 0.5, True)


def test_the_writer_of_these_tests_writes_what_python_unpickles_alike():
    found = pickle.loads(Python2.dumps(BATCH), encoding="latin1")
    assert np.array_equal(found.pop("data"), BATCH["data"])
    assert np.array_equal(found.pop("mean"), BATCH["mean"])
    assert np.array_equal(found.pop("wide"), BATCH["wide"])
    assert found == {key: BATCH[key] for key in found}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_what_python_3_wrote_is_read_back(protocol: int):
    found = read_pickle(pickle.dumps(BATCH, protocol), "batch")
    for key in ("data", "mean", "wide"):
        assert np.array_equal(found[key], BATCH[key])
    assert found["names"] == BATCH["names"]
    assert found["labels"] == BATCH["labels"]


def test_an_array_in_columns_is_read_as_it_was():
    turned = np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    found = read_pickle(pickle.dumps({"data": turned}, 4), "batch")
    assert np.array_equal(found["data"], turned)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_command_in_a_pickle_is_refused_by_name_and_not_executed(tmp_path: Path, protocol: int):
    content = pickle.dumps({"data": Hostile(tmp_path / "executed")}, protocol)
    assert "system" in refusal(content)
    assert "nothing of it was executed" in refusal(content)
    assert list(tmp_path.iterdir()) == []
    # It would have been executed by the plain reader.
    pickle.loads(content)
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        (b"cos\nsystem\n", "os.system"),
        (b"cbuiltins\neval\n", "builtins.eval"),
        (b"cnumpy\nload\n", "numpy.load"),
        (b"cnumpy.core.multiarray\nscalar\n", "numpy.core.multiarray.scalar"),
        (b"c_codecs\ndecode\n", "_codecs.decode"),
        (b"(S'touch x'\nios\nsystem\n", "os.system"),
        (b"\x8c\x02os\x8c\x06system\x93", "os.system"),
        (b"\x8c\x05numpy\x8c\x0endarray.tofile\x93", "numpy.ndarray.tofile"),
        (b"\x82\x01", "EXT1"),
        (b"Pid\n", "PERSID"),
        (b"\x98", "READONLY_BUFFER"),
        (b"cnumpy\nndarray\n)\x81", "NEWOBJ"),
        (b"(cnumpy\nndarray\no", "OBJ"),
    ],
)
def test_everything_but_arrays_and_containers_is_refused_by_name(value: bytes, asked: str):
    assert asked in refusal(dictionary(value))


@pytest.mark.parametrize(
    "content",
    [
        # Called with what it should not be.
        dictionary(b"cnumpy\nndarray\n(K\x05tR"),
        dictionary(b"cnumpy.core.multiarray\n_reconstruct\n(K\x01K\x00\x85U\x01btR"),
        dictionary(b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR"),
        dictionary(b"c_codecs\nencode\n(X\x03\x00\x00\x00\xe2\x82\xacX\x06\x00\x00\x00latin1tR"),
        # Looked into or changed.
        dictionary(b"cnumpy\ndtype\n}(U\x05_callK\x00ub"),
        dictionary(b"c_codecs\nencode\nN}(U\x05_callK\x00u\x86b"),
        # Arrays of other things than numbers, or whose buffer is of another size.
        array(dtype=b"U\x02O8"),
        array(dtype=b"U\x02V2"),
        array(dtype=b"U\x08u1,u1,u1"),
        array(raw=b"]K\x01a"),
        array(raw=b"U\x01a"),
        array(shape=b"K\x00\x85", raw=b"U\x00"),
        array(shape=b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86"),
        array(shape=b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85"),
        array(shape=b")"),
        array(shape=b"G?\xf0\x00\x00\x00\x00\x00\x00\x85"),
        dictionary(b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"),
    ],
)
def test_an_array_that_is_none_is_refused(content: bytes):
    assert any(name.name == "GLOBAL" for name, *_ in pickletools.genops(content))
    assert "array" in refusal(content) or "damaged" in refusal(content)


@pytest.mark.parametrize(
    "content",
    [
        # Memory for what they claim would not be there.
        dictionary(b"r" + struct.pack("<I", 2**32 - 1)),
        dictionary(b"\x8e" + struct.pack("<Q", 2**60) + b"abc"),
        dictionary(b"T" + struct.pack("<i", 2**31 - 1) + b"abc"),
        dictionary(b"\x8d" + struct.pack("<Q", 2**60) + b"abc"),
        b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"}.",
        # One text, encoded again and again.
        dictionary(
            b"(c_codecs\nencode\nq\x01X\x64\x00\x00\x00" + b"a" * 100 + b"X\x06\x00\x00\x00latin1"
            b"\x86q\x02" + b"Rh\x01h\x02" * 50 + b"Rl"
        ),
    ],
    ids=["memo", "bytes", "string", "text", "frame", "encode"],
)
def test_what_claims_more_memory_than_its_size_is_refused(content: bytes):
    assert "cut short or damaged" in refusal(content)


def test_a_reason_is_a_line_however_much_of_the_file_an_error_repeats():
    assert len(refusal(dictionary(b"S" + b"a" * 100_000 + b"\n"))) < 300


def test_tuples_deep_inside_each_other_are_refused():
    # As a key it would be hashed, which ends the process and not in an error.
    assert "more than 1000 tuples" in refusal(b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns.")


def test_every_cut_of_a_pickle_is_refused():
    content = Python2.dumps({"data": np.zeros((2, 3), np.uint8), "labels": [1, 2]})
    for length in range(len(content)):
        assert "cut short or damaged" in refusal(content[:length])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], "holds a value of type list where a dictionary"),
        (np.zeros(3, np.uint8), "holds an array where a dictionary"),
        ({1: 2}, "a value of type int as a key"),
    ],
)
def test_only_a_dictionary_with_text_keys_is_read(value: object, message: str):
    assert message in refusal(Python2.dumps(value))


# pickletools itself decodes the text of a damaged pickle.
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_damage_anywhere_raises_nothing_else():
    content = Python2.dumps({"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": [1]})
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 2):
            damaged[place] = rng.integers(0, 256)
        try:
            read_pickle(bytes(damaged), "batch")
        except InvalidDataset:
            refused += 1
    assert refused > 1000


def test_a_file_that_was_read_leaves_the_memory_at_once():
    gc.collect()
    gc.disable()
    try:
        read_pickle(Python2.dumps(BATCH), "batch")
        # `isinstance` would ask every object of torch for its class, and some warn.
        assert not [kept for kept in gc.get_objects() if issubclass(type(kept), pickle.Unpickler)]
    finally:
        gc.enable()
