-- Every change of an event that the search index would show takes the event's next version, which every write to the index carries, and a place in an outbox.
-- depends: 0006.discount-codes

-- An event without a row has version 1, so existing events need no rows and this migration takes the same few milliseconds on any table.
-- A row is never deleted: an event that comes back under an id goes on counting.
CREATE TABLE oeventdb_internal.search_versions (
    event_id bigint PRIMARY KEY,
    search_version bigint NOT NULL,
    changed_by xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id()
);

COMMENT ON TABLE oeventdb_internal.search_versions IS
'How often each event has changed in a way the index shows, since capture began; the row outlives the event.';

COMMENT ON COLUMN oeventdb_internal.search_versions.changed_by IS
'The transaction of the last change: tells what a snapshot taken earlier has not seen.';

CREATE TABLE oeventdb_internal.search_outbox (
    event_id bigint PRIMARY KEY,
    queued_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE INDEX search_outbox_queued_at ON oeventdb_internal.search_outbox (queued_at);

COMMENT ON TABLE oeventdb_internal.search_outbox IS
'Events whose current version the index may not have yet: one row an event, however often it changes.';

CREATE TABLE oeventdb_internal.search_dead_letters (
    event_id bigint PRIMARY KEY,
    search_version bigint NOT NULL,
    reason text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

COMMENT ON TABLE oeventdb_internal.search_dead_letters IS
'Documents that Elasticsearch will not take, with its reason; the next change of the event tries again.';

CREATE TABLE oeventdb_internal.search_served (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    alias text NOT NULL
);

COMMENT ON TABLE oeventdb_internal.search_served IS
'The alias that the outbox is for, in one row; none until the first rebuild or sync.';

-- >>> db/procedures/search/belongs_in_index.sql
-- An event belongs in the index while it is published and not deleted.
-- SQL without SECURITY DEFINER and SET search_path, so that it is inlined. Every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.belongs_in_index(event public.events)
RETURNS boolean
LANGUAGE sql
STABLE
AS $function$
    SELECT (belongs_in_index.event).state = 'published' AND (belongs_in_index.event).deleted_at IS NULL
$function$;

COMMENT ON FUNCTION oeventdb_internal.belongs_in_index(public.events) IS
'Whether an event is to be found: state published, not deleted. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.belongs_in_index(public.events) FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_document.sql
-- The document of an event is written as JSON here, once for search_documents, for a rebuild and for what changed since.
-- SQL without SECURITY DEFINER and SET search_path, so that it is inlined: a call for each event would cost more than the rendering.
-- Joined to texts rather than built with json_build_object: half the time. Every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_document(event public.events)
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    SELECT
    '{"id":' || (search_document.event).id::text
    || ',"identifier":' || COALESCE(pg_catalog.to_json((search_document.event).identifier)::text, 'null')
    || ',"name":' || COALESCE(pg_catalog.to_json((search_document.event).name)::text, 'null')
    || ',"searchable_location_name":' || COALESCE(pg_catalog.to_json(NULLIF((search_document.event).searchable_location_name, ''))::text, 'null')
    || ',"organizer_name":' || COALESCE(pg_catalog.to_json(NULLIF((search_document.event).organizer_name, ''))::text, 'null')
    || ',"organizer_description":' || COALESCE(pg_catalog.to_json(NULLIF((search_document.event).organizer_description, ''))::text, 'null')
    -- infinite dates and years of other than four digits are no dates to Elasticsearch
    || ',"starts_at":' || CASE
        WHEN (search_document.event).starts_at >= '0001-01-01 00:00:00+00' AND (search_document.event).starts_at < '10000-01-01 00:00:00+00'
            THEN pg_catalog.left(pg_catalog.to_json((search_document.event).starts_at AT TIME ZONE 'UTC')::text, -1) || 'Z"'
        ELSE 'null' END
    || ',"ends_at":' || CASE
        WHEN (search_document.event).ends_at >= '0001-01-01 00:00:00+00' AND (search_document.event).ends_at < '10000-01-01 00:00:00+00'
            THEN pg_catalog.left(pg_catalog.to_json((search_document.event).ends_at AT TIME ZONE 'UTC')::text, -1) || 'Z"'
        ELSE 'null' END
    || ',"timezone":' || COALESCE(pg_catalog.to_json((search_document.event).timezone)::text, 'null')
    -- NaN is greater than any number, so it is outside as well
    || ',"location":' || CASE
        WHEN (search_document.event).latitude BETWEEN -90 AND 90 AND (search_document.event).longitude BETWEEN -180 AND 180
            THEN '{"lat":' || (search_document.event).latitude::text || ',"lon":' || (search_document.event).longitude::text || '}'
        ELSE 'null' END
    || ',"privacy":' || COALESCE(pg_catalog.to_json((search_document.event).privacy)::text, 'null')
    -- the long text comes last: what follows a text in the chain copies it once more
    || ',"description":' || COALESCE(pg_catalog.to_json(NULLIF((search_document.event).description, ''))::text, 'null')
    || '}'
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_document(public.events) IS
'The document of an event as JSON text: dates in UTC, empty texts null (but for name), no location where the coordinates are missing or impossible.
Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_document(public.events) FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_lines.sql
-- What is sent to Elasticsearch for an event is written here: its document, or without one its deletion, each with the external version.
-- SQL without SECURITY DEFINER and SET search_path, so that it is inlined; the document stands in it once, or it would not be.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_lines(event_id bigint, search_version bigint, document text)
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    SELECT COALESCE(
        '{"index":{"_id":"' || search_lines.event_id::text || '","version":' || search_lines.search_version::text
        || E',"version_type":"external"}}\n' || search_lines.document || E'\n',
        '{"delete":{"_id":"' || search_lines.event_id::text || '","version":' || search_lines.search_version::text
        || E',"version_type":"external"}}\n'
    )
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_lines(bigint, bigint, text) IS
'The lines of a bulk request (NDJSON) for an event: action and document, or a deletion where the document is NULL. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_lines(bigint, bigint, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/capture_event_change.sql
-- A change of an event that the index would show, and no other, takes the event's next version and a place in the outbox, in the transaction that changes it.
CREATE OR REPLACE FUNCTION oeventdb_internal.capture_event_change() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- Here and not in a WHEN of the trigger: PostgreSQL parses that text again for every statement, which took as long as all the rest.
    -- And not in a list of columns, UPDATE OF: a BEFORE trigger may change a column that the UPDATE does not name.
    -- The columns first: most changes are of others, and go no further. By their bytes, since what is equal may be written otherwise: 0 and -0.
    IF TG_OP = 'UPDATE' THEN
        IF pg_catalog.record_image_eq(
            ROW(
                NEW.id, NEW.identifier, NEW.name, NEW.searchable_location_name, NEW.organizer_name, NEW.organizer_description,
                NEW.starts_at, NEW.ends_at, NEW.timezone, NEW.privacy, NEW.latitude, NEW.longitude, NEW.description, NEW.state,
                NEW.deleted_at
            ),
            ROW(
                OLD.id, OLD.identifier, OLD.name, OLD.searchable_location_name, OLD.organizer_name, OLD.organizer_description,
                OLD.starts_at, OLD.ends_at, OLD.timezone, OLD.privacy, OLD.latitude, OLD.longitude, OLD.description, OLD.state,
                OLD.deleted_at
            )
        ) THEN
            RETURN NULL;
        END IF;
        IF ((OLD.state = 'published' AND OLD.deleted_at IS NULL) OR (NEW.state = 'published' AND NEW.deleted_at IS NULL)) IS NOT TRUE THEN
            RETURN NULL;
        END IF;
    END IF;

    -- the version first, its place in the outbox second: search_acknowledge relies on the lock that the version takes.
    -- the row of the version stays when the event goes: an event that comes back under the id goes on counting.
    -- whoever changes an event holds its row until the commit: versions of one event are taken in commit order.
    IF TG_OP = 'TRUNCATE' THEN
        -- an older snapshot would not show the events that were committed since, and TRUNCATE removes them all the same
        PERFORM oeventdb_internal.require_read_committed('events are truncated', 'DELETE');
        WITH changed AS (
            INSERT INTO oeventdb_internal.search_versions AS v (event_id, search_version)
            SELECT e.id, 2 FROM public.events AS e WHERE oeventdb_internal.belongs_in_index(e.*)
            ON CONFLICT (event_id) DO UPDATE
            SET search_version = v.search_version + 1, changed_by = pg_catalog.pg_current_xact_id()
            RETURNING v.event_id
        )
        INSERT INTO oeventdb_internal.search_outbox (event_id) SELECT c.event_id FROM changed AS c
        ON CONFLICT (event_id) DO NOTHING;
    ELSE
        -- 1 is the version of an event without a row, so only a new event may begin with it
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO oeventdb_internal.search_versions AS v (event_id, search_version) VALUES (OLD.id, 2)
            ON CONFLICT (event_id) DO UPDATE
            SET search_version = v.search_version + 1, changed_by = pg_catalog.pg_current_xact_id();
            INSERT INTO oeventdb_internal.search_outbox (event_id) VALUES (OLD.id) ON CONFLICT (event_id) DO NOTHING;
        END IF;
        IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.id <> OLD.id) THEN
            INSERT INTO oeventdb_internal.search_versions AS v (event_id, search_version) VALUES (NEW.id, 1)
            ON CONFLICT (event_id) DO UPDATE
            SET search_version = v.search_version + 1, changed_by = pg_catalog.pg_current_xact_id();
            INSERT INTO oeventdb_internal.search_outbox (event_id) VALUES (NEW.id) ON CONFLICT (event_id) DO NOTHING;
        END IF;
    END IF;

    -- a commit that a crash could undo must not be seen, and sent, before it is on disk: later changes would take the same version
    IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'local', true);
    END IF;

    -- transactions that notify commit one after the other, so only one at a time does: workers look again by themselves.
    -- And none does where transactions may be prepared, as one that has notified can't be.
    IF pg_catalog.current_setting('max_prepared_transactions') = '0'
        AND pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('oeventdb search wake', 0)) THEN
        PERFORM pg_catalog.pg_notify('oeventdb_search', '');
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.capture_event_change() IS
'Trigger on public.events: when the index would show the change, the next search_version and a row in search_outbox for the event that was
inserted, changed or deleted, for each that a TRUNCATE removes. Notifies oeventdb_search, but not where max_prepared_transactions lets
transactions be prepared; with synchronous_commit off, local for this transaction.
Refuses TRUNCATE under REPEATABLE READ and SERIALIZABLE (0A000).';

