-- An access code is used for as many covered seats as it allows, and has uses left.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_access_use(
    access_code public.access_codes,
    seats integer
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_access_use.seats = 0 THEN
        PERFORM oeventdb_internal.refuse_access_code('for none of these tickets');
    ELSIF require_access_use.seats < (require_access_use.access_code).min_quantity
        -- in old databases 0 and negative mean no limit
        OR require_access_use.seats > NULLIF(GREATEST((require_access_use.access_code).max_quantity, 0), 0)
    THEN
        PERFORM oeventdb_internal.refuse_access_code(pg_catalog.format('not for %s seats', require_access_use.seats));
    ELSIF (require_access_use.access_code).used_number + require_access_use.seats
        > (require_access_use.access_code).tickets_number
    THEN
        PERFORM oeventdb_internal.refuse_access_code('used up');
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_access_use(public.access_codes, integer) IS
'Raises OE107 outside the code''s quantities, with too few uses left, or when it covers none of the seats.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_access_use(public.access_codes, integer) FROM PUBLIC;
