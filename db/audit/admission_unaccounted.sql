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
                LEFT JOIN (
                    SELECT a.ticket_id, count(*) AS opened FROM oeventdb_internal.admissions AS a GROUP BY a.ticket_id
                ) AS every ON every.ticket_id = ticket.id
                LEFT JOIN (
                    SELECT f.ticket_id, count(*) AS offered FROM oeventdb_internal.free_admissions AS f GROUP BY f.ticket_id
                ) AS offer ON offer.ticket_id = ticket.id
                LEFT JOIN (
                    SELECT ticket_id, count(*) AS free
                    FROM (
                        -- no join: by the index of free_admissions it would read all of a ticket for each
                        SELECT f.ticket_id, f.admission_no FROM oeventdb_internal.free_admissions AS f
                        INTERSECT
                        SELECT ticket_id, admission_no
                        FROM oeventdb_internal.admissions
                        LEFT JOIN public.ticket_holders AS h USING (ticket_id, event_id, admission_no)
                        WHERE h.id IS NULL
                    ) AS unheld
                    GROUP BY ticket_id
                ) AS nobody ON nobody.ticket_id = ticket.id
                LEFT JOIN (
                    SELECT h.ticket_id, count(h.admission_no) AS numbered, count(a.admission_no) AS held
                    FROM public.ticket_holders AS h
                    LEFT JOIN oeventdb_internal.admissions AS a USING (ticket_id, event_id, admission_no)
                    GROUP BY h.ticket_id
                ) AS holder ON holder.ticket_id = ticket.id
                LEFT JOIN (
                    SELECT r.ticket_id, sum(r.last_no::bigint - r.first_no + 1) AS unopened
                    FROM oeventdb_internal.admission_ranges AS r GROUP BY r.ticket_id
                ) AS later ON later.ticket_id = ticket.id
                WHERE ticket.event_id IS NOT NULL AND (
                    coalesce(nobody.free, 0) <> coalesce(offer.offered, 0)
                    OR holder.held <> holder.numbered
                    OR coalesce(nobody.free, 0) + coalesce(holder.held, 0) <> coalesce(every.opened, 0)
                    OR coalesce(every.opened, 0) + coalesce(later.unopened, 0)
                        <> greatest(coalesce(ticket.quantity, 2147483647), 0)
                )
            $query$
            ELSE 'SELECT NULL::tsvector'
        END
    ) AS found
