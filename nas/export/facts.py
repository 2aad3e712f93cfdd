"""What a model card tells about a network; importing it loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean, stdev

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class DataFacts:
    """The images.

    Attributes:
        name: with the version.
        sha256: checksum of the dataset's file; None where it is not known.
        sizes: images per split.
    """

    name: str
    sha256: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """One training of the architecture, alone.

    Attributes:
        seed: of the training.
        accuracies: in percent, per split.
    """

    seed: int
    accuracies: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SupernetFacts:
    """What the supernets thought of the architecture, and how far they are to be trusted.

    Attributes:
        scorer: whose score it is.
        score: higher is better.
        conditions: of the rank correlation with the truth: its value, of how many architectures,
            their ties, the split, the BatchNorm policy, the interval, the noise ceiling and what
            else it rests on; empty where no truth was known.
    """

    scorer: str
    score: float | None
    conditions: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything that a card tells and a network does not know itself.

    Attributes:
        space: the name of the search space, with its version.
        run: which run found the architecture.
        data: on which it was trained.
        exported_seed: of the training whose weights are exported.
        trainings: all trainings of the architecture by the same recipe, that one among them.
        recipe: of the trainings.
        search: how it was found; empty if somebody chose it.
        supernet: None where there was none.
        software: names and versions, the commit among them; of the export alone, since a network's
            file tells of its training.
    """

    space: str
    run: str
    data: DataFacts
    exported_seed: int
    trainings: tuple[TrainingFacts, ...]
    recipe: Mapping[str, JsonValue]
    search: Mapping[str, JsonValue] = field(default_factory=dict)
    supernet: SupernetFacts | None = None
    software: Mapping[str, str] = field(default_factory=dict)

    def accuracies(self, split: str) -> list[float]:
        """Return those of all trainings that have one on a split."""
        found = (training.accuracies.get(split) for training in self.trainings)
        return [accuracy for accuracy in found if accuracy is not None]

    def spread(self, split: str) -> str | None:
        """Return mean and standard deviation over seeds, for people; None without accuracies."""
        found = self.accuracies(split)
        if not found:
            return None
        if len(found) == 1:
            return f"{found[0]:.2f} % (one seed, so its spread is not known)"
        return (
            f"{fmean(found):.2f} % ± {stdev(found):.2f} (standard deviation of {len(found)} seeds)"
        )
