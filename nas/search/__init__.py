"""Searchers: which architectures to evaluate next."""

from typing import TYPE_CHECKING

from nas.plugin import tagged_union
from nas.search.base import Searcher

if TYPE_CHECKING:
    AnySearcher = Searcher
else:
    AnySearcher = tagged_union(__name__, Searcher)