REVOKE ALL ON FUNCTION oeventdb_internal.capture_event_change() FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_documents.sql
-- Every event that belongs in the index, published and not deleted, with the version and the document that the index is to hold.
CREATE OR REPLACE FUNCTION oeventdb.search_documents()
RETURNS TABLE (event_id bigint, search_version bigint, document jsonb)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- or coordinates would be written with fewer digits for a role that has asked for fewer
SET extra_float_digits = 1
AS $function$
BEGIN
    RETURN QUERY
    SELECT e.id::bigint, COALESCE(v.search_version, 1), oeventdb_internal.search_document(e.*)::jsonb
    FROM public.events AS e
    LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = e.id
    WHERE oeventdb_internal.belongs_in_index(e.*);
END
$function$;

COMMENT ON FUNCTION oeventdb.search_documents() IS
'(event_id, search_version, document) of every event that belongs in the index: published and not deleted. '
'The version only grows, in commit order, also across delete and re-insert of an id. '
'In the document dates are UTC, empty texts are null (but for name), location is null where the coordinates are missing or impossible. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb.search_documents() FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_count.sql
-- How many events belong in the index, as the calling transaction sees them.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_count() RETURNS bigint
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (SELECT pg_catalog.count(*) FROM public.events AS e WHERE oeventdb_internal.belongs_in_index(e.*));
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_count() IS
'The number of events that belong in the index. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_count() FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_bulk.sql
-- A rebuild takes the events that belong in the index as the bytes that Elasticsearch is sent: no client takes a document apart.
-- SQL and called in a SELECT list, so that its rows are streamed, as PL/pgSQL's never are: neither side holds more than a few of them.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_bulk()
RETURNS SETOF text
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- or coordinates would be written with fewer digits for a role that has asked for fewer
SET extra_float_digits = 1
AS $function$
    SELECT oeventdb_internal.search_lines(e.id::bigint, COALESCE(v.search_version, 1), oeventdb_internal.search_document(e.*))
    FROM public.events AS e
    -- an event that has not changed since versions are kept has no row yet
    LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = e.id
    WHERE oeventdb_internal.belongs_in_index(e.*)
    ORDER BY e.id
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_bulk() IS
'Every event that belongs in the index, in the order of ids: two lines of a bulk request (NDJSON) for each, with its external version.
Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_bulk() FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_changes.sql
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
-- <<<

