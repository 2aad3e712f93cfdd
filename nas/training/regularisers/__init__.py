"""Regularisers: terms beside the task's loss; one strategy per file."""

from typing import TYPE_CHECKING

from nas.plugin import tagged_union
from nas.training.regularisers.base import Regulariser

if TYPE_CHECKING:
    AnyRegulariser = Regulariser
else:
    AnyRegulariser = tagged_union(__name__, Regulariser)
