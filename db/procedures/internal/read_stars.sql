-- A plain decimal number from 0 to 5 is read as half stars, halves rounded away from zero; NULL says that the text is none.
CREATE OR REPLACE FUNCTION oeventdb_internal.read_stars(
    rating text
) RETURNS numeric
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_text text := pg_catalog.btrim(read_stars.rating, E' \t\n\r\f\x0B');
    v_parts text[];
    v_value numeric;
BEGIN
    IF v_text IS NULL OR pg_catalog.length(v_text) > 100 THEN
        RETURN NULL;
    END IF;

    -- not left to the cast: since PostgreSQL 16 it also takes '0x4' and '4_0', and it raises on '1e-400000'
    v_parts := pg_catalog.regexp_match(
        v_text, '^([+-]?)([0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE]([+-]?)0*([0-9]+))?$'
    );
    IF v_parts IS NULL THEN
        RETURN NULL;
    END IF;

    IF v_parts[2] !~ '[1-9]' THEN
        RETURN 0;
    ELSIF v_parts[1] = '-' THEN
        RETURN NULL;
    ELSIF pg_catalog.length(v_parts[4]) > 4 THEN
        -- with at most 100 characters before it, such an exponent leaves nothing or far too much
        RETURN CASE WHEN v_parts[3] = '-' THEN 0 END;
    END IF;

    v_value := v_text::numeric;
    IF v_value > 5 THEN
        RETURN NULL;
    ELSIF v_value * 2 = pg_catalog.trunc(v_value * 2) THEN
        -- as it was spelled: numeric remembers 4.50, so rolling the migration back needs no journal for it
        RETURN v_value;
    END IF;
    RETURN pg_catalog.round(v_value * 2) * 0.5;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.read_stars(text) IS
'Half stars from 0 to 5, or NULL for a text that is no plain decimal number in that range. Never raises; the same on every server version.';

REVOKE ALL ON FUNCTION oeventdb_internal.read_stars(text) FROM PUBLIC;
