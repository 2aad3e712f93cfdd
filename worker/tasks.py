"""The one task: a wake-up that names a run."""

from collections.abc import Callable

from celery import Celery

from backend.queue import WAKE_TASK


def register_tasks(app: Celery, work: Callable[[], None]) -> None:
    """Let the application's worker answer wake-ups.

    Args:
        app: the application.
        work: called for a wake-up; returns when the slot is idle again, so that a busy slot
            takes no message that an idle one could answer. Delivered twice, the second call finds
            nothing to do.
    """

    @app.task(name=WAKE_TASK)
    def wake(run_id: int) -> None:
        # Any ready unit may be taken: the database decides which run is next.
        del run_id
        work()
