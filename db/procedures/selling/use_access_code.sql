-- The uses of a limited access code are counted in its own row, under its lock, as those of a discount code are.
CREATE OR REPLACE FUNCTION oeventdb_internal.use_access_code(
    access_code_id bigint,
    seats integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.access_codes;
BEGIN
    LOOP
        UPDATE public.access_codes AS c SET used_number = c.used_number + use_access_code.seats
        WHERE c.id = use_access_code.access_code_id AND c.used_number + use_access_code.seats <= c.tickets_number;
        EXIT WHEN FOUND;
        v_code := oeventdb_internal.lock_access_code(use_access_code.access_code_id);
        EXIT WHEN v_code.id IS NULL;
        PERFORM oeventdb_internal.require_access_use(v_code, use_access_code.seats);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.use_access_code(bigint, integer) IS
'Takes seats uses of the access code, or none and raises OE107.';

REVOKE ALL ON FUNCTION oeventdb_internal.use_access_code(bigint, integer) FROM PUBLIC;
