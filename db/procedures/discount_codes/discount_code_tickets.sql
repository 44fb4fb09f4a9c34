-- The tickets that a discount code covers, hidden ones too; a code that does not exist is told apart from one without tickets.
CREATE OR REPLACE FUNCTION oeventdb.discount_code_tickets(
    discount_code_id bigint
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT (oeventdb_internal.ticket_row(t.*)).*
    FROM public.tickets AS t
    INNER JOIN public.discount_codes AS c ON c.id = t.discount_code_id AND c.deleted_at IS NULL
    WHERE t.discount_code_id = discount_code_tickets.discount_code_id AND t.deleted_at IS NULL
    ORDER BY t.position, t.id;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.require_discount_code(discount_code_tickets.discount_code_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb.discount_code_tickets(bigint) IS
'The tickets of a discount code by position and id, hidden ones too; no row for a code without tickets.
Errors: OE404 no such code; OE400 discount_code_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.discount_code_tickets(bigint) FROM PUBLIC;
