-- A worker takes changed events that no other worker has, and holds them until its transaction ends; writers never wait for it.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_take(
    batch integer, only_events bigint[] DEFAULT NULL, queued_until timestamptz DEFAULT NULL, except_events bigint[] DEFAULT '{}'
)
RETURNS TABLE (event_id bigint, search_version bigint, lines text)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- or coordinates would be written with fewer digits for a role that has asked for fewer
SET extra_float_digits = 1
-- a plan for these very ids would cost as much as the statement
SET plan_cache_mode = 'force_generic_plan'
-- and a plan lasts as long as its session: one made while the outbox is empty would read it from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_ids bigint[];
    v_bytes bigint NOT NULL := 0;
BEGIN
    -- a reindex that is about to swap waits for the batches under way, and they for it
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('oeventdb search swap', 0));
    IF search_take.only_events IS NULL THEN
        v_ids := ARRAY(
            SELECT o.event_id FROM oeventdb_internal.search_outbox AS o
            WHERE (
                    o.queued_at <= COALESCE(search_take.queued_until, 'infinity')
                    -- queued before the clock was set back, or by a server whose clock was ahead
                    OR o.queued_at > pg_catalog.clock_timestamp()
                )
                -- hashed, as <> ALL is not: they may be many
                AND o.event_id NOT IN (SELECT pg_catalog.unnest(search_take.except_events))
            ORDER BY o.queued_at LIMIT search_take.batch FOR UPDATE SKIP LOCKED
        );
    ELSE
        v_ids := ARRAY(
            SELECT o.event_id FROM oeventdb_internal.search_outbox AS o
            WHERE o.event_id = ANY (search_take.only_events)
            ORDER BY pg_catalog.array_position(search_take.only_events, o.event_id) LIMIT search_take.batch FOR UPDATE SKIP LOCKED
        );
    END IF;
    -- a statement of its own, later than the locks: it sees the version that acknowledging will compare
    FOR event_id, search_version, lines IN
        SELECT
            a.event_id,
            COALESCE(v.search_version, (e.id IS NOT NULL)::integer),
            -- JSON may need six bytes for one, and PostgreSQL makes no text of a gigabyte
            CASE
                WHEN COALESCE(pg_catalog.octet_length(e.description)::bigint, 0)
                    + COALESCE(pg_catalog.octet_length(e.organizer_description), 0)
                    + COALESCE(pg_catalog.octet_length(e.organizer_name), 0)
                    + COALESCE(pg_catalog.octet_length(e.searchable_location_name), 0)
                    + COALESCE(pg_catalog.octet_length(e.name), 0)
                    + COALESCE(pg_catalog.octet_length(e.identifier), 0)
                    + COALESCE(pg_catalog.octet_length(e.timezone), 0)
                    + COALESCE(pg_catalog.octet_length(e.privacy), 0) > 104857600 THEN ''
                ELSE oeventdb_internal.search_lines(a.event_id, COALESCE(v.search_version, (e.id IS NOT NULL)::integer), oeventdb_internal.search_document(e.*))
            END
        FROM pg_catalog.unnest(v_ids) AS a (event_id)
        -- what was queued by hand may have no version yet: 1, or less for a deletion, as a new event begins with 1
        LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = a.event_id
        LEFT JOIN public.events AS e ON e.id = a.event_id AND oeventdb_internal.belongs_in_index(e.*)
    LOOP
        RETURN NEXT;
        -- a worker holds all of it in memory; what is locked and not returned is for the next time
        v_bytes := v_bytes + pg_catalog.octet_length(lines);
        EXIT WHEN v_bytes >= 8388608;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_take(integer, bigint[], timestamptz, bigint[]) IS
'Changed events to be sent to Elasticsearch, the longest waiting first (or only those named, in that order, those queued by a time, none of those excepted),
with their current version and the lines of a bulk request: a document, a deletion, or an empty text for an event with over 100 MB of text.
Fewer where their lines are over 8 MB. They stay locked for other workers until the transaction ends. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_take(integer, bigint[], timestamptz, bigint[]) FROM PUBLIC;
