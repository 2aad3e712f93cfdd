"""What a search knows of latencies, and whom it turns away for them."""

from collections.abc import Callable, Mapping

from nas.errors import InfeasibleSearch
from nas.events import LatencyMeasured
from nas.latency.latency import Latency, LatencyTable, MeasuredArchitecture
from nas.search.base import Searcher
from nas.search.candidates import TRIES_PER_CANDIDATE
from nas.search.state import History, SearchState
from nas.spaces.base import Architecture, Space

Measure = Callable[[Architecture], Latency]
"""Measures the latency of one architecture; always on the same device."""


class Latencies:
    """Measures candidates before they are scored, or looks them up.

    Who is measured and too slow leaves the pending ones, is excluded for good, and counts towards
    no budget. All of this is a function of the state, so a search that stopped goes on with it.
    """

    def __init__(
        self,
        searcher: Searcher,
        space: Space,
        source: Measure | LatencyTable | None,
        state: SearchState,
    ) -> None:
        """Read what the state knows.

        Args:
            searcher: with the limit.
            space: that is searched.
            source: measures, or holds all latencies there are; None where nobody asks for them.
            state: of the search, updated in place.
        """
        assert (searcher.latency_source is None) == (source is None)
        self._limits = searcher.constraints
        self._most_slow = TRIES_PER_CANDIDATE * searcher.budget
        self._space = space
        self._state = state
        self._measure: Measure | None = None
        self._known: dict[Architecture, Latency] = {}
        eligible: LatencyTable | None = None
        if isinstance(source, Mapping):
            eligible = self._limits.eligible(space, source)
            self._known = {member: Latency(ms=ms) for member, ms in eligible.items()}
        elif source is not None:
            self._measure = source
            self._known = {one.architecture: one.latency for one in state.latencies}
        self.history = History(state.evaluations, eligible)
        self._slow = [member for member, found in self._known.items() if self._is_slow(found)]
        for member in self._slow:
            self.history.exclude(member)

    def of(self, architecture: Architecture) -> Latency | None:
        """Return the latency of a candidate; None where nobody asks for it."""
        return self._known.get(architecture)

    @property
    def has_given_up(self) -> bool:
        """Whether so many were too slow that looking for others is not worth their time."""
        return len(self._slow) >= self._most_slow

    def measure_next(self, number: int) -> LatencyMeasured | None:
        """Measure the first architecture of the next `number` pending ones that was not yet.

        Returns:
            None if all of them were, and keep the limit.
        """
        pending = self._state.pending
        unknown = (one for one in pending[:number] if one not in self._known)
        architecture = next(unknown, None)
        if architecture is None or self._measure is None:
            return None
        found = self._measure(architecture)
        self._known[architecture] = found
        self._state.latencies.append(
            MeasuredArchitecture(architecture=architecture, latency=found)
        )
        if self._is_slow(found):
            self._turn_away(architecture)
        number, code = len(self._state.latencies), self._space.encode(architecture)
        return LatencyMeasured(number, code, found)

    def last_resort(self) -> list[Architecture]:
        """Return the cheapest architectures that were not measured: the likeliest to be fast."""
        if self._measure is None:
            return []
        return [
            member
            for member in self._limits.cheapest(self._space)
            if self.history.is_open(member) and self._limits.allow(self._space, member)
        ]

    def verdict(self) -> str | None:
        """Say at the end of a search what came of the limit; None if it turned nobody away.

        Raises:
            InfeasibleSearch: if there is no candidate because all were too slow.
        """
        if not self._slow:
            return None
        lowest = min(self._known.values(), key=lambda found: found.ms)
        measured = f"{len(self._known):,} architecture{'s' if len(self._known) > 1 else ''}"
        told = f"the lowest latency is {lowest.ms:.4g} ms on {lowest.device}"
        if not len(self.history):
            raise InfeasibleSearch(
                "constraints",
                f"of {measured} measured none takes at most {self._limits.latency:g} ms; {told}. "
                "Raise search.constraints.latency",
            )
        ended = ", so many that the search ends before its budget" if self.has_given_up else ""
        return (
            f"of {measured} measured {len(self._slow):,} take more than "
            f"{self._limits.latency:g} ms and are no candidates{ended}; {told}"
        )

    def _is_slow(self, found: Latency) -> bool:
        return not self._limits.allow_latency(found.ms)

    def _turn_away(self, architecture: Architecture) -> None:
        self._slow.append(architecture)
        self.history.exclude(architecture)
        self._state.pending.remove(architecture)
        if len(self._slow) == self._most_slow:
            # Those that were measured and keep the limit are still to be scored.
            measured = [one for one in self._state.pending if one in self._known]
            self._state.pending = measured
