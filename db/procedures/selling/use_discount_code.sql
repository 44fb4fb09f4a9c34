-- The uses of a limited code are counted in its own row, under its lock; those of a code without limit are not.
CREATE OR REPLACE FUNCTION oeventdb_internal.use_discount_code(
    discount_code_id bigint,
    seats integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    LOOP
        UPDATE public.discount_codes AS c SET used_number = c.used_number + use_discount_code.seats
        WHERE c.id = use_discount_code.discount_code_id AND c.used_number + use_discount_code.seats <= c.tickets_number;
        EXIT WHEN FOUND OR NOT oeventdb_internal.lock_discount_code(use_discount_code.discount_code_id, use_discount_code.seats);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.use_discount_code(bigint, integer) IS
'Takes seats uses of the code, or none and raises OE203.';

REVOKE ALL ON FUNCTION oeventdb_internal.use_discount_code(bigint, integer) FROM PUBLIC;
