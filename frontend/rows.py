"""Read from the services the rows that figures and panels ask for by name."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from backend.db import Database
from backend.runs import results, retraining, service, telemetry
from backend.runs.fronts import true_front
from backend.runs.searched import search_control
from backend.spaces import service as spaces
from frontend.figures.chosen import USUAL, Chosen
from frontend.figures.comparison.runs import ComparedRun
from frontend.figures.ranking import shown_scorer
from nas.ranking.measures import MeasureName

Rows = Mapping[str, Any]  # Any: a list of the read schema that the name stands for
LOSS_SERIES = "loss"
LOG_LINES = 500


def read_rows(db: Database, run_id: int, needs: Collection[str], chosen: Chosen = USUAL) -> Rows:
    """Return the run under `run` and each of `needs`, all of one moment of the database.

    Args:
        db: the database.
        run_id: of the run.
        needs: names of rows.
        chosen: whose scores to read, and which measure of the correlations over steps beside tau.

    Raises:
        NotFound: if there is no such run.
    """
    (rows,) = _read(db, [run_id], needs, {"tau", chosen.measure}, chosen.scorer)
    return rows


def read_compared(
    db: Database, run_ids: Sequence[int], needs: Collection[str], chosen: Chosen = USUAL
) -> list[ComparedRun]:
    """Return runs in the given order with each of `needs`, all of one moment of the database.

    Args:
        db: the database.
        run_ids: of the runs.
        needs: names of rows.
        chosen: which measure of the correlations to read beside tau.

    Raises:
        NotFound: naming the first run that does not exist.
    """
    return [
        ComparedRun(place=place, **rows)
        for place, rows in enumerate(_read(db, run_ids, needs, {"tau", chosen.measure}))
    ]


def _read(
    db: Database,
    run_ids: Sequence[int],
    needs: Collection[str],
    measures: Collection[MeasureName],
    chosen: str | None = None,
) -> list[Rows]:
    with db.reading() as session:

        def rows(run_id: int) -> Rows:
            run = service.get_run(session, run_id)
            scorer = chosen or shown_scorer(run)

            def scores() -> Any:
                final = results.scores(session, run_id, stage="final", scorer=scorer)
                if final:
                    return final
                complete = results.newest_complete_round(session, run_id, scorer)
                return results.scores(session, run_id, "live", complete, scorer)

            readers: dict[str, Callable[[], Any]] = {
                "units": lambda: results.units(session, run_id),
                "subspaces": lambda: results.subspaces(session, run_id),
                "landmarks": lambda: results.landmarks(session, run_id),
                "metrics": lambda: results.metrics(session, run_id, series=LOSS_SERIES),
                "telemetry": lambda: telemetry.telemetry(session, run_id),
                "balance": lambda: results.newest_balance(session, run_id),
                "balance_history": lambda: results.balance(session, run_id),
                "combinations": lambda: results.combinations(session, run_id),
                "correlations": lambda: results.correlations_over_steps(session, run_id, measures),
                "rankings": lambda: results.newest_correlations(session, run_id),
                "scores": scores,
                "candidates": lambda: results.candidates(session, run_id),
                "search_control": lambda: search_control(session, run),
                "true_front": lambda: true_front(session, run),
                "retrainings": lambda: retraining.retrainings(session, run_id),
                "retraining_epochs": lambda: retraining.retraining_epochs(session, run_id),
                "retrained": lambda: retraining.retrained(session, run_id),
                "log": lambda: results.log(session, run_id)[-LOG_LINES:],
                "space": lambda: spaces.definition(session, run.space),
            }
            return {"run": run, **{name: readers[name]() for name in needs}}

        return [rows(run_id) for run_id in run_ids]
