"""Every score of an architecture, whatever its scorers need to know."""

from collections.abc import Iterable, Iterator, Sequence

from nas.experiment import Experiment
from nas.ranking.scorers.base import ArchitectureScorer, Scorer, SupernetScorer
from nas.ranking.scoring import ScoringImages, scores
from nas.spaces.base import Architecture
from nas.supernets.network import Network


def evaluate(
    experiment: Experiment,
    supernet: Network,
    architectures: Sequence[Architecture],
    images: ScoringImages,
    scorers: Sequence[Scorer],
) -> Iterator[tuple[Architecture, tuple[float, ...]]]:
    """Yield every architecture once, in an order of their own, with one score per scorer.

    Higher is better. Scores are a function of each architecture alone.

    Args:
        experiment: the run.
        supernet: the trained one of the architectures' sub-space.
        architectures: valid ones.
        images: that scores of the supernet read.
        scorers: of any base.

    Raises:
        ScoreUndefined: if a score is not finite.
    """
    of_supernet = [scorer for scorer in scorers if isinstance(scorer, SupernetScorer)]
    passes: Iterable[tuple[Architecture, tuple[float, ...]]]
    if of_supernet:
        policy = experiment.spec.ranking.batch_norm
        passes = scores(supernet, architectures, images, of_supernet, policy)
    else:
        passes = ((architecture, ()) for architecture in architectures)
    for architecture, values in passes:
        found = dict(zip((scorer.kind for scorer in of_supernet), values, strict=True))
        for scorer in scorers:
            if isinstance(scorer, ArchitectureScorer):
                found[scorer.kind] = scorer.of_architecture(experiment.space, architecture)
        yield architecture, tuple(found[scorer.kind] for scorer in scorers)
