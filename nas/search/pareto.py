"""Which of several points are worth having, where lower is better in every objective."""

from collections.abc import Mapping, Sequence

Point = Sequence[float]
"""Losses: one number per objective, lower is better."""


def dominates(one: Point, other: Point) -> bool:
    """Tell whether `one` is nowhere worse than `other`, and better somewhere."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def pareto_front(points: Sequence[Point]) -> list[int]:
    """Return the places of the points that no other dominates, ascending; equal ones stay together."""
    front: list[int] = []
    # In lexicographic order nothing is dominated by what comes later.
    for place in sorted(range(len(points)), key=lambda place: tuple(points[place])):
        if not any(dominates(points[kept], points[place]) for kept in front):
            front.append(place)
    return sorted(front)


def admitted(
    archive: Sequence[int], points: Mapping[int, Point] | Sequence[Point], place: int
) -> list[int]:
    """Return the archive, places of mutually non-dominated points, after one more was offered.

    What it dominates leaves. If a member dominates or equals it, nothing changes.
    """
    offered = tuple(points[place])
    for member in archive:
        if tuple(points[member]) == offered or dominates(points[member], offered):
            return list(archive)
    return [member for member in archive if not dominates(offered, points[member])] + [place]


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Return the volume that the points dominate below `reference`, exactly.

    Points that are not below it in every objective add nothing. The volume is cut into slabs along
    the last objective, recursively, which takes n log n steps for two objectives and n times as
    many for each further one.
    """
    inside = [
        tuple(point)
        for point in points
        if all(value < limit for value, limit in zip(point, reference, strict=True))
    ]
    return _volume(inside, tuple(reference))


def _volume(points: Sequence[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    if not points:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(point[0] for point in points)
    if len(reference) == 2:
        return _area(points, reference)
    ordered = sorted(points, key=lambda point: point[-1])
    ends = [*(point[-1] for point in ordered[1:]), reference[-1]]
    total = 0.0
    below: list[tuple[float, ...]] = []
    for point, end in zip(ordered, ends, strict=True):
        below.append(point[:-1])
        if end > point[-1]:
            total += (end - point[-1]) * _volume(below, reference[:-1])
    return total


def _area(points: Sequence[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    total, height = 0.0, reference[1]
    for x, y in sorted(points):
        if y < height:
            total += (reference[0] - x) * (height - y)
            height = y
    return total
