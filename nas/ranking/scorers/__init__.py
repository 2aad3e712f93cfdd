"""Ways to score an architecture; one strategy per file."""

from typing import TYPE_CHECKING

from nas.plugin import tagged_union
from nas.ranking.scorers.base import Scorer

if TYPE_CHECKING:
    AnyScorer = Scorer
else:
    AnyScorer = tagged_union(__name__, Scorer)

__all__ = ["AnyScorer", "Scorer"]
