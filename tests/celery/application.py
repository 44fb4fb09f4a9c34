"""An application as users write one; its worker and beat run in processes of their own."""

from __future__ import annotations

import os
from datetime import timedelta

from celery import Celery

from oeventdb.celery import BEAT_SCHEDULE, TASK

app = Celery(
    "application",
    broker=os.environ["BROKER"],
    backend=os.environ["BROKER"],
    include=["oeventdb.celery"],
)
app.conf.beat_schedule = {
    name: {**entry, "schedule": timedelta(seconds=0.5)} for name, entry in BEAT_SCHEDULE.items()
}
app.conf.broker_connection_retry_on_startup = True
app.conf.broker_transport_options = {"visibility_timeout": int(os.environ.get("VISIBILITY_TIMEOUT", "3600"))}
app.conf.task_annotations = {TASK: {"default_retry_delay": 0}}
