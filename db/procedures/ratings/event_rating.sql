-- An event's rating is the average of what its users say of it now: one voice each, sessions apart.
CREATE OR REPLACE FUNCTION oeventdb.event_rating(
    event_id bigint
) RETURNS SETOF oeventdb.event_rating
LANGUAGE plpgsql
STABLE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.require_event(event_rating.event_id);
    RETURN QUERY
    SELECT event_rating.event_id, pg_catalog.round(pg_catalog.avg(f.rating), 2), pg_catalog.count(*)
    FROM public.feedback AS f
    WHERE f.event_id = event_rating.event_id AND f.session_id IS NULL AND NOT f.is_superseded;
END
$function$;

COMMENT ON FUNCTION oeventdb.event_rating(bigint) IS
'One row: the event''s id, the average of its ratings (0 to 5, two decimals; NULL without feedback) and how many users gave one.
Counted from the rows themselves, so it is right at every moment and reviewers never queue. Feedback on sessions, and what the same user
said before, are left out. Errors: OE404 no such event; OE400 event_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.event_rating(bigint) FROM PUBLIC;
