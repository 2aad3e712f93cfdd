"""What a search must know about the latencies of its candidates."""

from abc import ABC, abstractmethod

from nas.plugin import Strategy


class LatencySource(Strategy, ABC):
    """Where the latency of an architecture comes from."""

    kind: str

    @property
    @abstractmethod
    def condition(self) -> str:
        """What latencies depend on beside the device and its threads, for people."""
