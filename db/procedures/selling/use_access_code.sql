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
        IF FOUND THEN
            RETURN;
        END IF;
        -- locked: uses that are being given back are waited for, and are there when it is tried again
        SELECT c.* INTO v_code FROM public.access_codes AS c
        WHERE c.id = use_access_code.access_code_id AND c.tickets_number IS NOT NULL FOR NO KEY UPDATE;
        IF FOUND THEN
            PERFORM oeventdb_internal.require_access_use(v_code, use_access_code.seats);
            CONTINUE;
        END IF;
        -- a code without limit, or none any more; the lock is undone where it had to be waited for and there is a limit now: two who both
        -- kept it could not both write the row
        BEGIN
            PERFORM FROM public.access_codes AS c
            WHERE c.id = use_access_code.access_code_id AND c.tickets_number IS NULL FOR SHARE;
            IF FOUND THEN
                RETURN;
            END IF;
            RAISE EXCEPTION USING ERRCODE = 'OE000';
        EXCEPTION WHEN SQLSTATE 'OE000' THEN
            NULL;
        END;
        EXIT WHEN NOT EXISTS (SELECT FROM public.access_codes AS c WHERE c.id = use_access_code.access_code_id);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.use_access_code(bigint, integer) IS
'Takes seats uses of the access code, or none and raises OE107.';

REVOKE ALL ON FUNCTION oeventdb_internal.use_access_code(bigint, integer) FROM PUBLIC;