-- >>> db/procedures/search/search_take.sql
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
-- <<<

-- >>> db/procedures/search/search_acknowledge.sql
-- A change leaves the outbox only when the index has its version or a newer one, and no newer one is waiting.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_acknowledge(event_ids bigint[], versions bigint[]) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan for these very ids would cost as much as the statement
SET plan_cache_mode = 'force_generic_plan'
-- and a plan lasts as long as its session: one made while the outbox is empty would read it from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_ids bigint[];
    v_added bigint[];
    v_free bigint[];
    v_removed bigint;
BEGIN
    -- What was queued by hand may have no version yet, and gets one. That comes before the locks, and is of these alone: whoever has locked
    -- the table, or is inserting an event again, would be waited for, and may be about to wait for one of the locks.
    v_added := ARRAY(
        SELECT a.event_id FROM pg_catalog.unnest(search_acknowledge.event_ids) AS a (event_id)
        WHERE NOT EXISTS (SELECT FROM oeventdb_internal.search_versions AS v WHERE v.event_id = a.event_id)
    );
    IF pg_catalog.cardinality(v_added) > 0 THEN
        -- who is changing the event is not waited for: see search_mend
        v_free := ARRAY(
            SELECT e.id::bigint FROM public.events AS e WHERE e.id = ANY (v_added) ORDER BY e.id FOR NO KEY UPDATE OF e SKIP LOCKED
        );
        WITH added AS (
            INSERT INTO oeventdb_internal.search_versions AS v (event_id, search_version)
            SELECT a.event_id, 1 FROM pg_catalog.unnest(v_added) AS a (event_id)
            WHERE a.event_id = ANY (v_free) OR NOT EXISTS (SELECT FROM public.events AS e WHERE e.id = a.event_id)
            ORDER BY a.event_id
            ON CONFLICT (event_id) DO NOTHING
            RETURNING v.event_id
        )
        SELECT ARRAY(SELECT a.event_id FROM added AS a) INTO v_added;
    END IF;
    -- whoever is changing an event holds the row of its version: then its place in the outbox is needed for that change,
    -- and stays. Whoever changes it later waits here for the end of this transaction and then queues it anew.
    v_ids := v_added || ARRAY(
        SELECT v.event_id
        FROM ROWS FROM (pg_catalog.unnest(search_acknowledge.event_ids), pg_catalog.unnest(search_acknowledge.versions))
            AS a (event_id, version)
        JOIN oeventdb_internal.search_versions AS v ON v.event_id = a.event_id
        WHERE v.search_version <= a.version
        FOR UPDATE OF v SKIP LOCKED
    );
    DELETE FROM oeventdb_internal.search_outbox AS o WHERE o.event_id = ANY (v_ids);
    GET DIAGNOSTICS v_removed = ROW_COUNT;
    DELETE FROM oeventdb_internal.search_dead_letters AS d WHERE d.event_id = ANY (v_ids);
    RETURN v_removed;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_acknowledge(bigint[], bigint[]) IS
