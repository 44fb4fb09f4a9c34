-- Each admission of a ticket is held or free, and there are as many as the quantity.
-- table: tickets
-- The tables of admissions come with the migrations, and a query cannot name what is not there. This one is text, which
-- ts_stat, the statistics of text search, runs where they are there and the role may read them: the keys are its words.
SELECT found.word AS key
FROM
    ts_stat(
        CASE
            WHEN EXISTS (
                SELECT FROM pg_class AS c
                INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
                WHERE n.nspname = 'oeventdb_internal' AND c.relname = 'free_admissions'
                    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
            ) THEN $query$
                SELECT array_to_tsvector(ARRAY[ticket.id::text])
                FROM public.tickets AS ticket
                CROSS JOIN LATERAL (
                    SELECT
                        (
                            SELECT count(*) FROM oeventdb_internal.admissions AS a
                            WHERE a.ticket_id = ticket.id
                        ) AS opened,
                        (
                            SELECT count(*) FROM oeventdb_internal.free_admissions AS f
                            INNER JOIN oeventdb_internal.admissions AS a USING (ticket_id, admission_no)
                            LEFT JOIN public.ticket_holders AS h USING (ticket_id, event_id, admission_no)
                            WHERE f.ticket_id = ticket.id AND h.id IS NULL
                        ) AS free,
                        (
                            SELECT count(*) FROM oeventdb_internal.free_admissions AS f
                            WHERE f.ticket_id = ticket.id
                        ) AS offered,
                        (
                            SELECT count(*) FROM public.ticket_holders AS h
                            INNER JOIN oeventdb_internal.admissions AS a USING (ticket_id, event_id, admission_no)
                            WHERE h.ticket_id = ticket.id
                        ) AS held,
                        (
                            SELECT count(*) FROM public.ticket_holders AS h
                            WHERE h.ticket_id = ticket.id AND h.admission_no IS NOT NULL
                        ) AS numbered,
                        (
                            SELECT coalesce(sum(r.last_no::bigint - r.first_no + 1), 0)
                            FROM oeventdb_internal.admission_ranges AS r
                            WHERE r.ticket_id = ticket.id
                        ) AS unopened
                ) AS counted
                WHERE ticket.event_id IS NOT NULL AND (
                    counted.free <> counted.offered
                    OR counted.held <> counted.numbered
                    OR counted.free + counted.held <> counted.opened
                    OR counted.opened + counted.unopened <> greatest(coalesce(ticket.quantity, 2147483647), 0)
                )
            $query$
            ELSE 'SELECT NULL::tsvector'
        END
    ) AS found
