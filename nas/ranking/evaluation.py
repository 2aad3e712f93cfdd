"""Every score of an architecture, whatever its scorers need to know."""

from collections.abc import Iterator, Sequence

from nas.experiment import Experiment
from nas.ranking.scorers.base import ArchitectureScorer, Scorer, SupernetScorer
from nas.ranking.scorers.gradient import GradientScorer
from nas.ranking.scorers.untrained import UntrainedScorer
from nas.ranking.scoring import ScoringImages, scores
from nas.ranking.supernet_gradients import gradient_score
from nas.spaces.base import Architecture
from nas.supernets.network import Network


def evaluations(
    experiment: Experiment,
    supernet: Network,
    architectures: Sequence[Architecture],
    images: ScoringImages,
    scorers: Sequence[Scorer],
) -> Iterator[tuple[Architecture, tuple[float, ...]]]:
    """Yield every architecture once, in any order, with one score per scorer, higher is better.

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
    batch_norm = experiment.spec.ranking.batch_norm
    scored: Iterator[tuple[Architecture, tuple[float, ...]]]
    if of_supernet:
        scored = scores(supernet, architectures, images, of_supernet, batch_norm)
    else:
        scored = ((architecture, ()) for architecture in dict.fromkeys(architectures))
    for architecture, values in scored:
        found = dict(zip((scorer.kind for scorer in of_supernet), values, strict=True))
        for scorer in scorers:
            if isinstance(scorer, ArchitectureScorer):
                found[scorer.kind] = scorer.of_architecture(experiment.space, architecture)
            elif isinstance(scorer, UntrainedScorer):
                found[scorer.kind] = experiment.untrained_scores.of(scorer, architecture)
            elif isinstance(scorer, GradientScorer):
                found[scorer.kind] = gradient_score(experiment, supernet, architecture, scorer)
        yield architecture, tuple(found[scorer.kind] for scorer in scorers)


def evaluate(
    experiment: Experiment,
    supernet: Network,
    architecture: Architecture,
    images: ScoringImages,
    scorers: Sequence[Scorer],
) -> tuple[float, ...]:
    """Return what `evaluations` yields for one architecture.

    Raises:
        ScoreUndefined: if a score is not finite.
    """
    ((_, found),) = evaluations(experiment, supernet, [architecture], images, scorers)
    return found
