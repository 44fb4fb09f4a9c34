-- A discount code takes something off only while it is active, within its dates.
CREATE OR REPLACE FUNCTION oeventdb_internal.find_discount_code(
    event_id bigint,
    code text,
    event_ends_at timestamptz
) RETURNS public.discount_codes
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
BEGIN
    -- the columns of the table, not of the function: a session keeps those in its plan, and once one is dropped they are out of step
    SELECT c.* INTO v_code FROM public.discount_codes AS c
    WHERE c.id = (SELECT l.id FROM oeventdb_internal.live_discount_code(find_discount_code.event_id, find_discount_code.code) AS l);
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_discount_code('unknown');
    ELSIF v_code.used_for <> 'ticket' THEN
        PERFORM oeventdb_internal.refuse_code_kind(v_code.id::bigint);
    ELSIF v_code.is_active IS NOT TRUE THEN
        PERFORM oeventdb_internal.refuse_discount_code('inactive');
    ELSIF v_code.value = 'NaN' THEN
        -- an old one; as NaN is greater than any number it would take the whole price off
        PERFORM oeventdb_internal.refuse_discount_code('without a value');
    ELSIF pg_catalog.now() < v_code.valid_from
        OR pg_catalog.now() > COALESCE(v_code.valid_till, find_discount_code.event_ends_at)
    THEN
        PERFORM oeventdb_internal.refuse_discount_code('outside its dates');
    END IF;
    RETURN v_code;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.find_discount_code(bigint, text, timestamptz) IS
'The live discount code of the event that reads so, whatever its case. Raises OE202, or OE201 for a code for whole events.';

REVOKE ALL ON FUNCTION oeventdb_internal.find_discount_code(bigint, text, timestamptz) FROM PUBLIC;
