"""The bytes of checkpoints: trees of plain values with tensors in them, behind their SHA-256."""

import contextlib
import copy
import hashlib
import io
import pickle
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from nas.errors import InvalidCheckpoint

_DIGEST_BYTES = hashlib.sha256().digest_size


def copied(value: Any) -> Any:  # Any: a tree of dictionaries and lists with tensors in it
    """Copy a tree to the memory of the CPU; mappings keep their class and attributes."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        duplicate = copy.copy(value)
        duplicate.update({name: copied(entry) for name, entry in value.items()})
        return duplicate
    if isinstance(value, list):
        return [copied(entry) for entry in value]
    return value


def tensors(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:  # Any: as in `copied`
    """Yield the tensors of a tree of dictionaries by their dotted names."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from tensors(entry, f"{name}.{key}" if name else str(key))


def digested(content: dict[str, Any]) -> bytes:  # Any: as in `copied`
    """Return a tree behind its SHA-256; equal trees need not have equal bytes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    return hashlib.sha256(data).digest() + data


@contextlib.contextmanager
def reading(
    data: bytes, device: str, number: int
) -> Iterator[dict[str, Any]]:  # Any: what was stored
    """Open what `digested` returned.

    Args:
        data: the bytes.
        device: to which tensors go.
        number: of the format, which stands under `format`.

    Raises:
        InvalidCheckpoint: if it is something else, or is not what the caller takes it for.
    """
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise InvalidCheckpoint(
            f"{len(data)} bytes do not match their checksum; use an earlier checkpoint"
        )
    try:
        stored = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
        if stored["format"] != number:
            raise InvalidCheckpoint(
                f"checkpoint format {stored['format']}; this version reads {number}"
            )
        yield stored
    except (
        pickle.UnpicklingError,
        RuntimeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise InvalidCheckpoint(f"not a checkpoint of this network: {error}") from error
