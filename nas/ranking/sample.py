"""Which architectures a run ranks."""

from collections.abc import Iterable
from itertools import islice

from nas.errors import InfeasibleLandmarks, InfeasibleRanking
from nas.landmarks.landmark import NO_LANDMARKS, Landmarks
from nas.seeds import stream
from nas.spaces.base import Architecture, Space
from nas.spaces.distinct import draw_distinct
from nas.spec import RunSpec

FEWEST_KNOWN = 3
"""Of which a rank correlation is defined."""


def ranking_sample(
    spec: RunSpec,
    space: Space,
    landmarks: Landmarks = NO_LANDMARKS,
    known: Iterable[str] | None = None,
) -> tuple[Architecture, ...]:
    """Return the architectures that are ranked after training: distinct, valid, in random order.

    They are `ranking.num_architectures` uniform draws without replacement, or all if there are no
    more, that compute something else than each of the landmarks does. The first
    `ranking.live_architectures` are the live sample.

    Args:
        spec: of the run.
        space: to draw from.
        landmarks: of the run.
        known: canonical strings of the valid architectures of its benchmark; for a spec whose
            `ranking.among` is the benchmark, which draws from these alone.

    Raises:
        InfeasibleLandmarks: if they leave fewer than two architectures to be ranked; the
            parameter is one of `spec.landmarks`.
        InfeasibleRanking: if the benchmark holds too few; the parameter is one of `spec.ranking`.
    """
    rng, number = stream(spec.seed, "ranking sample"), spec.ranking.num_architectures
    trained = landmarks.forms(space)

    def is_ranked(architecture: Architecture) -> bool:
        return not trained or space.live_form(architecture) not in trained

    if spec.ranking.among == "benchmark":
        assert known is not None
        codes = sorted(known)
        if len(codes) < FEWEST_KNOWN:
            raise InfeasibleRanking(
                "among",
                f"the benchmark holds {len(codes)} valid architectures, and a rank correlation "
                f"needs {FEWEST_KNOWN}: rank architectures of the whole space, or take a larger "
                "benchmark",
            )
        rng.shuffle(codes)
        sample = tuple(islice(filter(is_ranked, map(space.decode, codes)), number))
    else:
        sample = draw_distinct(space, rng, number, is_ranked)
    if trained and len(sample) < 2:
        raise InfeasibleLandmarks(
            "choice",
            f"{len(landmarks)} landmarks leave {len(sample)} architectures of "
            f"{'the benchmark' if spec.ranking.among else space.name} to be ranked, for landmarks "
            "and what computes the same are never ranked; take fewer",
        )
    return sample
