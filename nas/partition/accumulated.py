"""Weight banks chosen by the running count of nonlinear functions: routing `accumulated`.

At each searched cell of the network the running count grows by the cell's own count, and the bank
is the number of thresholds below it. Architectures that differ in their count still share a bank
wherever their running counts lie between the same thresholds. A sub-space holds the architectures
that use the same bank at every depth.

Source: released code of EFS-NAS (Oh et al., AAAI 2025, arXiv 2412.14678), whose thresholds are
written for 15 cells; its first cells, which have no banks, are `shared_cells` here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nas.errors import InfeasiblePartition, InfeasibleSupernet
from nas.partition.base import Partition, labelled_partition
from nas.partition.nonlinearity import NonlinearitySplitter, counts_title
from nas.spaces.base import Architecture, Space
from nas.spaces.cell import CellSpace
from nas.spaces.labelling import EFFECTIVE


@dataclass(frozen=True, slots=True)
class Banks:
    """Which bank of weights a cell reads.

    Attributes:
        thresholds: of the running count, ascending; there is one bank more than thresholds.
        num_cells: searched cells in a row.
        shared_cells: first cells, which have the one bank 0.
    """

    thresholds: tuple[int, ...]
    num_cells: int
    shared_cells: int = 0

    @property
    def num_banks(self) -> int:
        """Banks of a cell behind the shared ones; where none reads a bank, it is not built."""
        return len(self.thresholds) + 1

    def bank(self, count: int, depth: int) -> int:
        """Return the bank of a cell.

        Args:
            count: nonlinear functions of the cell.
            depth: position of the cell in the network, 1 for the first.
        """
        if depth <= self.shared_cells:
            return 0
        return sum(count * depth > threshold for threshold in self.thresholds)

    def profile(self, count: int) -> tuple[int, ...]:
        """Return the bank at every depth."""
        return tuple(self.bank(count, depth) for depth in range(1, self.num_cells + 1))

    def by_cell(self, space: Space) -> tuple[tuple[int, ...], ...]:
        """Return, per searched cell, the banks that some valid architecture reads, ascending."""
        counts = [count for count, number in space.histogram().items() if number.valid]
        profiles = [self.profile(count) for count in counts]
        return tuple(tuple(sorted(set(banks))) for banks in zip(*profiles, strict=True))


class BankSpan(NamedTuple):
    """Searched cells in a row that read the same bank; 1 is the first cell."""

    first: int
    last: int
    bank: int


def bank_spans(profile: Sequence[int]) -> tuple[BankSpan, ...]:
    """Return the bank at every depth in short: (1, 7, 0), (8, 15, 1) for 7 zeros and 8 ones."""
    spans: list[BankSpan] = []
    for depth, bank in enumerate(profile, start=1):
        if spans and spans[-1].bank == bank:
            spans[-1] = spans[-1]._replace(last=depth)
        else:
            spans.append(BankSpan(depth, depth, bank))
    return tuple(spans)


@dataclass(frozen=True, kw_only=True)
class BankedPartition(Partition):
    """A partition whose sub-spaces share weight banks.

    Attributes:
        banks: see there.
    """

    banks: Banks

    def route(self, architecture: Architecture, depth: int = 0) -> int:
        """Return who owns `architecture`.

        Args:
            architecture: a member of the space.
            depth: 0 asks for its sub-space, 1 and more for the bank of that searched cell.
        """
        if depth == 0:
            return super().route(architecture)
        return self.banks.bank(self.space.nonlinearity_count(architecture), depth)


def accumulated_partition(
    splitter: NonlinearitySplitter, space: Space, *, cells_per_stage: int, shared_cells: int
) -> BankedPartition:
    """Return the sub-spaces of a network with weight banks.

    Automatic thresholds are those of routing `class` times the number of cells, so that in the
    last cell the banks are the classes.

    Args:
        splitter: its thresholds are those of the running count.
        space: of cells.
        cells_per_stage: searched cells of the supernet in a row at each resolution.
        shared_cells: first cells, which have no banks.

    Raises:
        InfeasiblePartition: if no valid architecture reaches some bank.
        InfeasibleSupernet: if the space has no cells.
    """
    if not isinstance(space, CellSpace):
        raise InfeasibleSupernet(
            "routing",
            f"routing accumulated needs cells, and {space.name} has none; take routing class",
        )
    if splitter.count != "effective" or splitter.sets is not None:
        raise InfeasiblePartition(
            "sets" if splitter.sets is not None else "count",
            "routing accumulated compares the running effective count with thresholds",
        )
    num_cells = space.num_searched_cells(cells_per_stage)
    thresholds = splitter.thresholds
    if thresholds is None:
        classes = splitter.split(space).thresholds
        assert classes is not None
        thresholds = tuple(threshold * num_cells for threshold in classes)
    banks = Banks(thresholds, num_cells, shared_cells)
    histogram = space.histogram()
    valid = [count for count, number in histogram.items() if number.valid]
    _check_every_bank_is_reached(banks, valid, space)
    groups = _by_profile(banks, list(histogram))
    found = labelled_partition(
        space,
        EFFECTIVE,
        [(_title(profile, counts), frozenset(counts)) for profile, counts in groups.items()],
    )
    return BankedPartition(
        space=space,
        labelling=EFFECTIVE,
        subspaces=found.subspaces,
        thresholds=thresholds,
        banks=banks,
    )


def _check_every_bank_is_reached(banks: Banks, counts: list[int], space: Space) -> None:
    reached = {bank for count in counts for bank in banks.profile(count)}
    missing = sorted(set(range(banks.num_banks)) - reached)
    if missing:
        highest = max(counts) * banks.num_cells
        raise InfeasiblePartition(
            "thresholds",
            f"no architecture of {space.name} reaches bank {missing[0]} of the thresholds "
            f"{list(banks.thresholds)}: over {banks.num_cells} cells, of which the first "
            f"{banks.shared_cells} have no banks, running counts end at most at {highest}",
        )


def _by_profile(banks: Banks, counts: list[int]) -> Mapping[tuple[int, ...], list[int]]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for count in sorted(counts):
        groups.setdefault(banks.profile(count), []).append(count)
    return groups


def _title(profile: tuple[int, ...], counts: list[int]) -> str:
    """Return counts and banks in words: `count 2, banks 0-1-2`."""
    banks = "-".join(str(bank) for bank in dict.fromkeys(profile))
    return f"{counts_title(counts)}, banks {banks}"
