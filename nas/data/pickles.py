"""Pickles read as data: numpy arrays and plain containers, and nothing is executed.

A pickle is a program that may ask for any function by name. Here it is refused before it starts if
it asks for a name, or uses an instruction, that arrays and containers do not need; and the names
that they do need stand for functions of this module, which only keep what they are given. numpy
itself sees no more than a buffer, an element type of a short list and a shape that fits the buffer.

Files that Python 2 wrote are understood, as CIFAR's are: their strings are bytes.
"""

import io
import pickle
import pickletools
import struct
from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any, NoReturn, final

import numpy as np
from numpy.typing import NDArray

from nas.errors import InvalidDataset

ELEMENT_TYPES = frozenset({"b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"})
BYTE_ORDERS = frozenset("<>=|")
MAX_DIMENSIONS = 8
MAX_REASON = 200
# An array takes four. As keys of a dictionary, tuples deep inside each other break the interpreter.
MAX_TUPLES = 1000
# numpy 2 calls its inner module by another name.
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): "reconstruct",
    ("numpy._core.multiarray", "_reconstruct"): "reconstruct",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
}
TUPLES = frozenset(["TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"])
INSTRUCTIONS = frozenset(
    [
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "POP",
        "POP_MARK",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "EMPTY_LIST",
        "LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "EMPTY_DICT",
        "DICT",
        "SETITEM",
        "SETITEMS",
        "PUT",
        "BINPUT",
        "LONG_BINPUT",
        "MEMOIZE",
        "GET",
        "BINGET",
        "LONG_BINGET",
        "GLOBAL",
        "STACK_GLOBAL",
        "REDUCE",
        "BUILD",
    ]
)
# What a damaged or hostile program makes the standard library raise.
DAMAGED = (
    pickle.UnpicklingError,
    ValueError,
    EOFError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    MemoryError,
    struct.error,
)


def read_pickle(content: bytes, name: str) -> dict[str, object]:
    """Read a pickled dictionary of arrays, lists, strings and numbers.

    Args:
        content: of the file.
        name: of the file, for people.

    Returns:
        The dictionary; its keys as text, arrays among its values as read-only numpy arrays.

    Raises:
        InvalidDataset: naming the file, and what it asks for if that is no array.
    """
    try:
        _scan(content, name)
        found: object = _Reader(content, name).load()
    except DAMAGED as error:
        # Some of these errors repeat what they read.
        said = str(error)[:MAX_REASON]
        raise InvalidDataset(f"{name}: a pickle that is cut short or damaged ({said})") from error
    if type(found) is not dict:
        raise InvalidDataset(f"{name}: holds {_kind(found)} where a dictionary is needed")
    return {_text(key, name): _plain(value, name) for key, value in found.items()}


def _scan(content: bytes, name: str) -> None:
    """Walk through the program without executing it, and refuse what arrays do not need.

    Every argument is seen to lie within the file, and every memo number to be the next one: the
    reader would take memory for as much as they claim.
    """
    num_kept = num_tuples = 0
    for instruction, argument, _ in pickletools.genops(content):
        if instruction.name in ("GLOBAL", "INST"):
            module, _, qualified = str(argument).partition(" ")
            _check_global(module, qualified, name)
        if instruction.name not in INSTRUCTIONS:
            raise InvalidDataset(
                f"{name}: the pickle uses {instruction.name}, which arrays and plain containers do "
                "not need; nothing of it was executed"
            )
        num_tuples += instruction.name in TUPLES
        if num_tuples > MAX_TUPLES:
            raise ValueError(f"more than {MAX_TUPLES} tuples")
        if instruction.name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            num_kept += 1
            # Python 2 counts from one.
            if argument is not None and argument > num_kept:
                raise ValueError(f"memo number {argument} after {num_kept - 1} others")


def _check_global(module: str, qualified: str, name: str) -> str:
    """Return which of our functions a global stands for."""
    try:
        return ALLOWED[module, qualified]
    except KeyError:
        raise InvalidDataset(
            f"{name}: the pickle asks for {f'{module}.{qualified}'[:MAX_REASON]!r}; only numpy "
            "arrays and plain containers are read, and nothing of it was executed"
        ) from None


