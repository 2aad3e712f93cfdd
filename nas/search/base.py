"""What a searcher decides."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import ClassVar, Self

from pydantic import Field, model_validator

from nas.latency.latency import LatencyTable
from nas.latency.sources import AnyLatency
from nas.latency.sources.base import LatencySource
from nas.latency.sources.measured import MeasuredLatency
from nas.plugin import Strategy, refused_at
from nas.search.constraints import Constraints
from nas.search.objectives import LATENCY, Objective, ObjectiveText
from nas.search.state import History, Memory
from nas.spaces.base import Architecture, Space


class Searcher(Strategy, ABC):
    """A rule that proposes candidates from the scores of earlier ones.

    A searcher keeps nothing between calls: what it proposes and remembers is a function of the
    evaluations, of its memory of earlier ones and of the generator passed in, so a search can stop
    after any evaluation and continue elsewhere.
    """

    max_objectives: ClassVar[int | None] = 1
    """None for those that take any number."""

    kind: str
    scorer: str = Field(
        "loss", description="Which of the run's scorers gives a candidate's score."
    )
    objectives: tuple[ObjectiveText, ...] | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="What to optimise: scorers of the run, flops, parameters, nonlinearity-count, "
        "latency. Scores are maximised and the others minimised, unless `minimise ` or `maximise ` "
        "stands before the name. null: the scorer alone, or with flops where several are needed.",
    )
    budget: int = Field(1000, ge=1, le=1_000_000, description="Evaluations at most.")
    budget_seconds: float | None = Field(
        None,
        gt=0,
        description="Seconds of searching after which no more candidates are begun; null for no "
        "limit. With one, how far a search gets depends on the machine.",
    )
    evaluators: int = Field(
        3,
        ge=0,
        le=31,
        description="Further worker slots that may evaluate candidates while nothing else waits "
        "for them. The candidates are the same with any number.",
    )
    constraints: Constraints = Field(
        default_factory=Constraints, description="Limits that every candidate keeps."
    )
    latency: AnyLatency | None = Field(
        None,
        description="Where the candidates' latencies come from. null: measured with the usual "
        "parameters where latency is an objective or a limit, and else unknown.",
    )

    @model_validator(mode="after")
    def _objectives_fit_the_searcher(self) -> Self:
        names = [objective.name for objective in self.aims]
        if len(set(names)) != len(names):
            raise refused_at(("objectives",), f"each may be named once, got {names}")
        single = (Objective(self.scorer, maximised=True),)
        if self.max_objectives == 1 and self.aims != single:
            wanted = ", ".join(map(str, self.aims))
            raise refused_at(
                ("objectives",),
                f"{self.kind} maximises the scorer {self.scorer} alone, not {wanted}: leave "
                "objectives out, or take a searcher of several, such as nsga2",
            )
        return self

    @property
    def aims(self) -> tuple[Objective, ...]:
        """What is optimised."""
        return tuple(map(Objective.parse, self.objectives or self.default_objectives))

    @property
    def default_objectives(self) -> tuple[str, ...]:
        """What is optimised where the spec names nothing."""
        return (f"maximise {self.scorer}",)

    @property
    def scorers(self) -> tuple[str, ...]:
        """The scorers that every candidate is given to: first the one of its score."""
        kinds = (aim.name for aim in self.aims if aim.is_score)
        return tuple(dict.fromkeys((self.scorer, *kinds)))

    @property
    def latency_source(self) -> LatencySource | None:
        """Where the candidates' latencies come from; None where nobody asks for them."""
        is_wanted = self.constraints.latency is not None or any(
            aim.name == LATENCY for aim in self.aims
        )
        return self.latency or (MeasuredLatency() if is_wanted else None)

    @property
    def num_helpers(self) -> int:
        """How many further slots may evaluate candidates.

        None where a measured latency decides who becomes one: the search alone measures, and what
        it has not measured yet would be scored for nothing.
        """
        is_gate = self.constraints.latency is not None
        if is_gate and isinstance(self.latency_source, MeasuredLatency):
            return 0
        return self.evaluators

    def losses(self, objectives: Sequence[float]) -> tuple[float, ...]:
        """Return values of the objectives such that lower is better in each."""
        pairs = zip(self.aims, objectives, strict=True)
        return tuple(aim.loss(value) for aim, value in pairs)

    def check(self, space: Space, table: LatencyTable | None = None) -> None:
        """Refuse a space that cannot be searched so.

        Args:
            space: that is to be searched.
            table: known latencies, in milliseconds, to whose architectures the search is confined;
                None where they are measured, or nobody asks for them.

        Raises:
            InfeasibleSearch: with what would be possible.
        """
        self.constraints.check(space)
        if table is not None:
            self.constraints.check_table(space, table)

    def observe(
        self, space: Space, history: History, memory: Memory, newest: range, rng: Random
    ) -> Memory:
        """Return what to remember after a generation; nothing where the history is enough.

        Args:
            space: that is searched.
            history: all evaluations.
            memory: of those before `newest`.
            newest: places of the evaluations since, at least one.
            rng: of this generation.
        """
        return memory

    @abstractmethod
    def propose(
        self, space: Space, history: History, memory: Memory, rng: Random
    ) -> list[Architecture]:
        """Return new candidates: valid, distinct, within the constraints, open in the history.

        The order is the order of evaluation. Empty means that none is left, or that none was
        found within the searcher's number of tries, and ends the search.
        """
