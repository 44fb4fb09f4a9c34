-- A deleted code leaves its tickets, its events and the orders that used it behind, unharmed.
CREATE OR REPLACE FUNCTION oeventdb.delete_discount_code(
    discount_code_id bigint
) RETURNS SETOF oeventdb.discount_code
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_order_ids bigint[];
    v_ticket_ids bigint[];
BEGIN
    PERFORM oeventdb_internal.require_discount_code(delete_discount_code.discount_code_id);
    LOOP
        -- the orders, which forget the code, and the tickets before the code, as who gives uses back or writes a ticket locks them: the
        -- other way round the two could wait for each other
        BEGIN
            v_order_ids := ARRAY(
                SELECT o.id FROM public.orders AS o
                WHERE o.discount_code_id = delete_discount_code.discount_code_id
                ORDER BY o.id FOR UPDATE
            );
            v_ticket_ids := oeventdb_internal.lock_code_tickets(delete_discount_code.discount_code_id, '{}');
            -- before detaching: no ticket may be attached in between, the cascade would take it
            PERFORM FROM public.discount_codes AS c WHERE c.id = delete_discount_code.discount_code_id FOR UPDATE;
            -- no more can come now; one that came while the code was waited for is locked if nobody else has, or all this is done again
            v_order_ids := v_order_ids || ARRAY(
                SELECT o.id FROM public.orders AS o
                WHERE o.discount_code_id = delete_discount_code.discount_code_id AND o.id <> ALL (v_order_ids)
                FOR UPDATE SKIP LOCKED
            );
            EXIT WHEN NOT EXISTS (
                SELECT FROM public.orders AS o
                WHERE o.discount_code_id = delete_discount_code.discount_code_id AND o.id <> ALL (v_order_ids)
            ) AND NOT EXISTS (
                SELECT FROM public.tickets AS t
                WHERE t.discount_code_id = delete_discount_code.discount_code_id AND t.id <> ALL (v_ticket_ids)
            );
            RAISE EXCEPTION USING ERRCODE = 'OE001';
        EXCEPTION WHEN SQLSTATE 'OE001' THEN
            NULL;
        END;
    END LOOP;
    UPDATE public.tickets AS t SET discount_code_id = NULL
    WHERE t.discount_code_id = delete_discount_code.discount_code_id;

    RETURN QUERY
    DELETE FROM public.discount_codes AS c WHERE c.id = delete_discount_code.discount_code_id AND c.deleted_at IS NULL
    RETURNING (oeventdb_internal.discount_code_row(c.*)).*;
    IF NOT FOUND THEN
        -- deleted while it was waited for
        PERFORM oeventdb_internal.refuse_unknown('discount_code', delete_discount_code.discount_code_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb.delete_discount_code(bigint) IS
'Detaches a code from its tickets, deletes it and returns it as it was. Errors: OE404 no such code; OE400 discount_code_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.delete_discount_code(bigint) FROM PUBLIC;
