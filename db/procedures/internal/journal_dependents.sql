-- A row that is removed takes others along, of whatever table points at it: they are journaled first, and those that they take along.
-- A row that several keys reach has an entry for each, with the same place and time, so that it comes back with the last of what it points at.
CREATE OR REPLACE FUNCTION oeventdb_internal.journal_dependents(
    relation regclass,
    causes bigint[],
    followed regclass[] DEFAULT '{}'
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_key record;
    v_entries bigint[];
BEGIN
    FOR v_key IN
        SELECT
            c.conrelid::regclass AS dependent, c.conname, c.confdeltype,
            r.relkind = 'p' AS is_partitioned,
            CASE n.nspname WHEN 'public' THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END
            || pg_catalog.quote_ident(r.relname) AS table_name,
            (
                SELECT pg_catalog.string_agg(pg_catalog.format('d.%I = p.%I', d.attname, p.attname), ' AND ')
                FROM ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey)) AS k (ours, theirs)
                INNER JOIN pg_catalog.pg_attribute AS d ON d.attrelid = c.conrelid AND d.attnum = k.ours
                INNER JOIN pg_catalog.pg_attribute AS p ON p.attrelid = c.confrelid AND p.attnum = k.theirs
            ) AS condition,
            i.columns AS key_columns,
            -- of a row that stays: its key and what is set to NULL
            i.columns || ARRAY(
                SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = c.conrelid AND a.attnum = ANY (COALESCE(NULLIF(c.confdelsetcols, '{}'), c.conkey))
            ) AS changed_columns
        FROM pg_catalog.pg_constraint AS c
        INNER JOIN pg_catalog.pg_class AS r ON r.oid = c.conrelid
        INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
        CROSS JOIN LATERAL (
            SELECT ARRAY(
                SELECT a.attname::text FROM pg_catalog.pg_index AS x
                INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey)
                WHERE x.indrelid = c.conrelid AND x.indisprimary
            ) AS columns
        ) AS i
        WHERE c.contype = 'f' AND c.confrelid = journal_dependents.relation AND c.conparentid = 0
        ORDER BY c.conname
    LOOP
        EXECUTE pg_catalog.format(
            $query$
            WITH dependents AS (
                SELECT j.id AS caused_by, j.migration, pg_catalog.to_jsonb(d.*) AS old_row, d.tableoid::text || ':' || d.ctid::text AS place
                FROM oeventdb_internal.journal AS j
                CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%1$s, j.old_row) AS p
                INNER JOIN %2$s AS d ON %3$s
                -- a foreign key says nothing of the rows of tables that inherit from its own
                WHERE j.id = ANY ($1) AND ($6 OR d.tableoid = $7)
                FOR UPDATE OF d
            ), journaled AS (
                INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason, caused_by, place)
                SELECT
                    d.migration, $2,
                    (SELECT COALESCE(pg_catalog.string_agg(d.old_row ->> k.name, ','), '') FROM pg_catalog.unnest($3) AS k (name)),
                    CASE WHEN $4 = 'n'
                        THEN (SELECT pg_catalog.jsonb_object_agg(k.name, d.old_row -> k.name) FROM pg_catalog.unnest($5) AS k (name))
                        ELSE d.old_row
                    END,
                    CASE WHEN $4 = 'n' THEN 'pointed at a removed row, set to NULL' ELSE 'pointed at a removed row, removed' END,
                    d.caused_by, d.place
                FROM dependents AS d
                RETURNING id
            )
            SELECT pg_catalog.array_agg(j.id) FROM journaled AS j
            $query$, journal_dependents.relation, v_key.dependent, v_key.condition
        ) INTO v_entries USING
            journal_dependents.causes, v_key.table_name, v_key.key_columns, v_key.confdeltype, v_key.changed_columns,
            v_key.is_partitioned, v_key.dependent;
        CONTINUE WHEN v_entries IS NULL;
        IF v_key.confdeltype NOT IN ('c', 'n') OR v_key.dependent = ANY (journal_dependents.followed || journal_dependents.relation)
            OR (v_key.confdeltype = 'n' AND pg_catalog.cardinality(v_key.key_columns) = 0)
        THEN
            RAISE EXCEPTION '%: % of its rows point at rows of % that have to be removed, e.g. %',
                v_key.table_name, pg_catalog.cardinality(v_entries), journal_dependents.relation,
                (
                    SELECT c.key FROM oeventdb_internal.journal AS e
                    INNER JOIN oeventdb_internal.journal AS c ON c.id = e.caused_by WHERE e.id = v_entries[1]
                )
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = v_key.conname,
                      HINT = pg_catalog.format(
                          'Take those rows out of the way of its foreign key %s, and run the command again.',
                          v_key.conname
                      );
        ELSIF v_key.confdeltype = 'c' THEN
            PERFORM oeventdb_internal.journal_dependents(
                v_key.dependent, v_entries, journal_dependents.followed || journal_dependents.relation
            );
        END IF;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.journal_dependents(regclass, bigint[], regclass[]) IS
'Journals, and locks, the rows that deleting rows of relation (those of the journal entries causes) deletes or sets to NULL by foreign keys.
Raises foreign_key_violation where a foreign key forbids the deletion, or what it does could not be put back.';

REVOKE ALL ON FUNCTION oeventdb_internal.journal_dependents(regclass, bigint[], regclass[]) FROM PUBLIC;
