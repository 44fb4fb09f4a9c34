-- The tickets that an access code opens, hidden ones too.
CREATE OR REPLACE FUNCTION oeventdb.access_code_tickets(
    access_code_id bigint
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF access_code_tickets.access_code_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('access_code_id', 'is NULL');
    ELSIF NOT EXISTS (
        SELECT FROM public.access_codes AS c WHERE c.id = access_code_tickets.access_code_id AND c.deleted_at IS NULL
    ) THEN
        PERFORM oeventdb_internal.refuse_unknown('access_code', access_code_tickets.access_code_id);
    END IF;
    RETURN QUERY
    SELECT (oeventdb_internal.ticket_row(t.*)).*
    FROM public.access_codes_tickets AS l
    INNER JOIN public.tickets AS t ON t.id = l.ticket_id
    WHERE l.access_code_id = access_code_tickets.access_code_id AND t.deleted_at IS NULL
    ORDER BY t.position, t.id;
END
$function$;

COMMENT ON FUNCTION oeventdb.access_code_tickets(bigint) IS
'The tickets of an access code by position and id, hidden ones too; no row for a code without tickets.
Errors: OE404 no such access code; OE400 access_code_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.access_code_tickets(bigint) FROM PUBLIC;