'Says that the index has these versions of these events; returns how many left the outbox: an event that has changed since stays in it. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_acknowledge(bigint[], bigint[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_serve.sql
-- The outbox is for one alias: what is removed from it for that one, no other index ever gets.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_serve(alias text, instead boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO oeventdb_internal.search_served AS s (alias) VALUES (search_serve.alias)
    ON CONFLICT ON CONSTRAINT search_served_pkey DO UPDATE SET alias = EXCLUDED.alias
    WHERE search_serve.instead AND s.alias <> EXCLUDED.alias;
    RETURN EXISTS (SELECT FROM oeventdb_internal.search_served AS s WHERE s.alias = search_serve.alias);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_serve(text, boolean) IS
'Whether the outbox is for this alias: it is for the first that asks, until one asks to have it instead. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_serve(text, boolean) FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_settle.sql
-- What a rebuild has indexed need not wait in the outbox any longer, nor be set aside.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_settle(seen pg_snapshot, alias text) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_ids bigint[];
    v_versions bigint[];
BEGIN
    IF NOT oeventdb_internal.search_serve(search_settle.alias) THEN
        RETURN 0;
    END IF;
    SELECT pg_catalog.array_agg(v.event_id), pg_catalog.array_agg(v.search_version) INTO v_ids, v_versions
    FROM (
        SELECT o.event_id FROM oeventdb_internal.search_outbox AS o
        UNION SELECT d.event_id FROM oeventdb_internal.search_dead_letters AS d
    ) AS w
    JOIN oeventdb_internal.search_versions AS v ON v.event_id = w.event_id
    -- a transaction that is still to come here was one of the server that a backup is from
    WHERE pg_catalog.pg_visible_in_snapshot(v.changed_by, search_settle.seen)
        OR v.changed_by >= pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot());
    RETURN oeventdb_internal.search_acknowledge(v_ids, v_versions);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_settle(pg_snapshot, text) IS
