"""Forward passes of a batch as training makes them: in parts, in the spec's arithmetic."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from nas.experiment import Experiment


def parts(
    images_BCHW: Tensor, labels_B: Tensor, number: int
) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Yield parts of a batch, each behind its share of the images; the shares add up to 1."""
    split = zip(images_BCHW.tensor_split(number), labels_B.tensor_split(number), strict=True)
    for images, labels in split:
        yield len(labels) / len(labels_B), images, labels


def arithmetic(experiment: Experiment) -> AbstractContextManager[object]:
    """Return the context of a forward pass; weights, loss and gradients stay float32 in any."""
    if experiment.spec.training.precision == "float32":
        return nullcontext()
    return torch.autocast(torch.device(experiment.device).type, dtype=torch.bfloat16)
