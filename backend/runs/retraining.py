"""The stand-alone training of chosen architectures: planning it, and what came of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db import wake_after_commit
from backend.errors import Unprocessable
from backend.models import (
    BenchmarkEntry,
    Candidate,
    RetrainingEpochRow,
    RetrainingRow,
    Run,
    Score,
    Unit,
)
from backend.paging import Listing
from backend.runs import lifecycle
from backend.runs.checks import check_retraining, resolved
from backend.runs.schemas import (
    RetrainedRead,
    RetrainingEpochRead,
    RetrainingRead,
    RetrainRequest,
)
from backend.runs.states import append_event, lock_run, move_run
from nas.errors import UnknownArchitecture
from nas.search.winning import Evaluated, winners
from nas.spaces.base import Architecture
from nas.training.retrain_spec import Retraining

KIND = "retrain"
"""Of the units."""

WINNER, PICKED = "winner", "picked"

MOST_TRAININGS = 1000
"""Of one request."""

Training = tuple[str, int]
"""Canonical string and seed."""


def plan_winners(session: Session, run: Run) -> int:
    """Add the retrainings that the spec asks for, and return how many; of those there are, none.

    Args:
        session: the transaction in which the search ends, the run's row taken.
        run: whose candidates are all stored.
    """
    if run.spec.retrain is None:
        return 0
    plan = resolved(run.spec.retrain, run.dataset)
    chosen = _winners(session, run, run.spec.retrain.top)
    trainings = [(code, seed) for code in chosen for seed in plan.seeds]
    missing = _missing(session, run, plan, trainings)
    _add(session, run, plan, missing, WINNER)
    return len(missing)


def request(session: Session, run_id: int, asked: RetrainRequest) -> list[RetrainingRead]:
    """Add the retrainings that somebody asks for, and queue a run that had succeeded.

    Returns:
        Those that were added.

    Raises:
        NotFound: if there is no such run.
        Conflict: if its state forbids it.
        Unprocessable: naming the field: an architecture that is not in the space, is dead, or has
            been trained so; a recipe that cannot be followed; a search without candidates.
    """
    run = lock_run(session, run_id)
    lifecycle.require(run, "retrain")
    plan = resolved(asked.plan(run.spec.retrain), run.dataset)
    check_retraining(plan, "", run.space, run.dataset)
    if asked.architectures is not None:
        origin, added = PICKED, _picked(session, run, plan, asked.architectures)
    else:
        assert asked.top is not None
        origin, added = WINNER, _further_winners(session, run, plan, asked.top)
    if len(added) > MOST_TRAININGS:
        raise Unprocessable(
            "seeds", f"make {len(added):,} trainings; one request has {MOST_TRAININGS:,} at most"
        )
    first = _add(session, run, plan, added, origin)
    text = f"{len(added)} retraining{'s' if len(added) > 1 else ''} requested."
    if run.state == "succeeded":
        move_run(session, run, "queued", f"{run.title}: {text}")
    else:
        append_event(session, run, "edit", text)
    session.flush()
    return [one for one in retrainings(session, run.id) if one.number >= first]


def retrainings(session: Session, run_id: int) -> list[RetrainingRead]:
    """Return every retraining of a run in the order in which they were planned."""
    return retraining_listing(run_id).all(session)


def retraining_listing(run_id: int) -> Listing[RetrainingRead]:
    """List `retrainings`."""
    statement = (
        select(Unit.key, Unit.state, RetrainingRow)
        .join(Unit, Unit.id == RetrainingRow.unit_id)
        .where(RetrainingRow.run_id == run_id)
    )

    def read(unit: str, state: str, row: RetrainingRow) -> RetrainingRead:
        return RetrainingRead(
            unit=unit,
            state=state,
            number=row.number,
            architecture=row.architecture,
            subspace=row.subspace,
            origin=row.origin,
            seed=row.seed,
            recipe=row.recipe,
            width=row.width,
            cells_per_stage=row.cells_per_stage,
            epochs=row.epochs,
            max_epochs=row.recipe.epochs,
            best_epoch=row.best_epoch,
            kept_epoch=row.kept_epoch,
            validation_accuracy=row.validation_accuracy,
            test_accuracy=row.test_accuracy,
            seconds=row.seconds,
            device=row.device,
            weights_sha256=row.weights_sha256,
            failure=row.failure,
        )

    return Listing(f"runs/{run_id}/retrainings", statement, [RetrainingRow.number], read)


def retraining_epochs(session: Session, run_id: int) -> list[RetrainingEpochRead]:
    """Return the epochs of all retrainings of a run, those of each one together and ascending."""
    return epoch_listing(run_id).all(session)


def epoch_listing(run_id: int) -> Listing[RetrainingEpochRead]:
    """List `retraining_epochs`."""
    statement = (
        select(RetrainingRow.number, RetrainingEpochRow)
        .join(RetrainingRow, RetrainingRow.unit_id == RetrainingEpochRow.unit_id)
        .where(RetrainingEpochRow.run_id == run_id)
    )

    def read(number: int, row: RetrainingEpochRow) -> RetrainingEpochRead:
        return RetrainingEpochRead(
            number=number,
            epoch=row.epoch,
            loss=row.loss,
            learning_rate=row.learning_rate,
            accuracy=row.accuracy,
        )

    keys = [RetrainingRow.number, RetrainingEpochRow.epoch]
    return Listing(f"runs/{run_id}/retraining-epochs", statement, keys, read)


def retrained(session: Session, run_id: int) -> list[RetrainedRead]:
    """Return what the retrainings of each architecture found, beside its score and the benchmark.

    Trainings by another recipe, or of networks of another size, are told apart.
    """
    run = session.get(Run, run_id)
    groups: defaultdict[tuple[object, ...], list[RetrainingRead]] = defaultdict(list)
    for one in retrainings(session, run_id):
        recipe = one.recipe.model_dump_json()
        groups[one.architecture, recipe, one.width, one.cells_per_stage].append(one)
    if run is None or not groups:
        return []
    codes = {members[0].architecture for members in groups.values()}
    search = run.spec.search
    scorer = run.spec.ranking.shown_scorer if search is None else search.scorer
    scores = _scores(session, run, codes, scorer)
    truth = _true_accuracies(session, run, codes)
    return [_retrained(members, scorer, scores, truth) for members in groups.values()]


def _retrained(
    members: Sequence[RetrainingRead],
    scorer: str,
    scores: Mapping[str, float],
    truth: Mapping[str, float],
) -> RetrainedRead:
    first = members[0]
    tested = [one.test_accuracy for one in members if one.test_accuracy is not None]
    validated = [one.validation_accuracy for one in members if one.validation_accuracy is not None]
    return RetrainedRead(
        architecture=first.architecture,
        subspace=first.subspace,
        origin=first.origin,
        recipe=first.recipe.kind,
        width=first.width,
        cells_per_stage=first.cells_per_stage,
        numbers=[one.number for one in members],
        num_done=len(tested),
        num_diverged=sum(one.failure is not None for one in members),
        test_accuracy=fmean(tested) if tested else None,
        test_deviation=stdev(tested) if len(tested) > 1 else None,
        validation_accuracy=fmean(validated) if validated else None,
        scorer=scorer,
        score=scores.get(first.architecture),
        true_accuracy=truth.get(first.architecture),
    )


def _scores(session: Session, run: Run, codes: set[str], scorer: str) -> dict[str, float]:
    """Scores by the trained supernets: of the ranking after training, or else of the search."""
    ranked = select(Score.architecture, Score.score).where(
        Score.run_id == run.id,
        Score.stage == "final",
        Score.scorer == scorer,
        Score.architecture.in_(codes),
    )
    searched = select(Candidate.architecture, Candidate.score).where(
        Candidate.run_id == run.id, Candidate.architecture.in_(codes)
    )
    found = {code: score for code, score in session.execute(searched)}
    return found | {code: score for code, score in session.execute(ranked)}


def _true_accuracies(session: Session, run: Run, codes: set[str]) -> dict[str, float]:
    entries = select(BenchmarkEntry.architecture, BenchmarkEntry.value).where(
        BenchmarkEntry.column_id == run.truth_id, BenchmarkEntry.architecture.in_(codes)
    )
    return {code: value for code, value in session.execute(entries)}


def _winners(session: Session, run: Run, number: int) -> list[str]:
    searcher, space = run.spec.search, run.space.definition
    assert searcher is not None
    rows = session.scalars(
        select(Candidate).where(Candidate.run_id == run.id).order_by(Candidate.evaluation)
    )
    names = [aim.name for aim in searcher.aims]
    candidates = [
        Evaluated(
            space.decode(row.architecture),
            row.score,
            tuple(row.objectives[name] for name in names),
        )
        for row in rows
    ]
    return [space.encode(one) for one in winners(searcher, space, candidates, number)]


def _further_winners(session: Session, run: Run, plan: Retraining, top: int) -> list[Training]:
    """Return the trainings of the best candidates that have not been made."""
    if run.spec.search is None:
        raise Unprocessable("top", f"{run.title} has no search, so it has no winners")
    ended = session.scalar(select(Unit.state).where(Unit.run_id == run.id, Unit.key == "search"))
    if ended != "done":
        raise Unprocessable("top", f"the search of {run.title} has not ended yet; list some")
    chosen = _winners(session, run, top)
    trainings = [(code, seed) for code in chosen for seed in plan.seeds]
    missing = _missing(session, run, plan, trainings)
    if not missing:
        raise Unprocessable(
            "top",
            f"the best {len(chosen)} were retrained with this recipe and these seeds already; take "
            "more, or other seeds",
        )
    return missing


def _picked(
    session: Session, run: Run, plan: Retraining, architectures: Sequence[str]
) -> list[Training]:
    """Return the trainings of a list of architectures, none of which has been made."""
    codes: list[str] = []
    for place, text in enumerate(architectures):
        field = f"architectures.{place}"
        code = run.space.definition.encode(_valid(run, field, text))
        if code in codes:
            raise Unprocessable(field, f"{code} is listed twice")
        codes.append(code)
        missing = _missing(session, run, plan, [(code, seed) for seed in plan.seeds])
        made = sorted(set(plan.seeds) - {seed for _, seed in missing})
        if made:
            raise Unprocessable(
                field,
                f"{code} was retrained with this recipe and seed {made[0]} already; take other seeds",
            )
    return [(code, seed) for code in codes for seed in plan.seeds]


def _valid(run: Run, field: str, text: str) -> Architecture:
    space = run.space.definition
    try:
        architecture: Architecture = space.decode(text)
    except UnknownArchitecture as error:
        raise Unprocessable(field, str(error)) from error
    if not space.is_valid(architecture):
        raise Unprocessable(
            field,
            f"{text} is dead: its output does not depend on its input, so there is nothing to train",
        )
    return architecture


def _missing(
    session: Session, run: Run, plan: Retraining, trainings: Sequence[Training]
) -> list[Training]:
    """Leave out what is planned or made in just this way."""
    rows = session.scalars(select(RetrainingRow).where(RetrainingRow.run_id == run.id))
    made = {
        (row.architecture, row.seed)
        for row in rows
        if (row.recipe, row.width, row.cells_per_stage)
        == (plan.recipe, plan.width, plan.cells_per_stage)
    }
    return [training for training in trainings if training not in made]


def _add(
    session: Session, run: Run, plan: Retraining, trainings: Sequence[Training], origin: str
) -> int:
    """Add a unit for each training; return the number of the first."""
    assert plan.recipe is not None
    space = run.space.definition
    partition = run.spec.partition(space)
    known = session.scalar(
        select(func.max(RetrainingRow.number)).where(RetrainingRow.run_id == run.id)
    )
    first = 0 if known is None else known + 1
    # Whatever becomes of the search, a run begins with its partition.
    needed = ["search"] if origin == WINNER else ["partition"]
    done = set(
        session.scalars(select(Unit.key).where(Unit.run_id == run.id, Unit.state == "done"))
    )
    total = plan.recipe.epochs * plan.recipe.steps_per_epoch(run.dataset.num_train)
    for number, (code, seed) in enumerate(trainings, start=first):
        subspace = partition.route(space.decode(code))
        unit = Unit(
            run_id=run.id,
            key=f"{KIND}-{number}",
            kind=KIND,
            subspace=subspace,
            chunk=number,
            depends_on=needed,
            state="ready" if done.issuperset(needed) else "waiting",
            total=total,
        )
        session.add(unit)
        session.flush()
        session.add(
            RetrainingRow(
                unit_id=unit.id,
                run_id=run.id,
                number=number,
                architecture=code,
                subspace=subspace,
                origin=origin,
                seed=seed,
                recipe=plan.recipe,
                width=plan.width,
                cells_per_stage=plan.cells_per_stage,
            )
        )
    wake_after_commit(session, run.id)
    return first
