-- An old rating can only come back as what it was: rounding it again would restore nothing.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_half_stars(
    rating text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_hint CONSTANT text := 'Rolling the migration of the ratings back gives the text back.';
    v_stars numeric := oeventdb_internal.read_stars(require_half_stars.rating);
BEGIN
    IF v_stars IS NULL THEN
        PERFORM oeventdb_internal.refuse_rating(require_half_stars.rating, v_hint);
    ELSIF EXISTS (
        SELECT FROM (VALUES (pg_catalog.btrim(require_half_stars.rating, E' \t\n\r\f\x0B'))) AS t (rating)
        WHERE CASE
            -- numeric refuses such exponents
            WHEN t.rating ~ '[eE][+-]?0*[0-9]{4}' THEN t.rating ~ '^[^eE]*[1-9]'
            ELSE t.rating::numeric <> v_stars
        END
    ) THEN
        PERFORM oeventdb_internal.fail(
            'OE501',
            pg_catalog.format(
                'rating %L is between half stars and counts as %s',
                pg_catalog.left(require_half_stars.rating, 40), v_stars
            ),
            pg_catalog.jsonb_build_object('rating', pg_catalog.left(require_half_stars.rating, 40), 'counts_as', v_stars),
            v_hint
        );
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_half_stars(text) IS
'Raises OE501 (rating_invalid) unless the text is a number of half stars from 0 to 5 without being rounded.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_half_stars(text) FROM PUBLIC;
