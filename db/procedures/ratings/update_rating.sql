-- Whatever text a rating comes as, it becomes a number of half stars from 0 to 5; what cannot be read, or is out of range, is 0.
CREATE OR REPLACE FUNCTION oeventdb.update_rating(
    rating text
) RETURNS numeric
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN pg_catalog.trim_scale(COALESCE(oeventdb_internal.half_stars(update_rating.rating), 0));
END
$function$;

COMMENT ON FUNCTION oeventdb.update_rating(text) IS
'The half-star value of a rating given as text: a plain decimal number (sign, ASCII digits, point, exponent; white space around it is trimmed)
from 0 to 5, rounded to the nearest half, halves away from zero. 0 for anything else: NULL, no number, out of range, or longer than 100 characters.
Never raises.';

REVOKE ALL ON FUNCTION oeventdb.update_rating(text) FROM PUBLIC;
