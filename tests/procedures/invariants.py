"""What must be true of every ticket at every moment, whoever wrote what, and in which order."""

from __future__ import annotations

from typing import Any

import psycopg

_TICKETS = """
WITH capacity AS (
    SELECT t.id, t.event_id, coalesce(t.quantity, 2147483647)::bigint AS quantity
    FROM public.tickets AS t WHERE t.event_id IS NOT NULL AND t.id > %(since)s
), counted AS (
    SELECT c.*,
        (SELECT count(*) FROM public.ticket_holders AS h
         WHERE h.ticket_id = c.id AND h.admission_no IS NOT NULL) AS held,
        (SELECT count(*) FROM public.ticket_holders AS h
         WHERE h.ticket_id = c.id AND NOT coalesce(h.admission_no BETWEEN 1 AND c.quantity, true)) AS beyond,
        (SELECT count(*) FROM oeventdb_internal.admissions AS a WHERE a.ticket_id = c.id) AS admissions,
        (SELECT count(*) FROM oeventdb_internal.free_admissions AS f WHERE f.ticket_id = c.id) AS free,
        (SELECT coalesce(sum(r.last_no::bigint - r.first_no + 1), 0)
         FROM oeventdb_internal.admission_ranges AS r WHERE r.ticket_id = c.id) AS unopened
    FROM capacity AS c
)
SELECT to_jsonb(c) FROM counted AS c
WHERE c.held > c.quantity OR c.beyond > 0
   OR c.held + c.free <> c.admissions
   OR c.admissions + c.unopened <> c.quantity
"""

_NUMBERS = """
SELECT * FROM (
SELECT 'held and free' AS fault, twice.* FROM (
    SELECT ticket_id, admission_no FROM public.ticket_holders
    INTERSECT SELECT ticket_id, admission_no FROM oeventdb_internal.free_admissions
) AS twice
UNION ALL
SELECT 'opened and unopened', a.ticket_id, a.admission_no
FROM oeventdb_internal.admissions AS a
JOIN oeventdb_internal.admission_ranges AS r
  ON r.ticket_id = a.ticket_id AND a.admission_no BETWEEN r.first_no AND r.last_no
UNION ALL
SELECT 'free but not opened', unopened.* FROM (
    SELECT ticket_id, admission_no FROM oeventdb_internal.free_admissions
    EXCEPT SELECT ticket_id, admission_no FROM oeventdb_internal.admissions
) AS unopened
UNION ALL
SELECT 'held by a dead order', h.ticket_id, h.admission_no
FROM public.ticket_holders AS h JOIN public.orders AS o ON o.id = h.order_id
WHERE h.admission_no IS NOT NULL AND o.status IN ('cancelled', 'expired', 'deleted')
UNION ALL
SELECT 'not held, by a live order', h.ticket_id, h.id
FROM public.ticket_holders AS h LEFT JOIN public.orders AS o ON o.id = h.order_id
WHERE h.admission_no IS NULL AND h.ticket_id IS NOT NULL
  AND coalesce(o.status NOT IN ('cancelled', 'expired', 'deleted'), true)
UNION ALL
SELECT 'of another event', h.ticket_id, h.id
FROM public.ticket_holders AS h JOIN public.tickets AS t ON t.id = h.ticket_id
WHERE h.event_id IS DISTINCT FROM t.event_id
) AS s WHERE s.ticket_id > %(since)s
"""


def broken(connection: psycopg.Connection[Any], since: int = 0) -> list[Any]:
    """Every ticket, after the one with the id `since`, and admission that breaks an invariant; empty is as it must be."""
    return [
        row
        for query in (_TICKETS, _NUMBERS)
        for row in connection.execute(query, {"since": since}).fetchall()
    ]
