-- What the API shows of a discount code, from the table's row.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.discount_code_row(
    discount_code public.discount_codes
) RETURNS oeventdb.discount_code
LANGUAGE sql
STABLE
AS $function$
    SELECT ROW(
        discount_code.id, discount_code.event_id, discount_code.code, discount_code.type, discount_code.value::numeric,
        discount_code.used_for, discount_code.is_active, discount_code.tickets_number, discount_code.min_quantity,
        discount_code.max_quantity, discount_code.valid_from, discount_code.valid_till, discount_code.created_at
    )::oeventdb.discount_code
$function$;

COMMENT ON FUNCTION oeventdb_internal.discount_code_row(public.discount_codes) IS
'The API''s row of a discount code.';

REVOKE ALL ON FUNCTION oeventdb_internal.discount_code_row(public.discount_codes) FROM PUBLIC;
