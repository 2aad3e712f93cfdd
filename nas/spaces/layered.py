"""Layered search spaces: a chain with an operation in every layer."""

from collections.abc import Hashable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self, final

from pydantic import Field, model_validator

from nas.errors import InfeasibleSupernet, UnknownArchitecture
from nas.operations import OPERATIONS
from nas.plugin import refused_at
from nas.spaces.base import Architecture, Candidates, Space
from nas.spaces.candidates import OperationNames
from nas.spaces.chain import ChainSkeleton, Layer
from nas.spaces.costs import Costs
from nas.spaces.counting import Automaton, Outcome, Step
from nas.spaces.labelling import ChoiceSum, Labelling
from nas.spaces.shape import NetworkShape, scaled

if TYPE_CHECKING:
    from nas.export.source import NetworkClasses
    from nas.supernets.chain_network import ChainNetwork


@final
class LayeredSpace(Space):
    """Chains of layers; an architecture chooses one operation for each layer.

    There is one path, so every architecture is valid, every layer is live, and both readings of the
    nonlinearity count agree.

    Source: ProxylessNAS (Cai et al., ICLR 2019, arXiv 1812.00332).
    """

    kind: Literal["layered"] = "layered"
    operations: OperationNames = Field(description="Candidate operations of every layer.")
    layers: tuple[Layer, ...] = Field(
        min_length=1, max_length=100, description="From the image to the classifier."
    )
    skeleton: ChainSkeleton = Field(
        description="The stand-alone network whose FLOPs and parameters are counted."
    )

    @model_validator(mode="after")
    def _operations_fit_their_layers(self) -> Self:
        for position, name in enumerate(self.operations):
            if not OPERATIONS[name].connects:
                raise refused_at(("operations", position), _cuts_the_chain(name))
        places = self.skeleton.layer_places(self.layers)
        for index, (layer, (place, _)) in enumerate(zip(self.layers, places, strict=True)):
            for position, name in enumerate(layer.operations or self.operations):
                inherited = layer.operations is None
                where = ("layers", index) + (() if inherited else ("operations", position))
                if not OPERATIONS[name].connects:
                    raise refused_at(where, _cuts_the_chain(name))
                if not OPERATIONS[name].fits(place):
                    remedy = "give this layer operations of its own" if inherited else "remove it"
                    raise refused_at(
                        where,
                        f"{name} does not fit here, where {place.in_channels} channels become "
                        f"{place.out_channels} with stride {place.stride}: {remedy}",
                    )
        return self

    @cached_property
    def choices(self) -> Candidates:
        return tuple(layer.operations or self.operations for layer in self.layers)

    @cached_property
    def costs(self) -> Costs:
        return self.network_costs(affine=True)

    @property
    def num_halvings(self) -> int:
        return [self.skeleton.stem_stride, *(layer.stride for layer in self.layers)].count(2)

    def network_costs(self, *, affine: bool) -> Costs:
        return self.skeleton.costs(self.layers, self.choices, affine=affine)

    def automaton(self, labelling: Labelling) -> Automaton:
        if isinstance(labelling, ChoiceSum):
            return ChainAutomaton(self.choices, labelling.weights)
        counts = (
            tuple(OPERATIONS[name].nonlinearities for name in names) for names in self.choices
        )
        return ChainAutomaton(self.choices, tuple(counts))

    def live_automaton(self, labelling: Labelling) -> Automaton:
        return self.automaton(labelling)

    def label(self, architecture: Architecture, labelling: Labelling) -> int:
        if isinstance(labelling, ChoiceSum):
            return labelling.of(self.choices, architecture)
        return sum(OPERATIONS[name].nonlinearities for name in architecture)

    def live(self, architecture: Architecture) -> tuple[bool, ...]:
        return (True,) * len(self.layers)

    def encode(self, architecture: Architecture) -> str:
        return "-".join(architecture)

    def decode(self, code: str) -> Architecture:
        names = tuple(code.split("-"))
        if len(names) != len(self.layers):
            example = self.encode(tuple(candidates[0] for candidates in self.choices))
            raise UnknownArchitecture(
                f"{code!r} is no architecture of {self.name}: expected one operation for each of "
                f"{len(self.layers)} layers, written like {example!r}"
            )
        for index, (name, candidates) in enumerate(zip(names, self.choices, strict=True)):
            if name not in candidates:
                raise UnknownArchitecture(
                    f"{code!r} is no architecture of {self.name}: operation {name!r} of layer "
                    f"{index} is not among {list(candidates)}"
                )
        return names

    def resized(self, shape: NetworkShape) -> Self:
        if shape.cells_per_stage not in (None, 1):
            raise InfeasibleSupernet(
                "cells_per_stage",
                f"{shape.cells_per_stage} cells per stage: {self.name} is a chain of layers, each "
                "of which stands in the network once; leave it at 1",
            )
        if shape.reduction == "residual":
            raise InfeasibleSupernet(
                "reduction",
                f"{self.name} is a chain whose layers themselves halve the image; leave it at "
                "pooled, which adds nothing to them",
            )
        skeleton, layers = self.skeleton, self.layers
        if shape.width is not None:
            width, full = shape.width, skeleton.stem_channels
            skeleton = skeleton.narrowed(width)
            layers = tuple(
                layer.model_copy(update={"channels": scaled(layer.channels, width, of=full)})
                for layer in layers
            )
        asked = {"image_channels": shape.image_channels, "num_classes": shape.num_classes}
        changes = {name: value for name, value in asked.items() if value is not None}
        return type(self)(
            name=self.name,
            operations=self.operations,
            layers=layers,
            skeleton=skeleton.model_copy(update=changes),
        )

    def build_network(self, candidates: Candidates, *, affine: bool) -> "ChainNetwork":
        from nas.supernets.chain_network import ChainNetwork

        return ChainNetwork(self, candidates=candidates, affine=affine)

    def network_classes(self, architecture: Architecture) -> "NetworkClasses":
        from nas.export.chain_source import chain_classes

        return chain_classes(self, architecture)


class ChainAutomaton(Automaton):
    """Walks the layers in order and adds a weight per choice: nothing else needs to be known."""

    def __init__(self, choices: Candidates, weights: tuple[tuple[int, ...], ...]) -> None:
        self.choices = choices
        self.order = tuple(range(len(choices)))
        self.start = None
        self._weights = weights

    def steps(self, position: int, state: Hashable) -> Iterable[Step]:
        for name, weight in zip(self.choices[position], self._weights[position], strict=True):
            yield Step(name, weight, None, live=True)

    def outcome(self, state: Hashable) -> Outcome:
        return Outcome(label=0, valid=True)


def _cuts_the_chain(name: str) -> str:
    return (
        f"{name} does not connect its input with its output: every layer of a chain lies on its "
        "only path; use identity for a layer that is left out"
    )
