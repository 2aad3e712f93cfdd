"""Splitters: rules that divide a search space into sub-spaces."""

from typing import TYPE_CHECKING

from nas.partition.base import Splitter
from nas.plugin import tagged_union

if TYPE_CHECKING:
    AnySplitter = Splitter
else:
    AnySplitter = tagged_union(__name__, Splitter)
