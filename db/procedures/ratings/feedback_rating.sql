-- New feedback is rounded to half stars, whoever writes it; a rating out of range is refused, never turned into 0.
CREATE OR REPLACE FUNCTION oeventdb_internal.feedback_rating() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NEW.rating IS NULL OR NOT NEW.rating BETWEEN 0 AND 5 THEN
        PERFORM oeventdb_internal.refuse_rating(NEW.rating::text);
    END IF;
    NEW.rating := pg_catalog.round(NEW.rating * 2) * 0.5;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.feedback_rating() IS
'Trigger of public.feedback: rounds rating to half stars (0 to 5), raises OE501 for a rating that is NULL, NaN or out of range.';

REVOKE ALL ON FUNCTION oeventdb_internal.feedback_rating() FROM PUBLIC;
