"""The network of a layered space: stem, a fixed block, the searched layers, head, classifier.

Its sizes are those of `nas.spaces.chain`, which also counts its cost.
"""

from collections.abc import Iterator
from functools import partial

from torch import Tensor, nn
from torch.nn.functional import relu

from nas.modules import batch_norm, convolution
from nas.operations import OPERATIONS
from nas.spaces.base import Architecture, Candidates
from nas.spaces.chain import FIRST_BLOCK
from nas.spaces.layered import LayeredSpace
from nas.supernets.channels import Weight, node_layout, weights, whole
from nas.supernets.network import Network
from nas.supernets.walk import Kept, Walk


class ChainNetwork(Network):
    """One layer after the other, each the operation that the architecture chose for it."""

    space: LayeredSpace

    def __init__(self, space: LayeredSpace, *, candidates: Candidates, affine: bool) -> None:
        super().__init__()
        self.space = space
        skeleton = space.skeleton
        self.stem = _convolved(
            skeleton.image_channels,
            skeleton.stem_channels,
            3,
            stride=skeleton.stem_stride,
            affine=affine,
        )
        self.first_block = (
            nn.Identity()
            if skeleton.first_block is None
            else FIRST_BLOCK.build(skeleton.first_block, affine=affine)
        )
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: OPERATIONS[name].build(place, affine=affine) for name in names})
            for (place, _), names in zip(
                skeleton.layer_places(space.layers), candidates, strict=True
            )
        )
        channels = skeleton.classifier_channels(space.layers)
        self.head = (
            nn.Identity()
            if skeleton.head_channels is None
            else _convolved(space.layers[-1].channels, channels, 1, affine=affine)
        )
        self.classifier = nn.Linear(channels, skeleton.num_classes)

    def forward(self, images_NCHW: Tensor, architecture: Architecture) -> Tensor:
        features = self._before_layers(images_NCHW)
        for index, name in enumerate(architecture):
            features = self._layer(index, name, features)
        return self._classified(features)

    def walk(self, architecture: Architecture) -> Walk:
        # The first layers, none of them included.
        prefixes = tuple(architecture[:length] for length in range(len(architecture) + 1))

        def class_scores(images_NCHW: Tensor, kept: Kept) -> Tensor:
            features = kept.features((), partial(self._before_layers, images_NCHW))
            for index, name in enumerate(architecture):
                layer = partial(self._layer, index, name, features)
                features = kept.features(prefixes[index + 1], layer)
            return self._classified(features)

        return Walk(prefixes, class_scores)

    def _before_layers(self, images_NCHW: Tensor) -> Tensor:
        features: Tensor = self.first_block(self.stem(images_NCHW))
        return features

    def _layer(self, index: int, name: str, features: Tensor) -> Tensor:
        layer = self.layers[index]
        assert isinstance(layer, nn.ModuleDict)
        output: Tensor = layer[name](relu(features) if OPERATIONS[name].takes_relu else features)
        return output

    def _classified(self, features: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.head(features).mean(dim=(2, 3)))
        return scores

    def feature_modules(self, architecture: Architecture) -> Iterator[nn.Module]:
        chosen = []
        for layer, name in zip(self.layers, architecture, strict=True):
            assert isinstance(layer, nn.ModuleDict)
            chosen.append(layer[name])
        for part in (self.stem, self.first_block, *chosen, self.head):
            if not isinstance(part, nn.Identity):
                yield part

    def weights(self) -> Iterator[Weight]:
        # Layers that keep the shape pass channels on, so one layout holds for the whole chain.
        layout = node_layout(self)
        for name, part in self.named_children():
            gives = whole if part is self.classifier else layout
            yield from weights(part, name, reads=layout, gives=gives)


def _convolved(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, affine: bool
) -> nn.Module:
    return nn.Sequential(
        convolution(in_channels, out_channels, kernel_size, stride=stride),
        batch_norm(out_channels, affine=affine),
        nn.ReLU6(),
    )