'Removes from the outbox and from search_dead_letters what a snapshot has seen and a rebuild has indexed, if that was for the alias that the
outbox is for; returns how many left the outbox. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_settle(pg_snapshot, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_bury.sql
-- A document that Elasticsearch will not take is set aside with the reason, so that it does not hold up the others; its next change brings it back.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_bury(event_id bigint, search_version bigint, reason text) RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.search_acknowledge(ARRAY[search_bury.event_id], ARRAY[search_bury.search_version]);
    INSERT INTO oeventdb_internal.search_dead_letters AS d (event_id, search_version, reason)
    VALUES (search_bury.event_id, search_bury.search_version, search_bury.reason)
    ON CONFLICT ON CONSTRAINT search_dead_letters_pkey DO UPDATE
    SET search_version = EXCLUDED.search_version, reason = EXCLUDED.reason, failed_at = EXCLUDED.failed_at;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_bury(bigint, bigint, text) IS
'Moves a version of an event from the outbox to search_dead_letters with what Elasticsearch said of it. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_bury(bigint, bigint, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_listing.sql
-- What the index has to hold, without the documents: the side of the database when the two are compared.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_listing(after bigint, batch integer)
RETURNS TABLE (event_id bigint, search_version bigint)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT e.id::bigint, COALESCE(v.search_version, 1)
    FROM public.events AS e
    -- the second condition follows from the others, but the planner does not see it and would read the versions from the first on
    LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = e.id AND v.event_id > search_listing.after
    WHERE oeventdb_internal.belongs_in_index(e.*) AND e.id > search_listing.after
    ORDER BY e.id
    LIMIT search_listing.batch;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_listing(bigint, integer) IS
'The next events that belong in the index after an id, in the order of ids, with their versions. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_listing(bigint, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_current.sql
-- How some events are now: version, whether they belong in the index, whether a change of theirs waits in the outbox.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_current(event_ids bigint[])
RETURNS TABLE (event_id bigint, search_version bigint, belongs boolean, waits boolean)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT a.event_id, COALESCE(v.search_version, 1), e.id IS NOT NULL, o.event_id IS NOT NULL
    FROM pg_catalog.unnest(search_current.event_ids) AS a (event_id)
    LEFT JOIN public.events AS e ON e.id = a.event_id AND oeventdb_internal.belongs_in_index(e.*)
    LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = a.event_id
    LEFT JOIN oeventdb_internal.search_outbox AS o ON o.event_id = a.event_id;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_current(bigint[]) IS
'(event_id, search_version, belongs in the index, waits in the outbox) of each of the named events, whether it exists or not. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_current(bigint[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_mend.sql
-- What the index has wrong is sent again under a version that the index cannot have seen, whatever was done to it behind our back.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_mend(event_ids bigint[], versions bigint[]) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_free bigint[];
BEGIN
    -- who waited for somebody that is changing one event, while holding another, could be in a deadlock with them
    v_free := ARRAY(
        SELECT e.id::bigint FROM public.events AS e
        WHERE e.id = ANY (search_mend.event_ids) ORDER BY e.id FOR NO KEY UPDATE SKIP LOCKED
    );
    -- and who is inserting an event again has no row of it to be seen, but that of its version
    v_free := v_free || ARRAY(
        SELECT v.event_id FROM oeventdb_internal.search_versions AS v
        WHERE v.event_id = ANY (search_mend.event_ids) AND NOT EXISTS (SELECT FROM public.events AS e WHERE e.id = v.event_id)
        ORDER BY v.event_id FOR UPDATE SKIP LOCKED
    ) || ARRAY(
        SELECT a.event_id FROM pg_catalog.unnest(search_mend.event_ids) AS a (event_id)
        WHERE NOT EXISTS (SELECT FROM public.events AS e WHERE e.id = a.event_id)
            AND NOT EXISTS (SELECT FROM oeventdb_internal.search_versions AS v WHERE v.event_id = a.event_id)
    );
    -- a version near the largest, which somebody made up, is not gone beyond: it would leave none for the event's next changes
    -- the index also remembers for a while the versions of documents that it no longer has, and does not tell them:
    -- a step of 1000 is beyond any that a direct deletion or two can have added
    WITH changed AS (
        INSERT INTO oeventdb_internal.search_versions AS v (event_id, search_version)
        SELECT a.event_id, CASE WHEN a.version < 1000000000000000000 THEN a.version ELSE 1 END + 1000
        FROM ROWS FROM (pg_catalog.unnest(search_mend.event_ids), pg_catalog.unnest(search_mend.versions))
            AS a (event_id, version)
        WHERE a.event_id = ANY (v_free)
        ORDER BY a.event_id
        ON CONFLICT (event_id) DO UPDATE
        SET
            search_version = GREATEST(v.search_version + 1000, EXCLUDED.search_version),
            changed_by = pg_catalog.pg_current_xact_id()
        RETURNING v.event_id
    )
    INSERT INTO oeventdb_internal.search_outbox (event_id) SELECT c.event_id FROM changed AS c
    ON CONFLICT (event_id) DO NOTHING;
    -- a commit that a crash could undo must not be sent before it is on disk: later changes would take lower versions than the index has
    IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'local', true);
    END IF;
    RETURN pg_catalog.cardinality(search_mend.event_ids) - pg_catalog.cardinality(v_free);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_mend(bigint[], bigint[]) IS