class _Reader(pickle.Unpickler):
    """Executes a scanned program with functions of this module in the place of every global."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._name = name
        # None of them knows the reader: such a cycle would keep the file in memory for long.
        ndarray = _Global(_refuse_call)
        self._globals: Mapping[str, _Global] = {
            "reconstruct": _Global(partial(_reconstruct, ndarray)),
            "ndarray": ndarray,
            "dtype": _Global(_element_type),
            "encode": _Global(_Encoding(len(content)).encode),
        }

    def find_class(self, module_name: str, global_name: str) -> Any:  # Any: as in the base class
        return self._globals[_check_global(module_name, global_name, self._name)]


@final
class _Global:
    """What the program gets for a name: it can be called, and neither looked into nor changed."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *given: object) -> object:
        return self._call(*given)

    def __setstate__(self, state: object) -> NoReturn:
        raise ValueError("a state for something that has none")


@final
class _ElementType:
    __slots__ = ("_code", "value")

    def __init__(self, code: str) -> None:
        self._code = code
        self.value = np.dtype(code)

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), bytes() | str() as order, None, None, None, *_):
                order = order.decode("latin-1") if isinstance(order, bytes) else order
                if order in BYTE_ORDERS:
                    self.value = np.dtype(self._code).newbyteorder(order)  # type: ignore[arg-type]  # one of four letters
                    return
        raise ValueError("an element type that is no plain number")


@final
class _Array:
    __slots__ = ("value",)

    value: NDArray[np.generic]

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), tuple(shape), _ElementType(value=dtype), fortran, bytes(raw)):
                pass
            case _:
                raise ValueError("an array that is no buffer of numbers")
        if not 1 <= len(shape) <= MAX_DIMENSIONS or not all(
            type(length) is int and length >= 1 for length in shape
        ):
            raise ValueError("an array without values, or of a shape that is none")
        if prod(shape) * dtype.itemsize != len(raw):
            raise ValueError(f"an array whose {len(raw)} bytes do not fit its shape")
        values = np.frombuffer(raw, dtype=dtype)
        self.value = values.reshape(shape, order="F" if fortran else "C")


def _refuse_call(*_: object) -> NoReturn:
    raise ValueError("an array that is made otherwise than by numpy's _reconstruct")


def _reconstruct(ndarray: _Global, *given: object) -> _Array:
    if len(given) != 3 or given[0] is not ndarray:
        raise ValueError("an array of another class than numpy.ndarray")
    return _Array()


@final
class _Encoding:
    """How Python 3 writes bytes for readers of protocol 2: as text that is to be encoded."""

    def __init__(self, num_letters: int) -> None:
        # Encoded again and again, one text could fill the memory.
        self._num_left = num_letters

    def encode(self, *given: object) -> bytes:
        match given:
            case (str(text), "latin1" | b"latin1"):
                self._num_left -= len(text)
                if self._num_left < 0:
                    raise ValueError("the same text is encoded several times")
                return text.encode("latin-1")
        raise ValueError("_codecs.encode of something else than text as latin1")


def _element_type(*given: object) -> _ElementType:
    code = given[0] if given else None
    if isinstance(code, bytes):
        code = code.decode("latin-1")
    if not isinstance(code, str) or code not in ELEMENT_TYPES:
        raise ValueError("an array whose elements are no plain numbers")
    return _ElementType(code)


def _text(key: object, name: str) -> str:
    if isinstance(key, bytes):
        return key.decode("latin-1")
    if isinstance(key, str):
        return key
    raise InvalidDataset(f"{name}: {_kind(key)} as a key, where text is needed")


def _plain(value: object, name: str) -> object:
    if isinstance(value, _Array):
        try:
            return value.value
        except AttributeError:
            raise InvalidDataset(f"{name}: an array without values") from None
    return value


def _kind(value: object) -> str:
    return "an array" if isinstance(value, _Array) else f"a value of type {type(value).__name__}"
