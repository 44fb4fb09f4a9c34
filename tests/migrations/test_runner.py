"""The ledger, and migrating forth and back by it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import oeventdb
from oeventdb import schema
from oeventdb.errors import Refused
from oeventdb.schema import MigrationFailed, manifest
from tests.migrations.toys import Toys

STEPS = """-- transactional: false
CREATE TABLE IF NOT EXISTS public.steps (id int);
CREATE INDEX CONCURRENTLY IF NOT EXISTS steps_id ON public.steps (id);
SELECT 1 / (SELECT count(*) FROM public.fuel);
"""


def test_everything_pending_is_applied_in_order(toys: Toys) -> None:
    toys.add_tables("apples", "boxes", "cars")
    assert toys.migrate() == ["0001.apples", "0002.boxes", "0003.cars"]
    assert toys.tables() == ["apples", "boxes", "cars"]
    assert toys.migrate() == []


def test_the_ledger_says_what_when_who_how_long_and_by_which_version(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.migrate()
    (row,) = toys.query(
        "SELECT length(hash), finished_at >= started_at, started_at > now() - interval '1 minute',"
        " applied_by = session_user, seconds BETWEEN 0 AND 60, package_version, adopted"
        " FROM oeventdb_internal.ledger"
    )
    assert row == (64, True, True, True, True, oeventdb.__version__, False)


def test_nobody_else_can_read_the_ledger(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.migrate()
    assert toys.query("SELECT has_schema_privilege('public', 'oeventdb_internal', 'USAGE')") == [(False,)]


def test_to_stops_after_a_migration(toys: Toys) -> None:
    toys.add_tables("apples", "boxes", "cars")
    assert toys.migrate(to="0002") == ["0001.apples", "0002.boxes"]
    assert toys.migrate(to="0001") == []
    assert toys.migrate() == ["0003.cars"]


def test_an_unknown_to_is_refused_before_anything_is_applied(toys: Toys) -> None:
    toys.add_tables("apples")
    with pytest.raises(Refused, match="there is no migration '0007'"):
        toys.migrate(to="0007")
    assert toys.tables() == []


def test_a_faulty_later_file_stops_the_first_too(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.add("0002.faulty", "SELECT 'open;\n")
    with pytest.raises(Refused, match=r"0002\.faulty"):
        toys.migrate()
    assert toys.tables() == []


def test_a_dry_run_writes_nothing_not_even_the_ledger(toys: Toys) -> None:
    toys.add_tables("apples", "boxes")
    assert toys.migrate(dry_run=True) == ["0001.apples", "0002.boxes"]
    assert toys.tables() == []
    assert toys.query("SELECT to_regnamespace('oeventdb_internal') IS NULL") == [(True,)]


def test_a_transaction_and_its_mark_fail_together(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.add("0002.fails", "CREATE TABLE public.half (id int);\nSELECT 1 / 0;\n")
    with pytest.raises(MigrationFailed, match=r"0002\.fails failed: division by zero"):
        toys.migrate()
    assert toys.tables() == ["apples"]
    assert toys.ledger() == ["0001.apples"]


def test_steps_go_on_where_they_failed(toys: Toys) -> None:
    toys.add("0001.fuel", "CREATE TABLE public.fuel (id int);\n", "DROP TABLE public.fuel;\n")
    toys.add("0002.steps", STEPS, "DROP TABLE public.steps;\n")
    with pytest.raises(MigrationFailed, match=r"0002\.steps, statement 3 of 3 failed"):
        toys.migrate()
    assert toys.tables() == ["fuel", "steps"]
    assert toys.ledger() == ["0001.fuel", "0002.steps?"]
    toys.execute("INSERT INTO public.fuel VALUES (1)")
    assert toys.migrate() == ["0002.steps"]
    assert toys.ledger() == ["0001.fuel", "0002.steps"]


def test_what_was_interrupted_is_finished_before_it_is_undone(toys: Toys) -> None:
    toys.add("0001.fuel", "CREATE TABLE public.fuel (id int);\n", "DROP TABLE public.fuel;\n")
    toys.add("0002.steps", STEPS, "DROP INDEX public.steps_id;\nDROP TABLE public.steps;\n")
    with pytest.raises(MigrationFailed):
        toys.migrate()
    with pytest.raises(MigrationFailed, match=r"0002\.steps, statement 3 of 3 failed"):
        toys.rollback()
    toys.execute("INSERT INTO public.fuel VALUES (1)")
    assert toys.rollback() == ["0002.steps"]
    assert toys.tables() == ["fuel"]
    assert toys.ledger() == ["0001.fuel"]


def test_a_migration_that_refuses_in_its_first_statement_has_not_begun(toys: Toys) -> None:
    toys.add("0001.fuel", "CREATE TABLE public.fuel (id int);\n", "DROP TABLE public.fuel;\n")
    wary = "-- transactional: false\nSELECT 1 / count(*) FROM public.fuel;\nCREATE TABLE IF NOT EXISTS public.wary ();\n"
    toys.add("0002.wary", wary, "DROP TABLE public.wary;\n")
    with pytest.raises(MigrationFailed, match=r"0002\.wary, statement 1 of 2 failed: division by zero"):
        toys.migrate()
    assert toys.ledger() == ["0001.fuel"]
    assert toys.rollback() == ["0001.fuel"]


INDEXED = (
    "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS apples_id ON public.apples (id);\n"
)


@pytest.mark.parametrize(
    ("taken", "kind"),
    [
        ("CREATE TABLE public.apples_id ()", "table"),
        ("CREATE VIEW public.apples_id AS SELECT 1 AS id", "view"),
        ("CREATE SEQUENCE public.apples_id", "sequence"),
        ("CREATE TABLE public.pears (id int); CREATE INDEX apples_id ON public.pears (id)", "index"),
        ("CREATE INDEX apples_id ON public.apples ((id + 1))", "index"),
    ],
)
def test_a_taken_name_of_an_index_is_refused_before_anything_is_changed(
    toys: Toys, taken: str, kind: str
) -> None:
    toys.add_tables("apples", "boxes")
    toys.migrate(to="0001")
    toys.add("0003.indexed", INDEXED, "DROP INDEX public.apples_id;\n")
    toys.execute(taken)
    with pytest.raises(Refused, match=f"{kind} apples_id has a name that a migration needs: rename it"):
        toys.migrate()
    assert toys.ledger() == ["0001.apples"]


@pytest.mark.parametrize("is_left", [True, False], ids=["an index of ours", "none"])
def test_the_name_of_an_index_that_was_begun_is_ours(toys: Toys, is_left: bool) -> None:
    toys.add_tables("apples")
    toys.add(
        "0002.indexed",
        f"{INDEXED}SELECT 1 / count(*) FROM public.apples;\n",
        "DROP INDEX public.apples_id;\n",
    )
    with pytest.raises(MigrationFailed):
        toys.migrate()
    toys.execute("INSERT INTO public.apples VALUES (1)")
    if not is_left:
        toys.execute("DROP INDEX public.apples_id; CREATE TABLE public.apples_id ()")
        for act in (toys.migrate, toys.rollback):
            with pytest.raises(Refused, match="table apples_id"):
                act()
        toys.execute("DROP TABLE public.apples_id")
    assert toys.migrate() == ["0002.indexed"]


def test_no_index_of_another_table_is_dropped(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.add("0002.indexed", INDEXED, "DROP INDEX public.apples_id;\n")
    toys.migrate()
    toys.execute(
        "DROP INDEX public.apples_id; CREATE TABLE public.pears (id int); CREATE INDEX apples_id ON public.pears (id)"
    )
    with pytest.raises(Refused, match="index apples_id"):
        toys.rollback()
    assert toys.query("SELECT to_regclass('public.apples_id') IS NOT NULL") == [(True,)]


def test_a_constraint_of_another_table_has_whatever_name_it_has(legacy: str) -> None:
    constraints = [
        thing.object.rpartition(".")[2]
        for thing in manifest.load().objects.values()
        if thing.kind == "constraint" and not thing.definition["definition"].startswith(("UNIQUE", "PRIMARY"))
    ]
    checks = ", ".join(f"CONSTRAINT {name} CHECK (id > 0)" for name in sorted(set(constraints)))
    with psycopg.connect(legacy) as connection:
        connection.execute(f"CREATE TABLE public.theirs (id int, {checks})".encode())
    schema.migrate(legacy)
    with schema.connect(legacy) as connection:
        assert schema.check(connection) == []


def test_a_rollback_in_steps_begins_anywhere(toys: Toys) -> None:
    toys.add("0001.fuel", "CREATE TABLE public.fuel (id int);\n", "DROP TABLE public.fuel;\n")
    undo = "-- transactional: false\nDROP TABLE IF EXISTS public.steps;\n"
    toys.add("0002.steps", STEPS, undo)
    with pytest.raises(MigrationFailed):
        toys.migrate()
    assert toys.rollback() == ["0002.steps"]
    assert toys.tables() == ["fuel"]


def test_a_rollback_undoes_the_last_one(toys: Toys) -> None:
    toys.add_tables("apples", "boxes")
    toys.migrate()
    assert toys.rollback() == ["0002.boxes"]
    assert toys.rollback() == ["0001.apples"]
    assert toys.rollback() == []
    assert toys.migrate() == ["0001.apples", "0002.boxes"]


def test_a_rollback_to_keeps_what_is_named(toys: Toys) -> None:
    toys.add_tables("apples", "boxes", "cars")
    toys.migrate()
    assert toys.rollback(to="0001", dry_run=True) == ["0003.cars", "0002.boxes"]
    assert toys.rollback(to="0001") == ["0003.cars", "0002.boxes"]
    assert toys.tables() == ["apples"]
    with pytest.raises(Refused, match=r"0002\.boxes is not applied"):
        toys.rollback(to="0002")


def test_a_rollback_that_fails_changes_nothing(toys: Toys) -> None:
    toys.add("0001.apples", "CREATE TABLE public.apples (id int);\n", "SELECT 1 / 0;\n")
    toys.migrate()
    with pytest.raises(MigrationFailed, match=r"rollback of 0001\.apples failed"):
        toys.rollback()
    assert toys.ledger() == ["0001.apples"]


def test_a_rollback_in_steps_goes_on_where_it_failed(toys: Toys) -> None:
    toys.add("0001.fuel", "CREATE TABLE public.fuel (id int);\n", "DROP TABLE public.fuel;\n")
    toys.add("0002.none", "SELECT 1;\n", STEPS + "DROP TABLE IF EXISTS public.steps;\n")
    toys.migrate()
    with pytest.raises(MigrationFailed, match=r"rollback of 0002\.none, statement 3 of 4"):
        toys.rollback()
    assert toys.ledger() == ["0001.fuel", "0002.none?"]
    toys.execute("INSERT INTO public.fuel VALUES (1)")
    assert toys.rollback() == ["0002.none"]
    assert toys.tables() == ["fuel"]


def test_an_edited_migration_is_refused(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.migrate()
    toys.add_tables("apples", "boxes")
    toys.add("0001.apples", "CREATE TABLE public.apples (id bigint);\n", "DROP TABLE apples;\n")
    for attempt in (toys.migrate, toys.rollback):
        with pytest.raises(Refused, match=r"0001\.apples was edited after it was applied"):
            attempt()
    assert toys.tables() == ["apples"]


def test_a_missing_migration_is_refused(toys: Toys) -> None:
    toys.add_tables("apples", "boxes")
    toys.migrate()
    for path in toys.directory.glob("0001*"):
        path.unlink()
    with pytest.raises(Refused, match=r"0001\.apples is applied, but missing"):
        toys.migrate()


def test_a_newer_database_is_refused(toys: Toys) -> None:
    toys.add_tables("apples", "boxes")
    toys.migrate()
    for path in toys.directory.glob("0002*"):
        path.unlink()
    with pytest.raises(Refused, match=r"newer than this package: it has migration 0002\.boxes"):
        toys.migrate()


def test_a_migration_that_comes_in_between_is_refused(toys: Toys) -> None:
    toys.add("0001.apples", "SELECT 1;\n")
    toys.add("0003.cars", "SELECT 1;\n")
    toys.migrate()
    toys.add("0002.boxes", "SELECT 1;\n")
    with pytest.raises(Refused, match=r"0002\.boxes is not applied, but the later 0003\.cars is"):
        toys.migrate()


def test_a_database_of_others_is_refused(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.execute("CREATE TABLE public.blog (id int)")
    with pytest.raises(Refused, match="is not ours: it holds other tables, blog"):
        toys.migrate()
    assert toys.tables() == ["blog"]


def test_a_database_of_open_event_is_told_to_be_adopted(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.execute("CREATE TABLE public.events (id int); CREATE TABLE public.tickets (id int)")
    with pytest.raises(Refused) as refused:
        toys.migrate()
    assert refused.value.hint == "run `oeventdb adopt` first"


def test_a_read_only_session_is_refused(toys: Toys) -> None:
    toys.add_tables("apples")
    dsn = f"{toys.dsn} options='-c default_transaction_read_only=on'"
    with pytest.raises(Refused, match="read-only"):
        schema.migrate(dsn, directory=toys.directory)


def test_settings_of_the_role_do_not_matter(toys: Toys) -> None:
    toys.add(
        "0001.settings",
        "-- transactional: false\n"
        "CREATE TABLE IF NOT EXISTS public.seen AS SELECT name, setting FROM pg_catalog.pg_settings;\n",
        "DROP TABLE public.seen;\n",
    )
    options = (
        "-c search_path=pg_temp -c statement_timeout=1s -c lock_timeout=1min -c DateStyle=German"
        " -c idle_session_timeout=1min -c jit=on"
    )
    schema.migrate(f"{toys.dsn} options='{options}'", directory=toys.directory)
    seen = dict(
        toys.query(
            "SELECT name, setting FROM public.seen WHERE name IN"
            " ('search_path', 'statement_timeout', 'lock_timeout', 'DateStyle', 'idle_session_timeout', 'jit')"
        )
    )
    assert seen == {
        "DateStyle": "ISO, MDY",
        "idle_session_timeout": "0",
        "jit": "off",
        "lock_timeout": "500",
        "search_path": "",
        "statement_timeout": "0",
    }


@pytest.mark.parametrize("given", ["in the DSN", "in the environment", "in a service file"])
def test_options_of_the_connection_are_kept(
    toys: Toys, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toys.add("0001.mine", "CREATE TABLE public.mine AS SELECT current_setting('toys.mine', true) AS mine;\n")
    options, dsn = "-c toys.mine=yes", toys.dsn
    if given == "in the DSN":
        dsn = make_conninfo(dsn, options=options)
    elif given == "in the environment":
        monkeypatch.setenv("PGOPTIONS", options)
    else:
        services = tmp_path / "services.conf"
        settings = conninfo_to_dict(dsn) | {"options": options}
        services.write_text("[toys]\n" + "".join(f"{name}={value}\n" for name, value in settings.items()))
        monkeypatch.setenv("PGSERVICEFILE", str(services))
        dsn = "service=toys"
    schema.migrate(dsn, directory=toys.directory)
    assert toys.query("SELECT mine FROM public.mine") == [("yes",)]


def test_progress_names_the_migration_and_the_batches(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.add(
        "0002.batches",
        "-- transactional: false\n"
        "CREATE TABLE IF NOT EXISTS oeventdb_internal.progress (task text PRIMARY KEY, done bigint,"
        " total bigint, unit text, updated_at timestamptz);\n"
        "CREATE OR REPLACE PROCEDURE public.work() LANGUAGE plpgsql AS $procedure$\n"
        "BEGIN\n"
        "    INSERT INTO oeventdb_internal.progress VALUES ('work', 0, 3, 'rows', now());\n"
        "    FOR i IN 1..3 LOOP\n"
        "        UPDATE oeventdb_internal.progress SET done = i, updated_at = clock_timestamp();\n"
        "        COMMIT;\n"
        "        PERFORM pg_sleep(0.3);\n"
        "    END LOOP;\n"
        "END\n"
        "$procedure$;\n"
        "CALL public.work();\n",
    )
    seen: list[tuple[str, int, int | None]] = []
    toys.migrate(progress=lambda *state: seen.append(state))
    assert ("0001.apples", 1, 1) in seen
    assert [s for s in seen if s[0] == "0002.batches"] == [("0002.batches", n, 3) for n in range(4)]
    batches = [done for task, done, total in seen if task == "work" and total == 3]
    assert batches[-1] == 3
    assert len(batches) >= 2


def test_the_packages_own_migrations_are_the_default(empty: str) -> None:
    applied = schema.migrate(empty)
    assert applied == [m.id for m in schema.load()]
    assert schema.migrate(empty) == []


def test_an_adopted_migration_is_only_unmarked(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.migrate()
    toys.execute("UPDATE oeventdb_internal.ledger SET adopted = true")
    assert toys.rollback() == ["0001.apples"]
    assert toys.tables() == ["apples"]
    assert toys.ledger() == []


def test_tables_with_rows_are_not_rolled_back(legacy: str) -> None:
    with schema.connect(legacy) as connection:
        connection.execute("INSERT INTO public.roles (name) VALUES ('organizer')")
    with pytest.raises(MigrationFailed, match="roles holds rows"):
        schema.rollback(legacy)
