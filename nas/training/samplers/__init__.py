"""Samplers: which architecture a training step trains."""

from typing import TYPE_CHECKING

from nas.plugin import tagged_union
from nas.training.samplers.base import Sampler

if TYPE_CHECKING:
    AnySampler = Sampler
else:
    AnySampler = tagged_union(__name__, Sampler)
