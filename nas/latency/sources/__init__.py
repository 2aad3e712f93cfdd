"""Where latencies come from; one strategy per file."""

from typing import TYPE_CHECKING

from nas.latency.sources.base import LatencySource
from nas.plugin import tagged_union

if TYPE_CHECKING:
    AnyLatency = LatencySource
else:
    AnyLatency = tagged_union(__name__, LatencySource)
