-- The uses of a limited code are counted in its own row, under its lock; those of a code without limit are not.
CREATE OR REPLACE FUNCTION oeventdb_internal.use_discount_code(
    discount_code_id bigint,
    seats integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
BEGIN
    LOOP
        UPDATE public.discount_codes AS c SET used_number = c.used_number + use_discount_code.seats
        WHERE c.id = use_discount_code.discount_code_id AND c.used_number + use_discount_code.seats <= c.tickets_number;
        EXIT WHEN FOUND;
        v_code := oeventdb_internal.lock_discount_code(use_discount_code.discount_code_id);
        EXIT WHEN v_code.id IS NULL;
        PERFORM oeventdb_internal.require_discount_use(v_code, use_discount_code.seats);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.use_discount_code(bigint, integer) IS
'Takes seats uses of the code, or none and raises OE203, or OE204 outside its quantities.';

REVOKE ALL ON FUNCTION oeventdb_internal.use_discount_code(bigint, integer) FROM PUBLIC;
