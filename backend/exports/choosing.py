"""Which of several trainings is exported where nobody names one."""

from collections.abc import Sequence

from backend.runs.schemas import RetrainingRead


def has_weights(training: RetrainingRead) -> bool:
    """Tell whether a training has ended with a network."""
    return training.weights_sha256 is not None


def chosen(
    trainings: Sequence[RetrainingRead], architecture: str | None = None, seed: int | None = None
) -> RetrainingRead | None:
    """Return the training to export; None if none fits.

    Of several architectures it is the first that was planned, which is the best of the search; of
    several seeds the one with the highest accuracy on validation images, never on test images.

    Args:
        trainings: of a run, in the order in which they were planned.
        architecture: to which the choice is limited.
        seed: likewise.
    """
    fitting = [
        one
        for one in trainings
        if has_weights(one)
        and architecture in (None, one.architecture)
        and seed in (None, one.seed)
    ]
    if not fitting:
        return None
    first = fitting[0]
    alike = [
        one
        for one in fitting
        if (one.architecture, one.recipe, one.width, one.cells_per_stage)
        == (first.architecture, first.recipe, first.width, first.cells_per_stage)
    ]
    return max(alike, key=lambda one: one.validation_accuracy or 0.0)
