"""Inside Django's own connection and transaction, with the real Django."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import django
import psycopg
import pytest
from django.conf import settings
from django.db import IntegrityError, connections, transaction
from django.test import override_settings
from psycopg.conninfo import conninfo_to_dict

import oeventdb
from oeventdb import Client
from tests import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}


@pytest.fixture(scope="module")
def wrapped(dsn: str) -> Iterator[Any]:
    """Django's wrapper of a connection to the database."""
    given = conninfo_to_dict(dsn)
    database = {NAMES[name]: str(value) for name, value in given.items() if name in NAMES}
    settings.configure(
        USE_TZ=True, DATABASES={"default": database | {"ENGINE": "django.db.backends.postgresql"}}
    )
    django.setup()
    with closing(connections["default"]) as made:
        yield made


def _count(db: psycopg.Connection, event_id: int) -> int:
    row = db.execute("SELECT count(*) FROM feedback WHERE event_id = %s", [event_id]).fetchone()
    assert row is not None
    return int(row[0])


def test_inside_a_django_transaction(
    wrapped: Any, db: psycopg.Connection, event_id: int, user_id: int
) -> None:
    with transaction.atomic():
        client = Client(wrapped.connection)
        given = client.submit_feedback(event_id=event_id, user_id=user_id, rating="4.3", comment="fine")
        assert given.rating == 4.5
        with wrapped.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM feedback WHERE event_id = %s", [event_id])
            assert cursor.fetchone() == (1,)
        with pytest.raises(oeventdb.NotFound), transaction.atomic():
            client.event_rating(event_id=-1)
        assert _count(db, event_id) == 0
        transaction.set_rollback(True)
    assert _count(db, event_id) == 0
    with transaction.atomic():
        Client(wrapped.connection).submit_feedback(
            event_id=event_id, user_id=user_id, rating="1", comment=None
        )
    assert _count(db, event_id) == 1


@pytest.mark.parametrize("use_tz", [True, False])
def test_rows_have_their_types_as_elsewhere(
    wrapped: Any, db: psycopg.Connection, event_id: int, use_tz: bool
) -> None:
    samples.ticket(db, event_id)
    with override_settings(USE_TZ=use_tz), closing(wrapped.copy()) as own:
        own.ensure_connection()
        client = Client(own.connection)
        code = client.create_discount_code(event_id=event_id, code="HALF", type="percent", value=50)
        assert code.created_at is not None
        assert code.created_at.utcoffset() is not None
        (document,) = (d.document for d in client.search_documents() if d.event_id == event_id)
        assert isinstance(document, dict)


def test_a_raw_write_through_django_meets_the_same_exception(wrapped: Any, event_id: int) -> None:
    with wrapped.cursor() as cursor, pytest.raises(oeventdb.RatingInvalid) as caught, oeventdb.translated():
        cursor.execute("INSERT INTO feedback (event_id, rating) VALUES (%s, 9)", [event_id])
    cause = caught.value.__cause__
    assert type(cause).__module__ == "django.db.utils"
    with wrapped.cursor() as cursor, pytest.raises(IntegrityError):
        cursor.execute("INSERT INTO feedback (event_id, rating) VALUES (%s, 4)", [-1])
