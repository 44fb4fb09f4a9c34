-- A list of ids is a plain list without gaps: NULL is no id, and in an array of arrays none would be looked for.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_ids(
    argument text,
    ids bigint[]
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_wrong text := CASE
        WHEN require_ids.ids IS NULL THEN 'is NULL'
        WHEN pg_catalog.array_ndims(require_ids.ids) > 1 THEN 'is an array of arrays'
        WHEN pg_catalog.array_position(require_ids.ids, NULL) IS NOT NULL THEN 'contains NULL'
    END;
BEGIN
    IF v_wrong IS NOT NULL THEN
        PERFORM oeventdb_internal.refuse_argument(require_ids.argument, v_wrong);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_ids(text, bigint[]) IS
'Raises OE400 for a list of ids that is NULL, contains NULL or has more than one dimension.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_ids(text, bigint[]) FROM PUBLIC;
