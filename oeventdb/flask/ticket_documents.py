"""Tickets as JSON:API resources: one query asks a function for them, sorts, pages and writes them as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from oeventdb.calls import CALL_ERRORS, Function, refuse
from oeventdb.flask.documents import TICKET_RELATIONSHIPS, dashed, relationship
from oeventdb.flask.queries import Query
from oeventdb.rows import Ticket

# The value of each attribute, to be sorted by; a legacy price may be NaN, which is no number of JSON.
_VALUES = {
    "name": 't.name COLLATE "C"',
    "description": 't.description COLLATE "C"',
    "type": 't.type COLLATE "C"',
    "price": "CASE WHEN t.price::numeric NOT IN ('NaN', 'Infinity', '-Infinity') THEN t.price::numeric END",
    "quantity": "t.quantity",
    "position": "t.position",
    "is_description_visible": "t.is_description_visible",
    "is_fee_absorbed": "t.is_fee_absorbed",
    "is_hidden": "COALESCE(t.is_hidden, true)",
    "min_order": "t.min_order",
    "max_order": "t.max_order",
    "sales_starts_at": "t.sales_starts_at",
    "sales_ends_at": "t.sales_ends_at",
    "deleted_at": "t.deleted_at",
}
TICKET_ATTRIBUTES = tuple(_VALUES)
_TIMES = frozenset(("sales_starts_at", "sales_ends_at", "deleted_at"))
# Text without a zone is the same in every session, unlike a timestamptz; what is not finite is no time.
_TIME = "CASE WHEN isfinite({0}) THEN (to_json({0} AT TIME ZONE 'UTC') #>> '{{}}') || '+00:00' END"

# What stands for a ticket's id in a text that is the same for all of them; no path can hold it.
_ID = "<id>"
_PAGE = """
WITH found AS MATERIALIZED (
    SELECT t.*, s.place
    FROM (SELECT row_number() OVER () AS place, f.id, f.is_hidden FROM ({source}) AS f) AS s
    JOIN public.tickets AS t ON t.id = s.id
    WHERE s.is_hidden IS FALSE OR t.event_id = %(hidden_of)s::bigint
), page AS (
    SELECT t.* FROM found AS t ORDER BY {order} LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
)
SELECT
    (SELECT count(*) FROM found) AS total,
    '[' || COALESCE((
        SELECT string_agg(
            '{{"type":"ticket","id":"' || t.id::text || '","attributes":' || row_to_json(a)::text
            || replace(%(rest)s::text, {id}, t.id::text),
            ',' ORDER BY {order}
        )
        FROM page AS t CROSS JOIN LATERAL (SELECT {attributes}) AS a
    ), '') || ']' AS tickets
"""
_SOME = "SELECT s.id, false AS is_hidden FROM unnest(%(ids)s::bigint[]) AS s (id)"


class Tickets(NamedTuple):
    """How many tickets there are, and those of the page as a JSON array."""

    total: int
    array: str


def ids(connection: psycopg.Connection[Any], function: Function[Ticket], **arguments: Any) -> list[int]:
    """The ids of the tickets that a function returns; a date of theirs may be one that Python does not have."""
    query = f"SELECT t.id FROM ({function.statement(arguments).decode()}) AS t"  # noqa: S608 - of the catalog
    try:
        with psycopg.Cursor(connection) as cursor:
            return [id_ for (id_,) in cursor.execute(query.encode(), arguments).fetchall()]
    except CALL_ERRORS as exc:
        refuse(exc, arguments)


def some(connection: psycopg.Connection[Any], ids: list[int], prefix: str) -> Tickets:
    """The tickets of these ids, in their order."""
    whole = Query(number=1, size=len(ids), fields=None, sort=())
    return page(connection, _SOME.encode(), {"ids": ids}, whole, prefix, hidden_of=None)


def page(
    connection: psycopg.Connection[Any],
    source: bytes,
    arguments: Mapping[str, Any],
    query: Query,
    prefix: str,
    *,
    hidden_of: int | None,
    related: Iterable[str] = TICKET_RELATIONSHIPS,
) -> Tickets:
    """A page of the tickets that a statement returns, in its order where none is asked for; NULL is last.

    Hidden ones are shown if they are of the event hidden_of: what links tickets may link those of others.
    Raises the errors of the function that the statement calls.
    """
    shown = query.fields
    parameters = {
        **arguments,
        "hidden_of": hidden_of,
        "limit": query.size,
        "offset": (query.number - 1) * query.size,
        "rest": _rest(prefix, [name for name in related if shown is None or name in shown]),
    }
    try:
        with psycopg.Cursor(connection) as cursor:
            (row,) = cursor.execute(_statement(source, query.sort, shown), parameters).fetchall()
    except CALL_ERRORS as exc:
        refuse(exc, arguments)
    return Tickets(*row)


@lru_cache(maxsize=256)
def _statement(source: bytes, sort: tuple[tuple[str, bool], ...], shown: tuple[str, ...] | None) -> bytes:
    names = [name for name in _VALUES if shown is None or dashed(name) in shown]
    statement = sql.SQL(_PAGE).format(
        source=sql.SQL(source.decode()),
        id=sql.Literal(_ID),
        order=sql.SQL(", ").join([*(_order(*key) for key in sort), sql.SQL("t.place")]),
        attributes=sql.SQL(", ").join(_attribute(name) for name in names),
    )
    return statement.as_bytes()


def _order(name: str, descending: bool) -> sql.Composable:
    value = sql.SQL(_VALUES[name.replace("-", "_")])
    return value + sql.SQL(" DESC NULLS LAST" if descending else " ASC NULLS LAST")


def _attribute(name: str) -> sql.Composable:
    value = sql.SQL(_VALUES[name])
    if name in _TIMES:
        value = sql.SQL(_TIME.format(_VALUES[name]))
    return value + sql.SQL(" AS ") + sql.Identifier(dashed(name))


def _rest(prefix: str, related: list[str]) -> str:
    """The JSON that follows a ticket's attributes, with _ID for its id."""
    path = f"{prefix}/tickets/{_ID}"
    relationships = {name: relationship(path, name) for name in related}
    if "attendees" in relationships:
        relationships["attendees"]["links"]["related"] = f"{prefix}/attendees?ticket_id={_ID}"
    members = {"relationships": relationships, "links": {"self": path}}
    return "," + json.dumps(members, ensure_ascii=False, separators=(",", ":"))[1:]
