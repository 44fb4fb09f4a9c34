-- What the migrations removed or changed can be put back: the functions behind `oeventdb quarantine restore`.
-- depends: 0007.search-version

-- >>> db/procedures/internal/refuse_restoring.sql
-- An entry of the journal that cannot be put back says why, and what to do instead of giving another one.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_restoring(
    reason text,
    hint text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE400',
        pg_catalog.format('the entry %s', refuse_restoring.reason),
        pg_catalog.jsonb_build_object('argument', 'journal_id', 'reason', refuse_restoring.reason),
        refuse_restoring.hint
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_restoring(text, text) IS
'Raises OE400 (invalid_argument) for an entry of the journal that there is, but that cannot be put back.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_restoring(text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_half_stars.sql
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
-- <<<

-- >>> db/procedures/internal/restore_row.sql
-- A row that a migration removed is inserted as it was; what has become the rules' own business is left to them.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_row(
    table_name text,
    old_row jsonb
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_row jsonb := restore_row.old_row;
BEGIN
    -- a holder gets whatever admission is free, and the event of its ticket, whatever event it named before
    IF restore_row.table_name = 'ticket_holders' THEN
        SELECT v_row - 'admission_no' || pg_catalog.jsonb_build_object('event_id', t.event_id) INTO v_row
        FROM public.tickets AS t
        WHERE t.id = (v_row ->> 'ticket_id')::bigint;
        v_row := COALESCE(v_row, restore_row.old_row - 'admission_no');
        -- as the migration does with those who stay: a rollback gives the old event back
        INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
        SELECT
            '0005.ticket-holders', restore_row.table_name, v_row ->> 'id', restore_row.old_row,
            oeventdb_internal.event_correction((restore_row.old_row ->> 'event_id')::bigint)
        WHERE restore_row.old_row -> 'event_id' <> v_row -> 'event_id';
    END IF;

    PERFORM oeventdb_internal.insert_old_row(oeventdb_internal.journaled_table(restore_row.table_name), v_row);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_row(text, jsonb) IS
'Inserts a row that a migration removed, its id included, and journals the event of a holder that is not its ticket''s.
Errors: those of the rules and constraints of the table, e.g. OE101.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_row(text, jsonb) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/restore_values.sql
-- Values that a migration changed are put back into their row; a rule that would change them again refuses them instead.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_values(
    table_name text,
    current_row jsonb,
    old_row jsonb,
    reason text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_old jsonb := restore_values.old_row;
    v_columns text[];
    v_assignments text;
    v_restored jsonb;
    v_was jsonb;
BEGIN
    -- only what the migrations change, or a rollback had no place for: an application may have changed the rest of the row for good reason
    v_columns := CASE
        WHEN restore_values.reason LIKE '%deleted since the migration' THEN ARRAY['deleted_at']
        WHEN restore_values.reason = 'session named since the migration' THEN ARRAY['session_id']
        WHEN restore_values.reason = 'checked in since the migration' THEN ARRAY['checked_in_at']
        WHEN restore_values.reason = 'order placed since the migration'
            THEN ARRAY['email', 'currency', 'expires_at', 'discount_seats', 'access_code_id', 'access_seats']
        WHEN restore_values.table_name = 'feedback' THEN ARRAY['rating']
        WHEN restore_values.table_name = 'ticket_holders' THEN ARRAY['event_id']
        WHEN restore_values.table_name = 'discount_codes' THEN ARRAY['tickets']
        ELSE ARRAY(SELECT o.key FROM pg_catalog.jsonb_each(v_old) AS o WHERE o.key <> 'id')
    END;

    IF 'rating' = ANY (v_columns) THEN
        PERFORM oeventdb_internal.require_half_stars(v_old ->> 'rating');
        v_old := v_old || pg_catalog.jsonb_build_object('rating', oeventdb_internal.read_stars(v_old ->> 'rating'));
    END IF;

    SELECT pg_catalog.array_agg(c.name) INTO v_columns
    FROM pg_catalog.unnest(v_columns) AS c (name)
    WHERE restore_values.current_row ? c.name AND v_old ? c.name
        AND restore_values.current_row -> c.name IS DISTINCT FROM v_old -> c.name
        -- in a column that has come again there is nothing yet, or something newer
        AND (restore_values.reason NOT LIKE '%since the migration' OR restore_values.current_row ->> c.name IS NULL);
    IF v_columns IS NULL THEN
        PERFORM oeventdb_internal.refuse_restoring(
            'has nothing to put back: the row has that value already, or the column is gone',
            'A rollback gives the old value back as it was written.'
        );
    END IF;

    SELECT pg_catalog.string_agg(pg_catalog.format('%1$I = was.%1$I', c.name), ', ') INTO v_assignments
    FROM pg_catalog.unnest(v_columns) AS c (name);
    EXECUTE pg_catalog.format(
        'UPDATE public.%1$I AS t SET %2$s FROM pg_catalog.jsonb_populate_record(NULL::public.%1$I, $1) AS was'
        ' WHERE t.id = was.id RETURNING pg_catalog.to_jsonb(t.*), pg_catalog.to_jsonb(was.*)',
        restore_values.table_name, v_assignments
    ) INTO v_restored, v_was USING v_old;

    IF EXISTS (
        SELECT FROM pg_catalog.unnest(v_columns) AS c (name)
        -- both as this session spells them: the entry may have times of another time zone
        WHERE v_restored -> c.name IS DISTINCT FROM v_was -> c.name
    ) THEN
        PERFORM oeventdb_internal.refuse_restoring(
            pg_catalog.format('has values that the rules of %s change again', restore_values.table_name),
            'Nothing is left to do: the row is as the rules have it. A rollback gives the old value back.'
        );
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_values(text, jsonb, jsonb, text) IS
'Updates a row of schema public to the values it had: rating of feedback, event_id of ticket_holders, tickets of discount_codes, else all;
after a rollback, by the reason, those of the columns that it dropped and that are NULL.
Errors: those of the rules of the table; OE400 where nothing differs or a trigger changed the value on its way; OE501 for a rating.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_values(text, jsonb, jsonb, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/restore_link.sql
-- A claim on a ticket that its discount code lost can be had once the ticket has no code.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_link(
    discount_code_id bigint,
    ticket_id text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code record;
    v_ticket record;
BEGIN
    PERFORM oeventdb_internal.require_discount_code(restore_link.discount_code_id);
    SELECT c.event_id::bigint, c.used_for INTO v_code
    FROM public.discount_codes AS c
    WHERE c.id = restore_link.discount_code_id;
    IF v_code.used_for <> 'ticket' THEN
        PERFORM oeventdb_internal.refuse_code_kind(restore_link.discount_code_id);
    END IF;
    -- lock before looking: the ticket must not get another code in between
    SELECT t.id::bigint, t.event_id::bigint, t.discount_code_id INTO v_ticket
    FROM public.tickets AS t
    WHERE t.id = CASE WHEN restore_link.ticket_id ~ '^[0-9]{1,18}$' THEN restore_link.ticket_id::bigint END
        AND t.deleted_at IS NULL
    FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket', restore_link.ticket_id);
    ELSIF v_code.event_id IS NULL OR v_ticket.event_id IS DISTINCT FROM v_code.event_id THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', v_ticket.id, v_code.event_id);
    END IF;
    IF v_ticket.discount_code_id IS NOT NULL THEN
        PERFORM oeventdb_internal.fail(
            'OE400',
            pg_catalog.format('ticket %s has discount code %s, and can have only one', v_ticket.id, v_ticket.discount_code_id),
            pg_catalog.jsonb_build_object(
                'argument', 'journal_id', 'reason', 'ticket has another discount code',
                'ticket_id', v_ticket.id, 'discount_code_id', v_ticket.discount_code_id
            ),
            'Take the ticket off that code with replace_discount_code_tickets first.'
        );
    END IF;
    UPDATE public.tickets AS t SET discount_code_id = restore_link.discount_code_id WHERE t.id = v_ticket.id;
    -- marked as deleted while it was waited for; locked by the trigger now, after the ticket, as everybody locks them
    PERFORM oeventdb_internal.require_discount_code(restore_link.discount_code_id);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_link(bigint, text) IS
'Gives a ticket without discount code the code; the ticket''s id is the word that the old text had.
Errors: OE404 no such code or ticket, OE105 ticket of another event, OE201 code for whole events, OE400 the ticket has another code,
OE205 amount above the price.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_link(bigint, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/restore_journaled.sql
-- What a migration removed or changed is put back once, if the rules allow it now.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_journaled(
    journal_id bigint
) RETURNS SETOF oeventdb_internal.journal
LANGUAGE plpgsql
VOLATILE
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_entry oeventdb_internal.journal;
    v_current jsonb;
    v_left record;
BEGIN
    -- lock before looking: of two who restore the same entry, or two of the same row, the second must see that it is done
    PERFORM oeventdb_internal.lock_entries(ARRAY[restore_journaled.journal_id]);
    SELECT * INTO v_entry FROM oeventdb_internal.journal AS j WHERE j.id = restore_journaled.journal_id;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('journal_entry', restore_journaled.journal_id);
    ELSIF v_entry.restored_at IS NOT NULL THEN
        PERFORM oeventdb_internal.refuse_restoring(
            pg_catalog.format('was restored at %s', v_entry.restored_at), 'Nothing is left to do: an entry is put back once.'
        );
    END IF;

    IF v_entry.caused_by IS NOT NULL THEN
        IF EXISTS (
            SELECT FROM oeventdb_internal.journal AS j WHERE j.id = v_entry.caused_by AND j.restored_at IS NULL
        ) THEN
            PERFORM oeventdb_internal.refuse_restoring(
                pg_catalog.format('comes back with entry %s', v_entry.caused_by), 'Restore that one.'
            );
        END IF;
        PERFORM oeventdb_internal.restore_dependent(v_entry.table_name, v_entry.old_row, v_entry.reason);
    ELSIF v_entry.table_name = 'tickets' AND v_entry.old_row ?& ARRAY['discount_code_id', 'ticket_id'] THEN
        PERFORM oeventdb_internal.restore_link(
            (v_entry.old_row ->> 'discount_code_id')::bigint, v_entry.old_row ->> 'ticket_id'
        );
    ELSIF v_entry.old_row ->> 'id' IS NULL THEN
        PERFORM oeventdb_internal.refuse_restoring(
            'is of an old column', 'Make one for the new column, if it was of use; a rollback makes the old one again.'
        );
    ELSE
        EXECUTE pg_catalog.format(
            'SELECT pg_catalog.to_jsonb(t.*) FROM public.%I AS t WHERE t.id = $1 FOR UPDATE', v_entry.table_name
        ) INTO v_current USING (v_entry.old_row ->> 'id')::bigint;
        IF v_current IS NOT NULL THEN
            PERFORM oeventdb_internal.restore_values(v_entry.table_name, v_current, v_entry.old_row, v_entry.reason);
        ELSIF v_entry.reason LIKE '%removed' THEN
            PERFORM oeventdb_internal.restore_row(v_entry.table_name, v_entry.old_row);
        ELSE
            -- somebody has deleted the row since, and meant it
            PERFORM oeventdb_internal.refuse_unknown(v_entry.table_name, (v_entry.old_row ->> 'id')::bigint);
        END IF;
    END IF;

    PERFORM oeventdb_internal.mark_restored(v_entry.id);
    FOR v_left IN
        SELECT j.table_name, d.problem, pg_catalog.count(*) AS rows, pg_catalog.min(j.id) AS first_id
        FROM oeventdb_internal.restore_dependents(v_entry.id) AS d
        INNER JOIN oeventdb_internal.journal AS j ON j.id = d.journal_id
        GROUP BY j.table_name, d.problem
    LOOP
        RAISE WARNING '% of the rows of % that went with it stay in quarantine, e.g. entry %: %',
            v_left.rows, v_left.table_name, v_left.first_id, v_left.problem;
    END LOOP;
    RETURN QUERY SELECT j.* FROM oeventdb_internal.journal AS j WHERE j.id = v_entry.id;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_journaled(bigint) IS
'Puts back what an entry of the journal keeps: a removed row, with the rows that pointed at it, a value, or a lost claim on a ticket. Returns the entry.
Warns of the rows that can''t come with it.
Errors: OE404 no such entry; OE400 restored before, or nothing to put back; else the error of the rule that is in the way.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_journaled(bigint) FROM PUBLIC;
-- <<<
