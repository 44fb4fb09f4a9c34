-- The text discount_codes.tickets goes, once no running application names it any more: until then stop before this migration (--to 0009).
-- transactional: false
-- depends: 0009.selling

DO $$
BEGIN
    IF pg_catalog.to_regproc('oeventdb_internal.link_ticket_texts') IS NOT NULL THEN
        PERFORM oeventdb_internal.require_no_dependents(
            'public.discount_codes', 'tickets', 'Change it to read public.tickets.discount_code_id, then migrate again.'
        );
    END IF;
END
$$;

-- What was written into the texts since they became links; again, as long as somebody writes one until nobody can.
CREATE OR REPLACE PROCEDURE oeventdb_internal.drop_ticket_texts()
LANGUAGE plpgsql
AS $procedure$
BEGIN
    WHILE pg_catalog.to_regproc('oeventdb_internal.link_ticket_texts') IS NOT NULL LOOP
        CALL oeventdb_internal.link_ticket_texts();
        SET LOCAL search_path = pg_catalog, pg_temp;
        PERFORM pg_catalog.set_config('lock_timeout', '500ms', true);
        LOCK TABLE public.discount_codes IN ACCESS EXCLUSIVE MODE;
        IF NOT EXISTS (
            SELECT FROM public.discount_codes AS c
            LEFT JOIN oeventdb_internal.linked_texts AS l ON l.discount_code_id = c.id
            WHERE c.used_for = 'ticket' AND COALESCE(c.tickets, '') COLLATE "C" <> COALESCE(l.tickets, '')
        ) THEN
            INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
            SELECT
                '0010.drop-discount-code-tickets', 'discount_codes', c.id::text,
                pg_catalog.jsonb_build_object('id', c.id, 'tickets', c.tickets), 'text of ticket ids, now links'
            FROM public.discount_codes AS c WHERE c.tickets IS NOT NULL;

            PERFORM oeventdb_internal.journal_column(
                '0010.drop-discount-code-tickets', 'public.discount_codes', 'tickets',
                ARRAY['type', 'not null', 'index', 'constraint', 'statistics', 'default', 'comment', 'privilege']
            );
            ALTER TABLE public.discount_codes DROP COLUMN tickets;
            DROP PROCEDURE oeventdb_internal.link_ticket_texts();
            DROP TABLE oeventdb_internal.linked_texts;
        END IF;
        COMMIT;
    END LOOP;
END
$procedure$;

CALL oeventdb_internal.drop_ticket_texts();

DROP PROCEDURE IF EXISTS oeventdb_internal.drop_ticket_texts();
