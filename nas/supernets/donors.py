"""Which supernets of a finished run another run's supernets can start from; without torch."""

from dataclasses import dataclass
from typing import Literal

from nas.errors import InfeasibleInheritance
from nas.partition.accumulated import BankedPartition
from nas.partition.base import Partition
from nas.supernets.sizes import Supernets


@dataclass(frozen=True, slots=True)
class Donor:
    """A trained supernet.

    Attributes:
        kind: of the unit that trained it.
        subspace: to which it is private; None for the warm-up's, and for one with weight banks.
        width: of its first stage.
    """

    kind: Literal["warm-up", "train"]
    subspace: int | None
    width: int

    def __str__(self) -> str:
        if self.kind == "warm-up":
            return f"its warm-up's supernet of width {self.width}"
        if self.subspace is None:
            return f"its supernet of width {self.width} with weight banks"
        return f"its supernet {self.subspace} of width {self.width}"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run trains.

    Attributes:
        supernets: their sizes.
        warms_up: whether a warm-up trains the one-shot parent first.
    """

    supernets: Supernets
    warms_up: bool

    def donor(self, subspace: int | None) -> Donor:
        """Return the supernet that a train unit leaves; see `Supernets.size`."""
        return Donor("train", subspace, self.supernets.size(subspace).width)

    @property
    def plain_donor(self) -> Donor | None:
        """The one supernet that holds all architectures without weight banks, if there is one."""
        if not self.supernets.have_banks and len(self.supernets.subspaces) == 1:
            return self.donor(0)
        if self.warms_up:
            return Donor("warm-up", None, self.supernets.parent.width)
        return None

    @property
    def beginners(self) -> tuple[int | None, ...]:
        """The supernets that start from nothing of this run's own; see `Supernets.size`."""
        if self.warms_up or self.supernets.have_banks:
            return (None,)
        return tuple(range(len(self.supernets.subspaces)))


def donors(source: Trained, heir: Trained) -> dict[int | None, Donor]:
    """Return the donor of every supernet with which a run begins.

    Where both runs have the same partition, and so the same supernets, each has its own. Else all
    have the one plain supernet of the source: of its only sub-space, or of its warm-up.

    Args:
        source: a finished run.
        heir: the run that inherits.

    Returns:
        By `heir.beginners`.

    Raises:
        InfeasibleInheritance: saying what does not fit, and what would.
    """
    _check_shapes(source.supernets, heir.supernets)
    found: dict[int | None, Donor] = {}
    own = not heir.warms_up and _same(source.supernets.partition, heir.supernets.partition)
    for beginner in heir.beginners:
        donor = source.donor(beginner) if own else source.plain_donor
        if donor is None:
            raise InfeasibleInheritance(_without_donor(source, heir))
        width = heir.supernets.size(beginner).width
        if width > donor.width:
            raise InfeasibleInheritance(
                f"{donor} cannot fill one of width {width}: only as wide or narrower ones inherit, "
                f"so make supernet.{'parent_width' if heir.warms_up else 'width'} at most "
                f"{donor.width}"
            )
        found[beginner] = donor
    return found


def _check_shapes(source: Supernets, heir: Supernets) -> None:
    space, own = source.partition.space, heir.partition.space
    if space != own:
        other = f"{space.name}, not {own.name}" if space.name != own.name else "of other content"
        raise InfeasibleInheritance(f"its search space is another one, {other}")
    for what, theirs, ours in (
        ("channels of an image", source.shape.image_channels, heir.shape.image_channels),
        ("classes", source.shape.num_classes, heir.shape.num_classes),
        ("cells per stage", source.shape.cells_per_stage, heir.shape.cells_per_stage),
        ("reduction", source.shape.reduction, heir.shape.reduction),
    ):
        if theirs != ours:
            raise InfeasibleInheritance(
                f"its supernets were made for {what} {theirs}, and those of this run for {ours}"
            )


def _same(one: Partition, other: Partition) -> bool:
    """Whether two partitions of one space have the same sub-spaces and the same weight banks."""
    banks = [part.banks if isinstance(part, BankedPartition) else None for part in (one, other)]
    return (
        banks[0] == banks[1]
        and one.labelling == other.labelling
        and [part.labels for part in one.subspaces] == [part.labels for part in other.subspaces]
    )


def _without_donor(source: Trained, heir: Trained) -> str:
    number = len(source.supernets.subspaces)
    have = (
        "it has one supernet with weight banks"
        if source.supernets.have_banks
        else f"it has {number} supernets, one per sub-space, and had no warm-up"
    )
    wanted = (
        "the warm-up of this run is one supernet: leave training.warm_up_steps at 0"
        if heir.warms_up and _same(source.supernets.partition, heir.supernets.partition)
        else "this run divides the space otherwise: take the same splitter and routing"
    )
    return f"{have}; {wanted}, or name a run with one supernet for the whole space"
