-- All seats of an order or none: its lines are claimed one after the other, in the order of the tickets.
CREATE OR REPLACE FUNCTION oeventdb_internal.claim_lines(
    lines oeventdb_internal.order_line[],
    event_id bigint
) RETURNS oeventdb_internal.order_line[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_lines oeventdb_internal.order_line[] := claim_lines.lines;
    v_claimed integer[];
BEGIN
    FOR v_place IN 1 .. pg_catalog.cardinality(v_lines) LOOP
        v_claimed := oeventdb_internal.claim_admissions(
            v_lines[v_place].ticket_id, claim_lines.event_id, v_lines[v_place].quantity
        );
        IF v_claimed IS NULL THEN
            PERFORM oeventdb_internal.refuse_sold_out(v_lines[v_place].ticket_id, v_lines[v_place].quantity);
        END IF;
        v_lines[v_place].admissions := v_claimed;
    END LOOP;
    RETURN v_lines;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.claim_lines(oeventdb_internal.order_line[], bigint) IS
'The lines with the numbers of their admissions. Raises OE101 when a line can''t have all of its.';

REVOKE ALL ON FUNCTION oeventdb_internal.claim_lines(oeventdb_internal.order_line[], bigint) FROM PUBLIC;
