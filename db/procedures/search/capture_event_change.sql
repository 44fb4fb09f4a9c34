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
