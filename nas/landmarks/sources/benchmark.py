"""Accuracy that is known already."""

from typing import ClassVar, Literal, final

from nas.landmarks.sources.base import LandmarkSource


@final
class BenchmarkLandmarks(LandmarkSource):
    """Take the landmarks, and their accuracy, from the run's benchmark.

    Source: Yu et al., CVPR 2021 (arXiv 2104.05309), on tabular benchmarks.
    """

    kind: Literal["benchmark"] = "benchmark"
    reads_benchmark: ClassVar[bool] = True
