"""Every score of an architecture, whatever its scorers need to know."""

from collections.abc import Sequence

from nas.experiment import Experiment
from nas.ranking.scorers.base import ArchitectureScorer, Scorer, SupernetScorer
from nas.ranking.scorers.gradient import GradientScorer
from nas.ranking.scorers.untrained import UntrainedScorer
from nas.ranking.scoring import ScoringImages, score
from nas.ranking.supernet_gradients import gradient_score
from nas.spaces.base import Architecture
from nas.supernets.network import Network


def evaluate(
    experiment: Experiment,
    supernet: Network,
    architecture: Architecture,
    images: ScoringImages,
    scorers: Sequence[Scorer],
) -> tuple[float, ...]:
    """Return one score per scorer, higher is better.

    Args:
        experiment: the run.
        supernet: the trained one of the architecture's sub-space.
        architecture: a valid one.
        images: that scores of the supernet read.
        scorers: of any base.

    Raises:
        ScoreUndefined: if a score is not finite.
    """
    found: dict[str, float] = {}
    of_supernet = [scorer for scorer in scorers if isinstance(scorer, SupernetScorer)]
    if of_supernet:
        values = score(supernet, architecture, images, of_supernet)
        found.update(zip((scorer.kind for scorer in of_supernet), values, strict=True))
    for scorer in scorers:
        if isinstance(scorer, ArchitectureScorer):
            found[scorer.kind] = scorer.of_architecture(experiment.space, architecture)
        elif isinstance(scorer, UntrainedScorer):
            found[scorer.kind] = experiment.untrained_scores.of(scorer, architecture)
        elif isinstance(scorer, GradientScorer):
            found[scorer.kind] = gradient_score(experiment, supernet, architecture, scorer)
    return tuple(found[scorer.kind] for scorer in scorers)