'Queues events anew under versions beyond those that the index has, but for those from 10^18 on.
Passes over events that somebody is changing; returns how many. With synchronous_commit off, local for this transaction. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_mend(bigint[], bigint[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/search/search_lag.sql
-- How far the index is behind: changes that wait, the age of the oldest, documents that were set aside.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_lag()
RETURNS TABLE (pending bigint, seconds double precision, dead bigint)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT
        pg_catalog.count(*),
        -- 0 also where all were queued before the clock was set back
        GREATEST(pg_catalog.date_part('epoch', pg_catalog.statement_timestamp() - pg_catalog.min(o.queued_at)), 0),
        (SELECT pg_catalog.count(*) FROM oeventdb_internal.search_dead_letters)
    FROM oeventdb_internal.search_outbox AS o;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_lag() IS
'(pending changes, age of the oldest in seconds, documents set aside). Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_lag() FROM PUBLIC;
-- <<<

CREATE TRIGGER search_event_inserted
AFTER INSERT ON public.events FOR EACH ROW
WHEN (NEW.state = 'published' AND NEW.deleted_at IS NULL)
EXECUTE FUNCTION oeventdb_internal.capture_event_change();

CREATE TRIGGER search_event_deleted
AFTER DELETE ON public.events FOR EACH ROW
WHEN (OLD.state = 'published' AND OLD.deleted_at IS NULL)
EXECUTE FUNCTION oeventdb_internal.capture_event_change();

-- whether the index shows the change is for the function to say
CREATE TRIGGER search_event_updated
AFTER UPDATE ON public.events FOR EACH ROW
EXECUTE FUNCTION oeventdb_internal.capture_event_change();

-- before, while the events that are going can still be seen
CREATE TRIGGER search_events_truncated
BEFORE TRUNCATE ON public.events FOR EACH STATEMENT
EXECUTE FUNCTION oeventdb_internal.capture_event_change();

-- A session with session_replication_role = replica changes what the index shows as any other does. What arrives by logical replication
-- is seen as well, so a subscriber that gets the tables of oeventdb_internal, too, must be without these triggers.
ALTER TABLE public.events
ENABLE ALWAYS TRIGGER search_event_inserted,
ENABLE ALWAYS TRIGGER search_event_deleted,
ENABLE ALWAYS TRIGGER search_event_updated,
ENABLE ALWAYS TRIGGER search_events_truncated;
