-- A rebuild replays what its snapshot has not seen: every event changed by a transaction that was not finished then.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_changes(since pg_snapshot, after bigint, batch integer)
RETURNS TABLE (event_id bigint, search_version bigint, lines text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- or coordinates would be written with fewer digits for a role that has asked for fewer
SET extra_float_digits = 1
AS $function$
BEGIN
    RETURN QUERY
    SELECT
        v.event_id,
        v.search_version,
        oeventdb_internal.search_lines(v.event_id, v.search_version, oeventdb_internal.search_document(e.*))
    FROM oeventdb_internal.search_versions AS v
    LEFT JOIN public.events AS e ON e.id = v.event_id AND e.id > search_changes.after AND oeventdb_internal.belongs_in_index(e.*)
    WHERE v.changed_by >= pg_catalog.pg_snapshot_xmin(search_changes.since)
        AND NOT pg_catalog.pg_visible_in_snapshot(v.changed_by, search_changes.since)
        -- a transaction that is still to come here was one of the server that a backup is from
        AND v.changed_by < pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
        AND v.event_id > search_changes.after
    ORDER BY v.event_id
    LIMIT search_changes.batch;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_changes(pg_snapshot, bigint, integer) IS
'The next events after an id that have changed since a snapshot, in the order of ids, as lines of a bulk request: a document, or a deletion. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_changes(pg_snapshot, bigint, integer) FROM PUBLIC;
