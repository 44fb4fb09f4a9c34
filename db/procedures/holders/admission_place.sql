-- Free admissions lie in scattered order, so that buyers who start at random places meet different ones, however few are left.
-- SQL without SET search_path, so that it is inlined; the multiplier is odd, so no two admissions of a ticket share a place.
CREATE OR REPLACE FUNCTION oeventdb_internal.admission_place(
    admission_no integer
) RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT ((admission_place.admission_no::bigint OPERATOR(pg_catalog.*) 1640531527) OPERATOR(pg_catalog.&) 2147483647)::integer
$function$;

COMMENT ON FUNCTION oeventdb_internal.admission_place(integer) IS
'Where a free admission of a ticket is looked for: a scattering of its number over 0..2147483647, one to one.';

REVOKE ALL ON FUNCTION oeventdb_internal.admission_place(integer) FROM PUBLIC;
