"""The training balance of a run in short: what its supernets got, and one number for how even."""

from collections.abc import Sequence

from backend.runs.schemas import BalanceRead, BalanceSummary, SubspaceRead, SupernetBalanceRead
from nas.training.balance import normalised_entropy


def newest(balance: Sequence[BalanceRead]) -> list[BalanceRead]:
    """Return the row of the highest step of every (unit, sub-space): counts are cumulative."""
    found: dict[tuple[str, int], BalanceRead] = {}
    for row in balance:
        key = (row.unit, row.subspace)
        if key not in found or row.step >= found[key].step:
            found[key] = row
    return list(found.values())


def balance_summary(
    subspaces: Sequence[SubspaceRead], balance: Sequence[BalanceRead]
) -> BalanceSummary:
    """Add up the newest counts per sub-space, the warm-up apart, and say how even they are."""
    rows = newest(balance)
    supernets = []
    total = sum(row.updates for row in rows if row.phase != "warm-up")
    for part in subspaces:
        own = [row for row in rows if row.subspace == part.index and row.phase != "warm-up"]
        warm = [row for row in rows if row.subspace == part.index and row.phase == "warm-up"]
        updates = sum(row.updates for row in own)
        supernets.append(
            SupernetBalanceRead(
                index=part.index,
                label=part.label,
                updates=updates,
                samples=sum(row.samples for row in own),
                images=sum(row.images for row in own),
                warm_up_updates=sum(row.updates for row in warm),
                share=updates / total if total else 0.0,
                target_share=part.target_share,
            )
        )
    targets = [one.target_share for one in supernets if one.target_share is not None]
    return BalanceSummary(
        supernets=supernets,
        entropy=normalised_entropy([one.updates for one in supernets]),
        target_entropy=normalised_entropy(targets) if len(targets) == len(supernets) else None,
        undefined_reason=_undefined_reason(supernets),
    )


def _undefined_reason(supernets: Sequence[SupernetBalanceRead]) -> str | None:
    if len(supernets) == 1:
        return "one supernet"
    return None if any(one.updates for one in supernets) else "no own update yet"
