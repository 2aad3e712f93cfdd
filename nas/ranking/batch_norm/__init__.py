"""Whose statistics BatchNorm has when architectures are scored; one strategy per file."""

from typing import TYPE_CHECKING

from nas.plugin import tagged_union
from nas.ranking.batch_norm.base import BatchNormPolicy

if TYPE_CHECKING:
    AnyBatchNormPolicy = BatchNormPolicy
else:
    AnyBatchNormPolicy = tagged_union(__name__, BatchNormPolicy)

__all__ = ["AnyBatchNormPolicy", "BatchNormPolicy"]
