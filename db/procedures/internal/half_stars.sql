-- The usual spellings of a rating are told at once, every other text is read with care: millions of rows pass through here.
-- In "C": by the collation of the caller's text other characters may be equal to digits, or no pattern may be matched at all.
-- SQL without SET search_path, so that it is inlined into the batches of the migration; every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.half_stars(
    rating text
) RETURNS numeric
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT CASE
        WHEN half_stars.rating COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) ANY (
            ARRAY['0', '0.5', '1', '1.5', '2', '2.5', '3', '3.5', '4', '4.5', '5', '0.0', '1.0', '2.0', '3.0', '4.0', '5.0']
        ) THEN half_stars.rating::numeric
        ELSE oeventdb_internal.read_stars(half_stars.rating COLLATE pg_catalog."C")
    END
$function$;

COMMENT ON FUNCTION oeventdb_internal.half_stars(text) IS
'The same answer as read_stars, sooner for the usual spellings.';

REVOKE ALL ON FUNCTION oeventdb_internal.half_stars(text) FROM PUBLIC;
