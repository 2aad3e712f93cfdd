"""Wake-ups for the workers. A message carries a run's id, nothing else, and may be lost."""

from functools import lru_cache

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from backend.settings import Settings

WAKE_TASK = "runs.wake"
CONNECT_SECONDS = 2.0

_log = structlog.get_logger(__name__)


def wake(settings: Settings, run_id: int) -> None:
    """Tell the workers that a run may have units to claim.

    A server that cannot be reached costs a line in the log and no more: the reaper sends wake-ups
    for everything that is ready.
    """
    if not settings.redis_url:
        return
    try:
        _producer(settings.redis_url, settings.redis_prefix).send_task(
            WAKE_TASK, args=[run_id], ignore_result=True, retry=False
        )
    except OperationalError as error:
        _log.warning("wake-up not sent, the reaper will", run_id=run_id, error=str(error))


@lru_cache(maxsize=4)
def _producer(redis_url: str, prefix: str) -> Celery:
    producer = Celery("efsnas", broker=redis_url, set_as_current=False)
    producer.conf.update(
        broker_connection_timeout=CONNECT_SECONDS,
        broker_transport_options={
            "global_keyprefix": prefix,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": CONNECT_SECONDS,
        },
    )
    return producer
