-- A code for whole events where one for tickets is needed is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_code_kind(
    discount_code_id bigint
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE201',
        pg_catalog.format('discount code %s is for whole events, not for tickets', refuse_code_kind.discount_code_id),
        pg_catalog.jsonb_build_object('discount_code_id', refuse_code_kind.discount_code_id, 'used_for', 'event'),
        'Use a code that was created with used_for => ''ticket''.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_code_kind(bigint) IS
'Raises OE201 (discount_code_wrong_kind).';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_code_kind(bigint) FROM PUBLIC;
