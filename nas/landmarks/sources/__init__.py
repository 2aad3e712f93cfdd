"""Where the accuracy of landmarks comes from; one strategy per file."""

from typing import TYPE_CHECKING

from nas.landmarks.sources.base import LandmarkSource
from nas.plugin import tagged_union

if TYPE_CHECKING:
    AnyLandmarks = LandmarkSource
else:
    AnyLandmarks = tagged_union(__name__, LandmarkSource)
