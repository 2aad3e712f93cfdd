"""Failures that a user of the science can cause; each carries the value and the remedy."""


class NasError(Exception):
    """Root of every failure that a user can cause and correct."""


class InfeasibleParameter(NasError):
    """A group of parameters cannot be had on this search space.

    Attributes:
        parameter: the one at fault.
        reason: with what is possible instead.
    """

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(reason)
        self.parameter = parameter
        self.reason = reason


class UnknownArchitecture(NasError):
    """An architecture string does not belong to the search space."""


class InfeasiblePartition(InfeasibleParameter):
    """The search space cannot be split as asked. The parameter is one of the splitter."""


class InfeasibleSampling(InfeasibleParameter):
    """The sampler cannot draw from the partition. The parameter is one of the sampler."""


class InfeasibleSearch(InfeasibleParameter):
    """The search space cannot be searched as asked. The parameter is one of the searcher."""


class InfeasibleSupernet(InfeasibleParameter):
    """The search space has no supernet of the shape asked for. The parameter is one of the shape."""


class InfeasibleCombination(InfeasibleParameter):
    """A scorer cannot combine the run's others as asked. The parameter is one of the scorer."""


class InfeasibleCalibration(NasError):
    """There are too few landmarks to calibrate scores."""


class InfeasibleLandmarks(InfeasibleParameter):
    """The landmarks cannot be had. The parameter is one of the landmarks' specification."""


class InfeasibleRanking(InfeasibleParameter):
    """What is to be ranked cannot be had. The parameter is one of the ranking's specification."""


class InfeasibleInheritance(NasError):
    """The supernets of a run cannot start from those of another one."""


class InfeasibleBuild(InfeasibleParameter):
    """A benchmark cannot be built so. The parameter is one of the build's specification."""


class InvalidBenchmark(NasError):
    """A ground-truth table holds unknown, repeated or non-finite rows."""


class InvalidDataset(NasError):
    """An image collection cannot be read; nothing of it was kept."""


class InvalidSplit(InvalidDataset):
    """So many images cannot be held out; the collection itself may be sound."""


class ScoreUndefined(NasError):
    """A score is not a finite number."""


class InvalidCheckpoint(NasError):
    """Stored weights cannot be read or do not fit the supernet."""


class ExportFailed(NasError):
    """A network cannot be written in a format.

    Attributes:
        format: the kind of the format.
        reason: for people, with the operation at fault where there is one.
    """

    def __init__(self, format: str, reason: str) -> None:
        super().__init__(f"{format}: {reason}")
        self.format = format
        self.reason = reason


class TrainingDiverged(NasError):
    """The training loss is no longer a finite number."""
