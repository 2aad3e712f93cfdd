"""Rows of runs -> what the API and the dashboard say about them."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.models import Correlation, Run, Unit
from backend.references import pinned
from backend.runs.lifecycle import allowed_actions
from backend.runs.progress import run_progress
from backend.runs.schemas import RunRead, RunSummary
from backend.runs.waiting import executed_of, slots, waiting_reason


def summaries(session: Session, runs: Sequence[Run]) -> list[RunSummary]:
    """Return one line per run, with as many statements for a hundred runs as for one."""
    session.flush()
    ids = [run.id for run in runs]
    counters = _counters(session, ids)
    executed = executed_of(session, ids)
    taus = _newest_taus(session, ids)
    found = slots(session)
    num_subspaces = {run.id: run.spec.subspace_count(run.space.definition) for run in runs}
    return [
        RunSummary(
            id=run.id,
            name=run.name,
            state=run.state,
            space=pinned(run.space),
            dataset=pinned(run.dataset),
            benchmark=pinned(run.benchmark) if run.benchmark else None,
            benchmark_column=run.truth.name if run.truth else None,
            num_subspaces=num_subspaces[run.id],
            progress=run_progress(
                run.spec,
                run.state,
                counters[run.id],
                run.spec.training.sampler.samples_per_step(
                    run.space.definition, num_subspaces[run.id]
                ),
                run.dataset.num_train,
            ),
            tau=taus.get((run.id, run.spec.ranking.shown_scorer)),
            noise_ceiling=run.truth.noise_ceiling if run.truth else None,
            revision=run.revision,
            archived=run.archived,
            waiting_reason=waiting_reason(
                run.state,
                found,
                run_id=run.id,
                is_executed=run.id in executed,
                processes=run.spec.training.processes,
            ),
            failure_class=run.failure_class,
            failure_message=run.failure_message,
            created_at=run.created_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
        )
        for run in runs
    ]


def read_run(session: Session, run: Run) -> RunRead:
    """Return everything about one run."""
    (summary,) = summaries(session, [run])
    return RunRead(
        **dict(summary),
        spec=run.spec,
        note=run.note,
        cloned_from=run.cloned_from,
        inherits_from=run.inherits_from,
        allowed_actions=allowed_actions(run.state),
    )


def _counters(session: Session, ids: Sequence[int]) -> dict[int, dict[str, tuple[int, int]]]:
    """Run id -> unit kind -> (progress, total), summed."""
    rows = session.execute(
        select(Unit.run_id, Unit.kind, func.sum(Unit.progress), func.sum(Unit.total))
        .where(Unit.run_id.in_(ids))
        .group_by(Unit.run_id, Unit.kind)
    )
    counters: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
    for run_id, kind, progress, total in rows:
        counters[run_id][kind] = (int(progress), int(total))
    return counters


def _newest_taus(session: Session, ids: Sequence[int]) -> dict[tuple[int, str], float | None]:
    """(run id, scorer) -> tau over all sub-spaces at the last step, the final one before a live."""
    newest_first = func.row_number().over(
        partition_by=(Correlation.run_id, Correlation.scorer),
        order_by=(Correlation.step.desc(), Correlation.stage),
    )
    ranked = (
        select(
            Correlation.run_id, Correlation.scorer, Correlation.tau, newest_first.label("place")
        )
        .where(Correlation.run_id.in_(ids), Correlation.scope == "overall")
        .subquery()
    )
    rows = session.execute(
        select(ranked.c.run_id, ranked.c.scorer, ranked.c.tau).where(ranked.c.place == 1)
    )
    return {(run_id, scorer): tau for run_id, scorer, tau in rows}
