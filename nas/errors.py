"""Failures that a user of the science can cause; each carries the value and the remedy."""


class NasError(Exception):
    """Root of every failure that a user can cause and correct."""


class UnknownArchitecture(NasError):
    """An architecture string does not belong to the search space."""


class InfeasiblePartition(NasError):
    """The search space cannot be split as asked.

    Attributes:
        parameter: of the splitter, the one at fault.
        reason: with what is feasible instead.
    """

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(reason)
        self.parameter = parameter
        self.reason = reason


class InfeasibleSampling(NasError):
    """The sampler cannot draw from the partition.

    Attributes:
        parameter: of the sampler, the one at fault.
        reason: with what is possible instead.
    """

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(reason)
        self.parameter = parameter
        self.reason = reason


class InfeasibleSearch(NasError):
    """No architecture satisfies the constraints."""


class InfeasibleSupernet(NasError):
    """The search space has no supernet of the shape asked for.

    Attributes:
        parameter: of the shape, the one at fault.
        reason: with what is possible instead.
    """

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(reason)
        self.parameter = parameter
        self.reason = reason


class InfeasibleInheritance(NasError):
    """The supernets of a run cannot start from those of another one."""


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


class TrainingDiverged(NasError):
    """The training loss is no longer a finite number."""
