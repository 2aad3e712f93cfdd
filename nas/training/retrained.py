"""A network trained alone, with all that is needed to build and use it again: one file.

This is where exports begin.
"""

import hashlib
import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

import torch
from pydantic import JsonValue, TypeAdapter
from torch import Tensor

from nas.errors import InvalidCheckpoint, NasError
from nas.spaces import AnySpace
from nas.spaces.base import Architecture, Space
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_stand_alone
from nas.supernets.network import Network
from nas.training.batches import PixelStatistics

FORMAT = 1
"""Number of the file format; a change of what is stored needs a new one."""

_SPACE: TypeAdapter[Space] = TypeAdapter(AnySpace)


@dataclass(frozen=True, slots=True, eq=False)
class RetrainedModel:
    """The weights of one architecture's stand-alone network, and what they belong to.

    Attributes:
        space: of the architecture.
        architecture: whose network it is.
        shape: of the network, where it differs from the skeleton of the space.
        state_dict: the weights, BatchNorm's statistics among them, in the memory of the CPU.
        pixels: of the training images, with which pixels are normalised.
        classes: names, in the order of the network's outputs.
        image_shape: channels, height and width of an image.
        told: for people: recipe, seed, accuracies, splits, version of the software.
    """

    space: Space
    architecture: Architecture
    shape: NetworkShape
    state_dict: Mapping[str, Tensor]
    pixels: PixelStatistics
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    told: Mapping[str, JsonValue]

    @property
    def code(self) -> str:
        """The architecture's canonical string."""
        return self.space.encode(self.architecture)

    def network(self) -> Network:
        """Build the network with these weights, on the CPU and ready to classify.

        Its input are pixels that were normalised: (value from 0 to 255 - mean) / deviation.
        """
        # Initial weights are drawn and thrown away: the caller's random numbers stay as they are.
        with torch.random.fork_rng(devices=[]):
            network = build_stand_alone(self.space, self.architecture, self.shape)
        network.load_state_dict(dict(self.state_dict))
        return network.eval()

    @property
    def weights_sha256(self) -> str:
        """A checksum of the weights alone: equal weights have equal checksums."""
        return weights_sha256(self.state_dict)

    def to_bytes(self) -> bytes:
        """Return the file: weights as `torch.save` writes them, the rest as JSON beside them."""
        described: dict[str, JsonValue] = {
            "space": _SPACE.dump_python(self.space, mode="json"),
            "architecture": self.code,
            "shape": asdict(self.shape),
            "mean": self.pixels.mean.tolist(),
            "deviation": self.pixels.deviation.tolist(),
            "classes": list[JsonValue](self.classes),
            "image_shape": list[JsonValue](self.image_shape),
            "told": dict(self.told),
        }
        stored = {
            "format": FORMAT,
            "described": json.dumps(described, sort_keys=True),
            "weights": {
                name: value.detach().cpu().contiguous() for name, value in self.state_dict.items()
            },
        }
        buffer = io.BytesIO()
        torch.save(stored, buffer)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            InvalidCheckpoint: if it is something else, or was written by another version.
        """
        try:
            stored = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            if stored["format"] != FORMAT:
                raise InvalidCheckpoint(
                    f"format {stored['format']} of a retrained network; this version reads {FORMAT}"
                )
            described = json.loads(stored["described"])
            space = _SPACE.validate_python(described["space"])
            return cls(
                space=space,
                architecture=space.decode(described["architecture"]),
                shape=NetworkShape(**described["shape"]),
                state_dict=stored["weights"],
                pixels=PixelStatistics(
                    torch.tensor(described["mean"]), torch.tensor(described["deviation"])
                ),
                classes=tuple(described["classes"]),
                image_shape=tuple(described["image_shape"]),
                told=described["told"],
            )
        except InvalidCheckpoint:
            raise
        except (
            NasError,
            pickle.UnpicklingError,
            RuntimeError,
            LookupError,
            TypeError,
            ValueError,
            EOFError,
        ) as error:
            raise InvalidCheckpoint(f"not the file of a retrained network: {error}") from error


def weights_sha256(state_dict: Mapping[str, Tensor]) -> str:
    """Return a checksum of names, types, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state_dict):
        value = state_dict[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
