"""Which landmarks a run has: a pure function of its spec, its partition and its benchmark."""

from collections.abc import Mapping

from nas.landmarks.landmark import Landmark, Landmarks
from nas.partition.base import Partition
from nas.seeds import stream
from nas.spec import RunSpec


def choose_landmarks(
    spec: RunSpec, partition: Partition, accuracies: Mapping[str, float] | None
) -> Landmarks:
    """Choose the landmarks of a run; those that it must train have no accuracy yet.

    Args:
        spec: of the run.
        partition: its sub-spaces.
        accuracies: of the valid architectures in its benchmark, in percent, by their canonical
            strings; None without a benchmark.

    Raises:
        InfeasibleLandmarks: if they cannot be chosen so; the parameter is one of `spec.landmarks`.
    """
    if spec.landmarks is None:
        return Landmarks()
    known = None
    if spec.landmarks.reads_benchmark:
        assert accuracies is not None, "a spec without benchmark is refused"
        known = {partition.space.decode(code): value for code, value in accuracies.items()}
    rng = stream(spec.seed, "landmarks")
    chosen = spec.landmarks.choice.choose(partition, known, rng)
    return Landmarks(
        tuple(
            Landmark(
                architecture=architecture,
                subspace=partition.route(architecture),
                accuracy=None if known is None else known[architecture],
            )
            for architecture in chosen
        )
    )
