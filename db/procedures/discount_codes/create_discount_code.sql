-- A new code for tickets of an event, or for the event as a whole; what the constraints refuse is said by the name of the field.
CREATE OR REPLACE FUNCTION oeventdb.create_discount_code(
    event_id bigint,
    code text,
    type text,
    value numeric,
    used_for text DEFAULT 'ticket',
    ticket_ids bigint[] DEFAULT '{}',
    tickets_number integer DEFAULT NULL,
    min_quantity integer DEFAULT 1,
    max_quantity integer DEFAULT NULL,
    valid_from timestamptz DEFAULT NULL,
    valid_till timestamptz DEFAULT NULL
) RETURNS SETOF oeventdb.discount_code
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
    v_constraint text;
BEGIN
    PERFORM oeventdb_internal.require_event(create_discount_code.event_id);
    PERFORM oeventdb_internal.require_text('code', create_discount_code.code);
    PERFORM oeventdb_internal.require_choice('type', create_discount_code.type, ARRAY['amount', 'percent']);
    PERFORM oeventdb_internal.require_choice('used_for', create_discount_code.used_for, ARRAY['ticket', 'event']);
    IF create_discount_code.value IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('value', 'is NULL');
    END IF;
    PERFORM oeventdb_internal.require_ids('ticket_ids', create_discount_code.ticket_ids);

    BEGIN
        INSERT INTO public.discount_codes AS c (
            event_id, code, type, value, used_for, is_active, tickets_number, min_quantity, max_quantity,
            valid_from, valid_till, created_at
        ) VALUES (
            create_discount_code.event_id, create_discount_code.code, create_discount_code.type,
            create_discount_code.value::double precision, create_discount_code.used_for, true,
            create_discount_code.tickets_number, create_discount_code.min_quantity, create_discount_code.max_quantity,
            create_discount_code.valid_from, create_discount_code.valid_till, pg_catalog.now()
        ) RETURNING c.* INTO v_code;
    EXCEPTION
        WHEN numeric_value_out_of_range THEN
            PERFORM oeventdb_internal.refuse_definition('value');
        WHEN program_limit_exceeded THEN
            -- longer than an index can hold
            PERFORM oeventdb_internal.refuse_definition('code');
        WHEN unique_violation THEN
            GET STACKED DIAGNOSTICS v_constraint = CONSTRAINT_NAME;
            IF v_constraint <> 'discount_codes_event_code' THEN
                -- a sequence that lags behind its table is nobody's definition
                RAISE;
            END IF;
            PERFORM oeventdb_internal.refuse_definition('code');
        WHEN foreign_key_violation THEN
            -- deleted while it was waited for
            PERFORM oeventdb_internal.require_event(create_discount_code.event_id);
            RAISE;
        WHEN check_violation THEN
            GET STACKED DIAGNOSTICS v_constraint = CONSTRAINT_NAME;
            PERFORM oeventdb_internal.refuse_definition(pg_catalog.replace(v_constraint COLLATE "C", 'discount_codes_', ''));
    END;

    IF v_code.used_for = 'ticket' THEN
        PERFORM oeventdb_internal.lock_code_tickets(v_code.id::bigint, create_discount_code.ticket_ids);
        PERFORM oeventdb_internal.attach_discount_code(
            v_code.id::bigint, v_code.event_id::bigint, create_discount_code.ticket_ids
        );
    ELSIF create_discount_code.ticket_ids <> '{}' THEN
        PERFORM oeventdb_internal.refuse_code_kind(v_code.id::bigint);
    END IF;
    RETURN QUERY SELECT (oeventdb_internal.discount_code_row(v_code)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.create_discount_code(
    bigint, text, text, numeric, text, bigint[], integer, integer, integer, timestamptz, timestamptz
) IS
'Creates an active discount code and returns it. type is percent (value 0 to 100, off each covered seat) or amount (value in the event''s currency,
at most the price of each covered ticket); used_for is ticket (with ticket_ids, all of the event) or event. tickets_number limits the uses (NULL:
unlimited), min_quantity and max_quantity the covered seats of an order (NULL or 0: no limit; min_quantity <= max_quantity),
valid_from and valid_till the time (valid_till NULL: the event''s end). Errors: OE404 no such event or ticket; OE400 an argument NULL, blank
or no choice, ticket_ids with a NULL or nested; OE205 value, quantities, dates or code not allowed, DETAIL {"field"};
OE201 tickets given for a code of kind event; OE105 ticket of another event.';

REVOKE ALL ON FUNCTION oeventdb.create_discount_code(
    bigint, text, text, numeric, text, bigint[], integer, integer, integer, timestamptz, timestamptz
) FROM PUBLIC;
