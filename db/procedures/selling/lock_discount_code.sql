-- A limited code is locked by whoever is about to change its uses; a code without limit is only kept from getting one meanwhile.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_discount_code(
    discount_code_id bigint
) RETURNS public.discount_codes
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
BEGIN
    LOOP
        -- uses that are being given back are waited for, and are there when it is locked
        SELECT c.* INTO v_code FROM public.discount_codes AS c
        WHERE c.id = lock_discount_code.discount_code_id AND c.tickets_number IS NOT NULL FOR NO KEY UPDATE;
        IF FOUND THEN
            RETURN v_code;
        END IF;
        -- the lock is undone where it had to be waited for and there is a limit now: two who both kept it could not both write the row
        BEGIN
            PERFORM FROM public.discount_codes AS c
            WHERE c.id = lock_discount_code.discount_code_id AND c.tickets_number IS NULL FOR SHARE;
            IF FOUND THEN
                RETURN NULL;
            END IF;
            RAISE EXCEPTION USING ERRCODE = 'OE001';
        EXCEPTION WHEN SQLSTATE 'OE001' THEN
            NULL;
        END;
        EXIT WHEN NOT EXISTS (SELECT FROM public.discount_codes AS c WHERE c.id = lock_discount_code.discount_code_id);
    END LOOP;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_discount_code(bigint) IS
'Locks the code and returns it if its uses are counted; NULL for one without limit, or that is gone. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_discount_code(bigint) FROM PUBLIC;
