"""The network of a chain of layers as Python source; its sizes are those of `nas.spaces.chain`."""

from collections.abc import Iterator

from nas.export.layout import elements, expression
from nas.export.source import NetworkClasses, network_class
from nas.operations import OPERATIONS
from nas.operations.base import Place, WrittenPlace
from nas.spaces.base import Architecture
from nas.spaces.chain import FIRST_BLOCK
from nas.spaces.layered import LayeredSpace


def chain_classes(space: LayeredSpace, architecture: Architecture) -> NetworkClasses:
    """Return the class of the network of a space's sizes; layers that do nothing are left out.

    Raises:
        ExportFailed: if an operation is not written in plain torch.
    """
    layers: list[str] = []
    renamed: dict[str, str] = {}
    for index, ((place, _), name) in enumerate(
        zip(space.skeleton.layer_places(space.layers), architecture, strict=True)
    ):
        operation = OPERATIONS[name]
        module = operation.written(_written(place))
        if operation.takes_relu:
            module = f"nn.Sequential(nn.ReLU(), {module})"
        if module is not None:
            inner = "1." if operation.takes_relu else ""
            renamed[f"layers.{index}.{name}."] = f"layers.{len(layers)}.{inner}"
            layers.append(module)
    return NetworkClasses(
        text=network_class(_parts(space, layers), _forward(space, searched=bool(layers))),
        renamed=renamed,
    )


def _written(place: Place) -> WrittenPlace:
    return WrittenPlace(str(place.in_channels), str(place.out_channels), str(place.stride))


def _parts(space: LayeredSpace, layers: list[str]) -> Iterator[str]:
    skeleton = space.skeleton
    yield from expression(
        f"self.stem = {_written(skeleton.stem).call('conv_bn_relu6', 'kernel_size=3')}", 8
    )
    if skeleton.first_block is not None:
        block = FIRST_BLOCK.written(_written(skeleton.first_block))
        yield from expression(f"self.first_block = {block}", 8)
    if layers:
        yield "        self.layers = nn.Sequential("
        yield from elements(layers, 12)
        yield "        )"
    channels = skeleton.classifier_channels(space.layers)
    if skeleton.head_channels is not None:
        head = f"conv_bn_relu6({space.layers[-1].channels}, {channels}, kernel_size=1)"
        yield f"        self.head = {head}"
    yield f"        self.classifier = nn.Linear({channels}, {skeleton.num_classes})"


def _forward(space: LayeredSpace, *, searched: bool) -> Iterator[str]:
    yield "        features = self.stem((images - self.pixel_mean) / self.pixel_deviation)"
    if space.skeleton.first_block is not None:
        yield "        features = self.first_block(features)"
    if searched:
        yield "        features = self.layers(features)"
    if space.skeleton.head_channels is not None:
        yield "        features = self.head(features)"
    yield "        return self.classifier(features.mean(dim=(2, 3)))"
