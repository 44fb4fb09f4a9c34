-- The lines of an order are read strictly, before anything is looked up: what cannot be meant is refused by line and key.
CREATE OR REPLACE FUNCTION oeventdb_internal.read_order_lines(
    lines jsonb
) RETURNS oeventdb_internal.order_line[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_lines oeventdb_internal.order_line[] := ARRAY[]::oeventdb_internal.order_line[];
    v_line jsonb;
    v_wrong text := CASE
        WHEN read_order_lines.lines IS NULL THEN 'is NULL'
        WHEN pg_catalog.jsonb_typeof(read_order_lines.lines) <> 'array' THEN 'is no array'
        WHEN pg_catalog.jsonb_array_length(read_order_lines.lines) NOT BETWEEN 1 AND 100 THEN 'has not between 1 and 100 elements'
    END;
    v_seats bigint := 0;
BEGIN
    IF v_wrong IS NOT NULL THEN
        PERFORM oeventdb_internal.refuse_argument('lines', v_wrong);
    END IF;

    FOR v_place IN 1 .. pg_catalog.jsonb_array_length(read_order_lines.lines) LOOP
        v_line := read_order_lines.lines -> (v_place - 1);
        v_wrong := oeventdb_internal.order_line_fault(v_line);
        IF v_wrong IS NOT NULL THEN
            PERFORM oeventdb_internal.refuse_argument('lines', pg_catalog.format('line %s: %s', v_place, v_wrong));
        END IF;
        v_lines := v_lines || ROW(
            (v_line -> 'ticket_id')::bigint, (v_line -> 'quantity')::integer, pg_catalog.trim_scale((v_line -> 'price')::numeric),
            v_line -> 'holders', NULL, NULL, NULL, NULL, NULL
        )::oeventdb_internal.order_line;
        v_seats := v_seats + (v_line -> 'quantity')::integer;
    END LOOP;

    IF v_seats > 10000 THEN
        PERFORM oeventdb_internal.refuse_argument('lines', 'asks for more than 10000 seats');
    ELSIF pg_catalog.cardinality(v_lines) > 1 THEN
        -- everybody claims in this order, so orders can't wait for each other in a circle
        SELECT pg_catalog.array_agg(l ORDER BY l.ticket_id) INTO v_lines FROM pg_catalog.unnest(v_lines) AS l;
        FOR v_place IN 2 .. pg_catalog.cardinality(v_lines) LOOP
            IF v_lines[v_place].ticket_id = v_lines[v_place - 1].ticket_id THEN
                PERFORM oeventdb_internal.refuse_argument(
                    'lines', pg_catalog.format('names ticket %s twice', v_lines[v_place].ticket_id)
                );
            END IF;
        END LOOP;
    END IF;
    RETURN v_lines;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.read_order_lines(jsonb) IS
'The lines of an order by ticket. Raises OE400 (argument lines) for anything but 1 to 100 lines of different tickets with known keys and sane values.';

REVOKE ALL ON FUNCTION oeventdb_internal.read_order_lines(jsonb) FROM PUBLIC;
