"""The few rows that the adapter reads itself, to know whose a resource is. It writes nothing here.

The role of the connection needs SELECT on these tables: ``oeventdb grant reader ROLE``.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.rows import dict_row
from psycopg.types.datetime import TimestamptzBinaryLoader

_IS_MANAGER = """
SELECT EXISTS (
    SELECT FROM public.users AS u
    WHERE u.id = %(user_id)s::bigint AND u.deleted_at IS NULL
      AND (
          u.is_admin OR u.is_super_admin
          OR EXISTS (
              SELECT FROM public.users_events_roles AS m
              JOIN public.roles AS r ON r.id = m.role_id
              WHERE m.user_id = u.id AND m.event_id = %(event_id)s::bigint
                AND r.name IN ('owner', 'organizer', 'coorganizer')
          )
      )
)
"""

_EVENT_BY_ID = """
SELECT id, state = 'published' IS TRUE AS is_published FROM public.events
WHERE id = %(id)s::bigint AND deleted_at IS NULL
"""

_EVENT_BY_IDENTIFIER = """
SELECT id, state = 'published' IS TRUE AS is_published FROM public.events
WHERE identifier = %(identifier)s::text AND deleted_at IS NULL
ORDER BY id LIMIT 1
"""

_DISCOUNT_CODE = "SELECT * FROM public.discount_codes WHERE id = %(id)s::bigint AND deleted_at IS NULL"

_ACCESS_CODE = """
SELECT
    event_id,
    lower(lower(code COLLATE "C") COLLATE "default") = lower(lower(%(given)s::text COLLATE "C") COLLATE "default") AS is_given
FROM public.access_codes
WHERE id = %(id)s::bigint AND deleted_at IS NULL
"""

_TICKET_TAG = "SELECT event_id FROM public.ticket_tag WHERE id = %(id)s::bigint"

_TICKET = "SELECT event_id FROM public.tickets WHERE id = %(id)s::bigint AND deleted_at IS NULL"

_ORDER = "SELECT event_id, user_id FROM public.orders WHERE identifier = %(identifier)s::text"

_NO_TEXT = (psycopg.DataError, UnicodeEncodeError)
"""What text raises that no text in the database can be, such as one with a NUL character."""


def is_manager(connection: psycopg.Connection[Any], user_id: int, event_id: int | None) -> bool:
    """Whether a user is staff, or an organizer or coorganizer of the event."""
    row = _one(connection, _IS_MANAGER, user_id=user_id, event_id=event_id)
    return row is not None and bool(row["exists"])


def event(connection: psycopg.Connection[Any], reference: str) -> dict[str, Any] | None:
    """The id of an event, by id or identifier, and whether it is published."""
    by_id = _one(connection, _EVENT_BY_ID, id=int(reference)) if is_id(reference) else None
    # an identifier of eight hexadecimal digits can be one of decimal digits only
    return by_id or _one(connection, _EVENT_BY_IDENTIFIER, identifier=reference)


def discount_code(connection: psycopg.Connection[Any], code_id: int) -> dict[str, Any] | None:
    """A discount code, every column of it."""
    return _one(connection, _DISCOUNT_CODE, id=code_id)


def access_code(
    connection: psycopg.Connection[Any], code_id: int, given: str | None
) -> dict[str, Any] | None:
    """The event of an access code, and whether it is the one that was given."""
    if given is not None:
        # the encoding of the database may lack a character of it, which fails there and not here
        with suppress(*_NO_TEXT), connection.transaction():
            return _row(connection, _ACCESS_CODE, id=code_id, given=given)
    return _row(connection, _ACCESS_CODE, id=code_id, given=None)


def ticket_tag(connection: psycopg.Connection[Any], tag_id: int) -> dict[str, Any] | None:
    """The event of a ticket tag."""
    return _one(connection, _TICKET_TAG, id=tag_id)


def event_of_ticket(connection: psycopg.Connection[Any], ticket_id: int) -> int | None:
    """The event of a ticket; None where there is no such ticket."""
    row = _one(connection, _TICKET, id=ticket_id)
    return None if row is None else row["event_id"]


def order(connection: psycopg.Connection[Any], identifier: str) -> dict[str, Any] | None:
    """The event and the buyer of an order."""
    return _one(connection, _ORDER, identifier=identifier)


def lock(connection: psycopg.Connection[Any], what: str) -> None:
    """Wait for other requests that change the same thing, until the transaction ends."""
    _one(
        connection,
        "SELECT pg_advisory_xact_lock(hashtextextended(%(what)s, 0))",
        what=f"oeventdb.flask {what}",
    )


def is_id(reference: str) -> bool:
    """Whether a text is an id, and in a path no identifier."""
    return reference.isascii() and reference.isdigit() and len(reference) < 20 and int(reference) < 2**63


class _Time(TimestamptzBinaryLoader):
    """A time, or None where Python has no datetime for it, as it has none for infinity."""

    def load(self, data: Buffer) -> datetime | None:  # type: ignore[override]
        try:
            return super().load(data)
        except psycopg.DataError:
            return None


def _one(connection: psycopg.Connection[Any], query: str, **parameters: Any) -> dict[str, Any] | None:
    try:
        return _row(connection, query, **parameters)
    except _NO_TEXT:
        return None


def _row(connection: psycopg.Connection[Any], query: str, **parameters: Any) -> dict[str, Any] | None:
    with psycopg.Cursor(connection, row_factory=dict_row) as cursor:
        cursor.adapters.register_loader("timestamptz", _Time)
        return cursor.execute(query.encode(), parameters, binary=True).fetchone()
