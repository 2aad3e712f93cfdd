"""Ways to choose landmarks; one strategy per file."""

from typing import TYPE_CHECKING

from nas.landmarks.choices.base import LandmarkChoice
from nas.plugin import tagged_union

if TYPE_CHECKING:
    AnyLandmarkChoice = LandmarkChoice
else:
    AnyLandmarkChoice = tagged_union(__name__, LandmarkChoice)
