"""Those that the user names."""

from random import Random
from typing import Literal, final

from pydantic import Field

from nas.errors import InfeasibleLandmarks, UnknownArchitecture
from nas.landmarks.choices.base import MOST_LANDMARKS, Known, LandmarkChoice
from nas.partition.base import Partition
from nas.spaces.base import Architecture, LiveForm


@final
class FixedChoice(LandmarkChoice):
    """Take the architectures that are listed; what the authors call so is `evenly-spaced`."""

    kind: Literal["fixed"] = "fixed"
    architectures: tuple[str, ...] = Field(
        (), max_length=MOST_LANDMARKS, description="At least two, as the space writes them."
    )

    @property
    def number(self) -> int:
        return len(self.architectures)

    def choose(
        self, partition: Partition, known: Known | None, rng: Random
    ) -> tuple[Architecture, ...]:
        if self.number < 2:
            raise _refused(f"two or more are needed for a pair, {self.number} listed")
        space = partition.space
        found: dict[LiveForm, Architecture] = {}
        for code in self.architectures:
            try:
                architecture = space.decode(code)
            except UnknownArchitecture as error:
                raise _refused(f"outside the space: {error}") from error
            if not space.is_valid(architecture):
                raise _refused(f"{code} is dead: its output does not depend on its input")
            form = space.live_form(architecture)
            if form in found:
                raise _refused(_repeated(code, space.encode(found[form])))
            if known is not None and architecture not in known:
                raise _refused(
                    f"{code} is not in the benchmark, which is to tell its accuracy: leave it out, "
                    "or train the landmarks with the kind stand-alone"
                )
            found[form] = architecture
        return tuple(found.values())


def _repeated(code: str, first: str) -> str:
    if code == first:
        return f"{code} is listed twice"
    return f"{code} computes the same as {first}: leave one of them out"


def _refused(reason: str) -> InfeasibleLandmarks:
    return InfeasibleLandmarks("architectures", reason)
