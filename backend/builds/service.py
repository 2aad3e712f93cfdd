"""Builds of benchmarks: starting, listing, stopping and removing them.

Every function takes the session first; the caller opens the transaction. A build shares the number
space, the states, the units and the history of runs, and none of their results.
"""

from collections.abc import Sequence

from sqlalchemy import case, delete, func, literal, select
from sqlalchemy.orm import Session, selectinload

from backend.builds.schemas import BuildRead, BuildTrainingRead
from backend.builds.units import TRAIN, units_of
from backend.columns import is_id
from backend.db import lock_name, wake_after_commit
from backend.errors import NotFound, Unprocessable
from backend.models import (
    Benchmark,
    Build,
    BuildTraining,
    Dataset,
    EventRow,
    SearchSpace,
    Unit,
)
from backend.paging import Listing, Page, decode_cursor, encode_cursor
from backend.references import pinned
from backend.runs import lifecycle
from backend.runs.checks import check_image_size, check_shift, resolve
from backend.runs.states import ACTIVE_RUN_STATES, append_event, lock_job
from backend.runs.waiting import executed_of, slots, waiting_reason
from nas.benchmarks.build import BuildSpec
from nas.benchmarks.building import networks
from nas.errors import InfeasibleBuild, InfeasibleSupernet

LISTED = "benchmark-builds"
FEWEST_IMAGES = 2
"""Of which a batch has statistics."""


def check_build(session: Session, spec: BuildSpec) -> tuple[SearchSpace, Dataset]:
    """Resolve the names of a spec and refuse what cannot be built.

    Raises:
        Unprocessable: naming the field, and what would be possible instead.
    """
    space = resolve(session, SearchSpace, "space", spec.space)
    dataset = resolve(session, Dataset, "dataset", spec.dataset)
    _check_images(dataset)
    check_image_size(space, dataset)
    check_shift(spec.recipe.augmentation, "recipe.augmentation", dataset)
    shape = spec.shape(image_channels=dataset.channels, num_classes=len(dataset.classes))
    try:
        space.definition.resized(shape)
        networks(spec, space.definition)
    except (InfeasibleSupernet, InfeasibleBuild) as error:
        raise Unprocessable(error.parameter, error.reason) from error
    return space, dataset


def create_build(session: Session, spec: BuildSpec) -> BuildRead:
    """Queue a build, with all of its units.

    Args:
        session: a writing transaction. `check_build` beforehand makes it short: what is looked at
            there is remembered.
        spec: what is to be built.

    Raises:
        Unprocessable: as `check_build`, or if the name is taken.
    """
    space, dataset = check_build(session, spec)
    _require_free(session, spec.name)
    build = Build(name=spec.name, spec=spec, space=space, dataset=dataset)
    session.add(build)
    session.flush()
    for unit in units_of(spec, space.definition):
        unit.run_id = build.id
        session.add(unit)
    data = {"from": None, "to": "queued"}
    append_event(session, build, "run-state", f"{build.title} queued.", data=data)
    wake_after_commit(session, build.id)
    return _read(session, [build])[0]


def get_build(session: Session, build_id: int) -> BuildRead:
    """Return a build. Raises `NotFound`."""
    return _read(session, [require_build(session, build_id)])[0]


def require_build(session: Session, build_id: int) -> Build:
    """Return the row of a build.

    Raises:
        NotFound: if there is no such build.
    """
    build = session.get(Build, build_id) if is_id(build_id) else None
    if build is None:
        raise NotFound("benchmark build", build_id)
    return build


def list_builds(
    session: Session, *, unfinished: bool = False, limit: int = 50, cursor: str | None = None
) -> Page[BuildRead]:
    """Return builds, newest first.

    Args:
        session: a transaction.
        unfinished: only those that have made no benchmark, failed and cancelled ones included.
        limit: at most this many.
        cursor: `next_cursor` of the page before.
    """
    named = (selectinload(part) for part in (Build.space, Build.dataset, Build.benchmark))
    statement = select(Build).options(*named).order_by(Build.id.desc()).limit(limit + 1)
    if unfinished:
        statement = statement.where(Build.state != "succeeded")
    if cursor is not None:
        (last,) = decode_cursor(cursor, LISTED, int)
        statement = statement.where(Build.id < literal(last))
    builds = session.scalars(statement).all()
    shown = builds[:limit]
    return Page(
        items=_read(session, shown),
        next_cursor=encode_cursor(LISTED, [shown[-1].id]) if len(builds) > limit else None,
    )


