"""The rebuild of the search index as a Celery task, and a weekly schedule for it.

For example::

    app = Celery("shop", broker="redis://localhost", include=["oeventdb.celery"])
    app.conf.beat_schedule = {**oeventdb.celery.BEAT_SCHEDULE}

The worker's environment says where: OEVENTDB_DSN and the other variables of `oeventdb reindex`.
Not the application's configuration: `celery inspect conf` shows that to whoever reaches the broker.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

try:
    from celery import shared_task
    from celery.exceptions import SoftTimeLimitExceeded
    from celery.schedules import crontab
    from celery.utils.log import get_task_logger
except ModuleNotFoundError as exc:
    raise ModuleNotFoundError(f"{exc}: install oeventdb[celery]", name=exc.name) from exc

from oeventdb import search
from oeventdb.errors import DatabaseUnreachable, OperationError, Refused, SearchUnreachable
from oeventdb.scrub import scrub

if TYPE_CHECKING:
    from celery import Task

_LOG = get_task_logger(__name__)

TASK = "rebuild.events.elasticsearch"

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "rebuild-events-elasticsearch-weekly": {
        "task": TASK,
        "schedule": crontab(day_of_week="sunday", hour="4", minute="0"),
        # without a worker for weeks, the index is not to be rebuilt once for each of them
        "options": {"expires": 24 * 60 * 60},
    }
}
"""Every Sunday at four, in the time zone of the application (UTC unless it says otherwise)."""


@shared_task(
    name=TASK,
    bind=True,
    # a rebuild can be repeated, so one whose worker was killed is
    acks_late=True,
    # under an hour: a message not acknowledged by then is delivered again by Redis
    soft_time_limit=50 * 60,
    time_limit=55 * 60,
    max_retries=3,
    default_retry_delay=5 * 60,
    throws=(OperationError,),
)
def rebuild(task: Task[[], dict[str, Any]]) -> dict[str, Any]:
    """Rebuild the search index and swap it in; return index, alias, documents and seconds.

    Tried again three times, five minutes apart, while a server is away. Raises Refused, and is
    not tried again, while another rebuild is running. Every failure is an OperationError of one
    line without secrets; what was live stays live.
    """
    try:
        return dataclasses.asdict(_reindex())
    except Exception as exc:  # noqa: BLE001
        failure = _told(exc)
    # outside the handler, so that the first exception is no part of what Celery logs and stores
    away = isinstance(failure, DatabaseUnreachable | SearchUnreachable)
    if away and (task.max_retries is None or task.request.retries < task.max_retries):
        _LOG.warning("the search index waits to be rebuilt: %s", failure)
        raise task.retry(exc=failure)
    _LOG.error("the search index was not rebuilt: %s", failure)
    raise failure


def _reindex() -> search.Reindexed:
    dsn = os.environ.get("OEVENTDB_DSN")
    if not dsn:
        raise Refused("no database given: set OEVENTDB_DSN in the environment of the Celery worker")
    keep = os.environ.get("OEVENTDB_REINDEX_KEEP") or "1"
    if not keep.isdecimal():
        raise Refused("OEVENTDB_REINDEX_KEEP is not a number of indices")
    definition = os.environ.get("OEVENTDB_REINDEX_INDEX_SETTINGS")
    return search.reindex(
        dsn,
        os.environ.get("OEVENTDB_ELASTICSEARCH_URL") or "http://localhost:9200",
        alias=os.environ.get("OEVENTDB_ALIAS") or "events",
        keep=int(keep),
        api_key=os.environ.get("OEVENTDB_ELASTICSEARCH_API_KEY"),
        definition=search.load(Path(definition) if definition else None),
    )


def _told(exc: Exception) -> OperationError:
    """Return a failure as one line without secrets, and of a kind that any process can unpickle."""
    kind, text = OperationError, f"{type(exc).__name__}: {exc}"
    if isinstance(exc, OperationError):
        kind, text = type(exc), f"{exc} ({exc.hint})" if exc.hint else str(exc)
    elif isinstance(exc, psycopg.OperationalError):
        kind, text = DatabaseUnreachable, str(exc)
    elif isinstance(exc, SoftTimeLimitExceeded):
        text = "it took longer than its soft time limit"
    return kind(scrub(" ".join(text.split())))
