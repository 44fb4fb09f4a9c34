-- The tickets that carry a tag, each once, hidden ones too.
CREATE OR REPLACE FUNCTION oeventdb.ticket_tag_tickets(
    ticket_tag_id bigint
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF ticket_tag_tickets.ticket_tag_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('ticket_tag_id', 'is NULL');
    ELSIF NOT EXISTS (SELECT FROM public.ticket_tag AS g WHERE g.id = ticket_tag_tickets.ticket_tag_id) THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket_tag', ticket_tag_tickets.ticket_tag_id);
    END IF;
    RETURN QUERY
    SELECT (oeventdb_internal.ticket_row(t.*)).*
    FROM public.tickets AS t
    WHERE t.deleted_at IS NULL AND t.id IN (
        -- old rows stand twice, or half empty
        SELECT a.ticket_id FROM public.association AS a WHERE a.ticket_tag_id = ticket_tag_tickets.ticket_tag_id
    )
    ORDER BY t.position, t.id;
END
$function$;

COMMENT ON FUNCTION oeventdb.ticket_tag_tickets(bigint) IS
'The tickets with a tag by position and id, each once, hidden ones too; no row for a tag without tickets.
Errors: OE404 no such tag; OE400 ticket_tag_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.ticket_tag_tickets(bigint) FROM PUBLIC;
