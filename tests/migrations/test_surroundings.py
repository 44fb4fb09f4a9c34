"""What others have put around the legacy tables: views, indexes, grants, publications, settings."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from oeventdb import schema
from oeventdb.errors import Refused
from oeventdb.schema import MigrationFailed
from tests.legacy import digest
from tests.migrations.surroundings import BADGES, query, rows, run, server_version, shape

NEEDED = {
    "replica identity public.reviewed": [
        "CREATE UNIQUE INDEX reviewed ON feedback (id, rating)",
        "ALTER TABLE feedback REPLICA IDENTITY USING INDEX reviewed",
    ],
    "view public.reviews": ["CREATE VIEW reviews AS SELECT event_id, length(rating) FROM feedback"],
    "materialized view public.copies": ["CREATE MATERIALIZED VIEW copies AS SELECT * FROM feedback"],
    "column stars of table public.feedback": [
        "ALTER TABLE feedback ADD COLUMN stars text GENERATED ALWAYS AS (rating || ' of 5') STORED"
    ],
    "policy reviewers on table public.feedback": [
        "CREATE POLICY reviewers ON feedback USING (rating <> 'bad')"
    ],
    "column review of table public.prizes": [
        "CREATE TYPE prize AS (name text, reviews feedback[])",
        "CREATE TABLE prizes (review prize)",
        "INSERT INTO prizes SELECT ROW('first', ARRAY[f])::prize FROM feedback AS f",
    ],
    "constraint awards_rating_fkey on table public.awards": [
        "ALTER TABLE feedback ADD UNIQUE (rating)",
        "CREATE TABLE awards (rating varchar REFERENCES feedback (rating))",
    ],
    "trigger reviewed on table public.feedback": [
        "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER reviewed BEFORE UPDATE OF rating ON feedback FOR EACH ROW EXECUTE FUNCTION watch()",
    ],
}


def test_what_needs_the_text_of_the_ratings_is_named_before_anything_is_done(dirty: str) -> None:
    for statements in NEEDED.values():
        run(dirty, *statements)
    before = shape(dirty)
    with pytest.raises(MigrationFailed, match=r"feedback\.rating is still needed by ") as failed:
        schema.migrate(dirty)
    assert [dependent for dependent in NEEDED if dependent not in str(failed.value)] == []
    assert failed.value.hint is not None
    assert "CASCADE" not in failed.value.hint
    assert query(dirty, "SELECT id FROM oeventdb_internal.ledger ORDER BY id DESC LIMIT 1") == [
        ("0002.foundations",)
    ]
    assert schema.rollback(dirty, to="0001") == ["0002.foundations"]
    assert shape(dirty) == before


def test_a_view_that_is_made_again_for_the_number_is_in_the_way_of_the_rollback_and_named(dirty: str) -> None:
    schema.migrate(dirty)
    run(
        dirty,
        "CREATE VIEW reviews AS SELECT rating FROM feedback",
        "CREATE VIEW admissions AS SELECT admission_no FROM ticket_holders",
    )
    with pytest.raises(
        MigrationFailed, match=r"view public\.admissions depends on column admission_no"
    ) as failed:
        schema.rollback(dirty, to="0001")
    assert failed.value.hint == "drop or change what depends on it and run the command again"
    run(dirty, "DROP VIEW admissions")
    with pytest.raises(MigrationFailed, match=r"feedback\.rating is still needed by view public\.reviews"):
        schema.rollback(dirty, to="0001")
    run(dirty, "DROP VIEW reviews")
    schema.rollback(dirty, to="0001")
    assert query(dirty, "SELECT rating FROM feedback ORDER BY id") == [("4.7",), ("great",)]


def test_what_goes_with_a_column_is_journaled_and_made_again_with_it(dirty: str) -> None:
    run(
        dirty,
        'ALTER TABLE feedback ALTER rating TYPE varchar(20) COLLATE "C"',
        "ALTER TABLE discount_codes ALTER tickets TYPE text, ALTER tickets SET NOT NULL",
        "CREATE INDEX reviews_rating ON feedback (rating)",
        "COMMENT ON INDEX reviews_rating IS 'sorted'",
        "CREATE INDEX reviews_lower ON feedback (lower(rating)) WHERE event_id > 3",
        "ALTER TABLE feedback ADD CONSTRAINT decent CHECK (rating <> 'bad'), ADD CONSTRAINT unlike UNIQUE (id, rating)",
        "COMMENT ON CONSTRAINT decent ON feedback IS 'it''s not bad'",
        "ALTER TABLE feedback ALTER rating SET DEFAULT '0'",
        "CREATE STATISTICS reviews_stats ON rating, event_id FROM feedback",
        "COMMENT ON STATISTICS reviews_stats IS 'together'",
        "ALTER TABLE feedback ALTER rating SET STATISTICS 500",
        "GRANT SELECT (rating), UPDATE (rating) ON feedback TO PUBLIC",
        "COMMENT ON COLUMN feedback.rating IS 'it''s stars'",
        "CREATE INDEX codes_tickets ON discount_codes (tickets)",
        "GRANT SELECT (tickets) ON discount_codes TO PUBLIC",
        "COMMENT ON COLUMN discount_codes.tickets IS 'ids'",
        "ALTER TABLE discount_codes ALTER tickets SET STATISTICS 0",
        "ALTER TABLE discount_codes ADD CONSTRAINT short CHECK (length(code) < 99)",
        "COMMENT ON CONSTRAINT short ON discount_codes IS 'of another column'",
    )
    before = shape(dirty)
    schema.migrate(dirty)
    after = shape(dirty)
    assert any("feedbackrating{=rw/" in line for line in after)
    assert any("it's stars" in line for line in after)
    named = query(
        dirty, "SELECT DISTINCT key FROM oeventdb_internal.journal WHERE old_row ? 'statement' ORDER BY key"
    )
    assert [key for (key,) in named] == [
        "decent", "public.codes_tickets", "public.reviews_lower", "public.reviews_rating", "rating",
        "reviews_stats", "tickets", "unlike",
    ]  # fmt: skip
    schema.rollback(dirty, to="0001")
    assert shape(dirty) == before


def test_how_a_column_and_its_indexes_are_kept_comes_back_too(dirty: str) -> None:
    run(
        dirty,
        "ALTER TABLE feedback ALTER rating SET STORAGE EXTERNAL, ALTER rating SET COMPRESSION pglz, ALTER rating SET (n_distinct = 9)",
        "ALTER TABLE discount_codes ALTER tickets SET STORAGE MAIN, ALTER tickets SET (n_distinct = -0.5, n_distinct_inherited = 3)",
        "ALTER TABLE feedback ADD CONSTRAINT once EXCLUDE (id WITH =, rating WITH =) WHERE (rating <> '')",
        "COMMENT ON CONSTRAINT once ON feedback IS 'no twins'",
        "CREATE INDEX reviews_lower ON feedback (lower(rating))",
        "ALTER INDEX reviews_lower ALTER COLUMN 1 SET STATISTICS 77",
        "CREATE INDEX codes_tickets ON discount_codes (tickets)",
        "ALTER TABLE discount_codes CLUSTER ON codes_tickets",
        "CREATE STATISTICS reviews_stats ON event_id, rating FROM feedback",
        "ALTER STATISTICS reviews_stats SET STATISTICS 5",
    )
    if server_version(dirty) >= 180000:
        # it has a name since then
        run(dirty, "ALTER TABLE discount_codes ADD CONSTRAINT listed NOT NULL tickets")
    kept = """
        SELECT format('%%s.%%s: %%s %%s %%s', attrelid::regclass, attname, attstorage, attcompression, attoptions) FROM pg_attribute
        WHERE attrelid IN ('feedback'::regclass, 'discount_codes'::regclass) AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT indexrelid::regclass || ' ' || indisclustered FROM pg_index WHERE indrelid = 'discount_codes'::regclass
        UNION ALL SELECT stxname || ' ' || stxstattarget FROM pg_statistic_ext
        UNION ALL SELECT conname || ' ' || contype::text FROM pg_constraint
        WHERE conname = 'once' OR (contype = 'n' AND connamespace = 'public'::regnamespace)
        ORDER BY 1
    """
    before = [*shape(dirty), *query(dirty, kept)]
    schema.migrate(dirty)
    schema.rollback(dirty, to="0001")
    assert [*shape(dirty), *query(dirty, kept)] == before


def test_what_cannot_be_made_again_stays_in_the_journal(dirty: str) -> None:
    run(dirty, "ALTER TABLE feedback ADD CONSTRAINT decent CHECK (rating <> '2')")
    schema.migrate(dirty)
    run(dirty, "UPDATE feedback SET rating = 2 WHERE id = 1")
    schema.rollback(dirty, to="0001")
    assert query(dirty, "SELECT key FROM oeventdb_internal.journal WHERE old_row ? 'statement'") == [
        ("decent",)
    ]
    assert query(dirty, "SELECT rating FROM feedback WHERE id = 1") == [("2",)]


def test_columns_of_others_may_have_any_name(dirty: str) -> None:
    run(
        dirty,
        "ALTER TABLE feedback ADD COLUMN stars int, ADD COLUMN was text",
        "UPDATE feedback SET stars = 3, was = 'x'",
    )
    schema.migrate(dirty)
    assert query(dirty, "SELECT rating::text, stars, was FROM feedback ORDER BY id") == [
        ("4.5", 3, "x"),
        ("0", 3, "x"),
    ]
    schema.rollback(dirty, to="0001")
    assert query(dirty, "SELECT rating, stars, was FROM feedback ORDER BY id") == [
        ("4.7", 3, "x"),
        ("great", 3, "x"),
    ]


def test_a_database_that_publishes_all_its_tables_is_migrated(dirty: str) -> None:
    run(dirty, "CREATE PUBLICATION everything FOR ALL TABLES")
    schema.migrate(dirty)
    run(dirty, "UPDATE tickets SET quantity = 3", "DELETE FROM ticket_holders WHERE id = 1")
    assert query(dirty, "SELECT count(*) FROM ticket_holders") == [(1,)]
    schema.rollback(dirty, to="0001")
    assert query(dirty, "SELECT array_agg(id ORDER BY id) FROM ticket_holders") == [([2, 3, 4, 5],)]


def test_a_publication_that_keeps_rows_from_being_deleted_is_told_of(dirty: str) -> None:
    run(dirty, "CREATE PUBLICATION named FOR TABLE ticket_holders WHERE (firstname <> 'Nobody')")
    with pytest.raises(MigrationFailed, match="replica identity"):
        schema.migrate(dirty)
    run(dirty, "DROP PUBLICATION named")
    assert schema.migrate(dirty)


def test_a_constraint_that_rows_may_break_is_named_before_anything_is_done(dirty: str) -> None:
    run(dirty, "ALTER TABLE ticket_holders ADD CONSTRAINT called CHECK (firstname <> 'A') NOT VALID")
    for dry_run in (True, False):
        with pytest.raises(Refused, match="constraint called of ticket_holders is NOT VALID"):
            schema.migrate(dirty, dry_run=dry_run)
    assert query(dirty, "SELECT to_regnamespace('oeventdb')") == [(None,)]
    run(dirty, "ALTER TABLE ticket_holders DROP CONSTRAINT called")
    schema.migrate(dirty)
    run(dirty, "ALTER TABLE ticket_holders ADD CONSTRAINT called CHECK (firstname <> 'A') NOT VALID")
    assert schema.migrate(dirty) == []


def test_a_trigger_that_refuses_is_quoted_and_the_migration_goes_on_without_it(dirty: str) -> None:
    run(
        dirty,
        "CREATE FUNCTION final() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''holders are final''; END'",
        "CREATE TRIGGER final BEFORE UPDATE OR DELETE ON ticket_holders EXECUTE FUNCTION final()",
    )
    with pytest.raises(MigrationFailed, match="holders are final") as failed:
        schema.migrate(dirty)
    assert failed.value.hint == "put that right and run the command again to go on"
    run(dirty, "ALTER TABLE ticket_holders DISABLE TRIGGER final")
    schema.migrate(dirty)


LONG = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 200) AS n)"


def test_texts_that_no_index_holds_are_named_before_the_codes_are_touched(dirty: str) -> None:
    run(dirty, BADGES, "INSERT INTO access_codes (id, code) VALUES (3, '')")
    before = rows(dirty), shape(dirty)
    run(
        dirty,
        f"UPDATE discount_codes SET code = {LONG}, used_for = {LONG}",
        f"UPDATE access_codes SET code = {LONG}",
        f"UPDATE events SET identifier = {LONG}",
    )
    places = r"access_codes\.code of 3, discount_codes\.code of 1, discount_codes\.used_for of 1, events\.identifier of 1"
    with pytest.raises(MigrationFailed, match=rf"too long for an index: {places} \(") as failed:
        schema.migrate(dirty)
    assert failed.value.hint == "Shorten it to 2600 bytes, then migrate again."
    run(
        dirty,
        "UPDATE discount_codes SET code = 'A', used_for = 'ticket'",
        "UPDATE access_codes SET code = ''",
        "UPDATE events SET identifier = ''",
    )
    run(dirty, "CREATE TABLE kept (codes discount_codes[])")
    with pytest.raises(MigrationFailed, match=r'column "kept.codes" uses its row type'):
        schema.migrate(dirty)
    assert schema.rollback(dirty, to="0001")[0] == "0005.ticket-holders"
    assert (rows(dirty), shape(dirty)) == before


def test_a_trigger_that_keeps_rows_without_a_word_is_named(dirty: str) -> None:
    run(
        dirty,
        "CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER kept BEFORE DELETE ON ticket_holders FOR EACH ROW EXECUTE FUNCTION kept()",
    )
    with pytest.raises(
        MigrationFailed, match=r"ticket_holders keeps rows from being deleted: kept \("
    ) as failed:
        schema.migrate(dirty)
    assert failed.value.hint == "Disable it, run the command again, and enable it afterwards."
    run(dirty, "ALTER TABLE ticket_holders DISABLE TRIGGER kept")
    schema.migrate(dirty)
    assert query(dirty, "SELECT count(*) FROM ticket_holders") == [(2,)]


def test_triggers_that_wait_for_the_commit_are_in_nobody_s_way(dirty: str) -> None:
    run(dirty, "CREATE FUNCTION looked() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    tables = ["events", "tickets", "ticket_holders", "orders", "discount_codes", "feedback"]
    trigger = "AFTER INSERT OR UPDATE OR DELETE ON {0} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION looked()"
    for table in tables:
        run(dirty, f"CREATE CONSTRAINT TRIGGER looked {trigger.format(table)}")
    with psycopg.connect(dirty) as connection:
        before = digest.rows(connection, tables)
    schema.migrate(dirty)
    schema.rollback(dirty, to="0001")
    with psycopg.connect(dirty) as connection:
        assert digest.rows(connection, tables) == before


def test_a_unique_key_of_the_holders_may_wait_for_the_commit(dirty: str) -> None:
    run(
        dirty,
        "ALTER TABLE ticket_holders ADD CONSTRAINT places UNIQUE (ticket_id, id) DEFERRABLE INITIALLY DEFERRED",
    )
    with psycopg.connect(dirty) as connection:
        before = digest.rows(connection, ["ticket_holders"])
    schema.migrate(dirty)
    run(dirty, "INSERT INTO ticket_holders (id, firstname, lastname) VALUES (5, 'has', 'the id')")
    schema.rollback(dirty, to="0001")
    run(
        dirty,
        "UPDATE ticket_holders SET firstname = 'A', lastname = 'B', ticket_id = 1, event_id = 1 WHERE id = 5",
    )
    with psycopg.connect(dirty) as connection:
        assert digest.rows(connection, ["ticket_holders"]) == before


SESSION_SETTINGS = {
    "default_transaction_isolation": "serializable",
    "DateStyle": "SQL, DMY",
    "extra_float_digits": "-10",
    "IntervalStyle": "iso_8601",
    "plpgsql.extra_errors": "all",
    "plpgsql.variable_conflict": "use_column",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "statement_timeout": "50ms",
    "transform_null_equals": "on",
}


def test_what_the_database_sets_for_its_sessions_changes_nothing(dirty: str) -> None:
    run(dirty, "UPDATE discount_codes SET value = 100 / 3.0", BADGES)
    with psycopg.connect(dirty) as connection:
        before = rows(dirty), digest.rows(connection, ["feedback", "discount_codes"])
    change = sql.SQL("ALTER DATABASE {} SET {} TO {}")
    database = sql.Identifier(str(conninfo_to_dict(dirty)["dbname"]))
    with psycopg.connect(dirty, autocommit=True) as connection:
        for name, value in SESSION_SETTINGS.items():
            connection.execute(change.format(database, sql.SQL(name), sql.Literal(value)))
    schema.migrate(dirty, patience=60)
    with schema.connect(dirty) as connection:
        connection.execute("SET statement_timeout = 0")  # which is the role's to decide for what only reads
        assert [difference.object for difference in schema.check(connection)] == []
        assert {entry.migration for entry in schema.journal_list(connection)} >= {
            "0003.ratings",
            "0005.ticket-holders",
        }
    schema.rollback(dirty, to="0001", patience=60)
    with psycopg.connect(dirty, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(database))
    with psycopg.connect(dirty) as connection:
        assert before == (rows(dirty), digest.rows(connection, ["feedback", "discount_codes"]))


def test_holders_come_back_into_a_table_with_more_columns_than_they_had(dirty: str) -> None:
    everyone = "SELECT to_jsonb(h) - 'seat' FROM ticket_holders AS h ORDER BY id"
    run(
        dirty,
        "ALTER TABLE ticket_holders ADD COLUMN badge int NOT NULL DEFAULT 7, ALTER COLUMN id SET GENERATED ALWAYS",
        "UPDATE ticket_holders SET badge = id + 10",
        "ALTER TABLE ticket_holders ADD COLUMN name text GENERATED ALWAYS AS (firstname || ' ' || lastname) STORED",
    )
    if server_version(dirty) >= 180000:
        run(dirty, "ALTER TABLE ticket_holders ADD COLUMN twice int GENERATED ALWAYS AS (badge * 2) VIRTUAL")
    before = query(dirty, everyone)
    schema.migrate(dirty)
    assert query(dirty, "SELECT count(*) FROM ticket_holders") == [(2,)]
    run(dirty, "ALTER TABLE ticket_holders ADD COLUMN seat text NOT NULL DEFAULT 'any'")
    schema.rollback(dirty, to="0001")
    assert query(dirty, everyone) == before
    assert query(dirty, "SELECT seat, count(*) FROM ticket_holders GROUP BY seat") == [("any", 5)]


def test_a_constraint_that_nobody_enforces_is_in_nobody_s_way(dirty: str) -> None:
    if server_version(dirty) < 180000:
        pytest.skip("constraints are all enforced before PostgreSQL 18")
    run(dirty, "ALTER TABLE ticket_holders ADD CONSTRAINT named CHECK (firstname <> 'A') NOT ENFORCED")
    schema.migrate(dirty)
    schema.rollback(dirty, to="0001")
    assert query(dirty, "SELECT count(*) FROM ticket_holders") == [(5,)]
    assert query(dirty, "SELECT count(*) FROM pg_constraint WHERE conname = 'named'") == [(1,)]


NUMBERS = ("integer", "bigint", "double precision", "numeric", "oid", "tid")


def test_numbers_may_pass_for_texts(dirty: str) -> None:
    """As in databases of before PostgreSQL 8.3, whose statements were to go on working."""
    run(dirty, BADGES, "UPDATE events SET state = 'published', latitude = 1.5, longitude = 2")
    before = rows(dirty)
    run(dirty, *(f"CREATE CAST ({kind} AS text) WITH INOUT AS IMPLICIT" for kind in NUMBERS))
    schema.migrate(dirty)
    lines = """
        SELECT l.lines FROM public.events AS e, oeventdb_internal.search_document(e) AS d,
            oeventdb_internal.search_lines(e.id, 7, d) AS l (lines)
    """
    ((found,),) = query(dirty, lines)
    assert found.startswith('{"index":{"_id":"1","version":7,"version_type":"external"}}\n{"id":1,')
    assert '"location":{"lat":1.5,"lon":2}' in found
    assert query(dirty, "SELECT discount_code_id FROM tickets") == [(1,)]
    schema.rollback(dirty, to="0001")
    run(dirty, *(f"DROP CAST ({kind} AS text)" for kind in NUMBERS))
    assert rows(dirty) == before
