"""The Celery application of a worker. Its messages are wake-ups; the database is the record."""

from celery import Celery

from backend.settings import Settings


def create_app(settings: Settings) -> Celery:
    """Return a Celery application on the deployment's Redis.

    A message is acknowledged when it is received and nothing is redelivered: a lost wake-up costs
    seconds, until the worker's own look at the database, while one that Redis delivers again
    after its visibility timeout would be noise.
    """
    app = Celery("efsnas", broker=settings.redis_url, set_as_current=False)
    app.conf.update(
        task_acks_late=False,
        worker_disable_prefetch=True,
        worker_concurrency=1,
        worker_prefetch_multiplier=1,
        worker_pool="threads",
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 3600,
            "global_keyprefix": settings.redis_prefix,
            "socket_keepalive": True,
            "retry_on_timeout": True,
            "health_check_interval": 25,
        },
    )
    return app
