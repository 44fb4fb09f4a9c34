-- A rating that is no number of stars is refused in one wording, whichever door it came through.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_rating(
    rating text,
    hint text DEFAULT 'Give the stars as a decimal number from 0 to 5; it is rounded to half stars.'
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE501',
        pg_catalog.format(
            'rating %s is no number from 0 to 5',
            COALESCE(pg_catalog.quote_literal(pg_catalog.left(refuse_rating.rating, 40)), 'NULL')
        ),
        pg_catalog.jsonb_build_object('rating', pg_catalog.left(refuse_rating.rating, 40)),
        refuse_rating.hint
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_rating(text, text) IS
'Raises OE501 (rating_invalid) with the first 40 characters of the rating.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_rating(text, text) FROM PUBLIC;