def training_listing(build_id: int) -> Listing[BuildTrainingRead]:
    """Describe the finished trainings of a build, by architecture and seed."""
    return Listing(
        f"{LISTED}/{build_id}/trainings",
        select(BuildTraining).where(BuildTraining.run_id == build_id),
        [BuildTraining.architecture, BuildTraining.seed],
        BuildTrainingRead.model_validate,
    )


def act(session: Session, build_id: int, action: str) -> BuildRead:
    """Cancel, pause, resume or retry a build; finished trainings stay. Raises `NotFound`, `Conflict`."""
    return _read(session, [lifecycle.act(session, build_id, action, Build)])[0]


def delete_build(session: Session, build_id: int) -> None:
    """Remove a finished build and its trainings; the benchmark that it made stays.

    Raises:
        NotFound: if there is no such build.
        Conflict: if it has not finished.
    """
    build = lock_job(session, build_id, Build)
    lifecycle.require(build, "delete")
    # Ahead of the units, to which they refer without an index.
    session.execute(delete(EventRow).where(EventRow.run_id == build.id))
    session.execute(delete(Build).where(Build.id == build.id))


def _require_free(session: Session, name: str) -> None:
    """Refuse a name that a benchmark has, or that an unfinished build will give to one."""
    lock_name(session, f"benchmarks/{name}")
    taken = session.scalars(
        select(Benchmark).where(Benchmark.name == name).order_by(Benchmark.version.desc()).limit(1)
    ).one_or_none()
    if taken is not None:
        raise Unprocessable("name", f"{name!r} is taken by {pinned(taken)}: choose another one")
    builds = select(Build.id).where(Build.name == name, Build.state.in_(ACTIVE_RUN_STATES))
    building = session.scalar(builds.limit(1))
    if building is not None:
        raise Unprocessable(
            "name",
            f"{name!r} is what build {building} will be called: choose another one, or cancel that "
            "build",
        )


def _check_images(dataset: Dataset) -> None:
    if not dataset.num_test:
        raise Unprocessable(
            "dataset",
            f"{pinned(dataset)} has no test images, on which stand-alone accuracies are measured: "
            "import it with some, or take another one",
        )
    if dataset.num_train < FEWEST_IMAGES:
        raise Unprocessable(
            "dataset",
            f"{pinned(dataset)} has {dataset.num_train} training images, and a step needs "
            f"{FEWEST_IMAGES}: take another one",
        )


def _read(session: Session, builds: Sequence[Build]) -> list[BuildRead]:
    session.flush()
    ids = [build.id for build in builds]
    totals = _sums(session, ids)
    trained = {
        build_id: (number, diverged)
        for build_id, number, diverged in session.execute(
            select(
                BuildTraining.run_id,
                func.count(),
                func.sum(case((BuildTraining.accuracy.is_(None), 1), else_=0)),
            )
            .where(BuildTraining.run_id.in_(ids))
            .group_by(BuildTraining.run_id)
        )
    }
    executed = executed_of(session, ids)
    found = slots(session)
    return [
        BuildRead(
            id=build.id,
            name=build.name,
            state=build.state,
            space=pinned(build.space),
            dataset=pinned(build.dataset),
            num_architectures=num_architectures(build),
            num_networks=totals[build.id] // len(build.spec.seeds),
            num_trainings=totals[build.id],
            num_trained=trained.get(build.id, (0, 0))[0],
            num_diverged=trained.get(build.id, (0, 0))[1],
            benchmark=pinned(build.benchmark) if build.benchmark else None,
            revision=build.revision,
            waiting_reason=waiting_reason(
                build.state, found, run_id=build.id, is_executed=build.id in executed
            ),
            failure_class=build.failure_class,
            failure_message=build.failure_message,
            allowed_actions=lifecycle.actions_of(build),
            spec=build.spec,
            created_at=build.created_at,
            started_at=build.started_at,
            finished_at=build.finished_at,
        )
        for build in builds
    ]


def num_architectures(build: Build) -> int:
    """Return how many architectures the benchmark will hold."""
    spec = build.spec
    if spec.architectures is not None:
        return len(spec.architectures)
    return build.space.definition.size.valid if spec.sample is None else spec.sample


def _sums(session: Session, ids: Sequence[int]) -> dict[int, int]:
    """Build id -> trainings in all."""
    rows = session.execute(
        select(Unit.run_id, func.sum(Unit.total))
        .where(Unit.run_id.in_(ids), Unit.kind == TRAIN)
        .group_by(Unit.run_id)
    )
    return {build_id: int(total) for build_id, total in rows}
