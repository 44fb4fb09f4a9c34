"""Migrations are read and checked as a whole before the first is applied."""

from __future__ import annotations

from pathlib import Path

import pytest
from yoyo.migrations import read_sql_migration

from oeventdb.errors import Refused
from oeventdb.resources import db_path
from oeventdb.schema import scripts
from tests.migrations.toys import Toys

FUNCTION = """CREATE FUNCTION public.f(a int) RETURNS int LANGUAGE plpgsql AS $function$
DECLARE
    -- it's a comment; with a quote
    v text := 'a;b';  /* and; another */
BEGIN
    IF a > 1 THEN RETURN CASE WHEN a = 2 THEN 1 END; END IF;
    EXECUTE $q$ SELECT 1; $q$;
    FOR v IN SELECT 'x' LOOP NULL; END LOOP;
    RETURN  2;
END;
$function$;
"""


def load(directory: Path) -> list[scripts.Migration]:
    return scripts.load(directory)


@pytest.fixture
def files(tmp_path: Path) -> Toys:
    return Toys(tmp_path, "no database")


def refusal(files: Toys) -> str:
    with pytest.raises(Refused) as refused:
        load(files.directory)
    return str(refused.value)


def test_bodies_come_through_byte_for_byte(files: Toys) -> None:
    files.add("0001.f", f"-- Says why.\n\n{FUNCTION}\nDO $$ BEGIN NULL; END $$;\n")
    (migration,) = load(files.directory)
    first, second = migration.apply.statements
    assert first.text == FUNCTION.strip().removesuffix(";")
    assert second.text == "DO $$ BEGIN NULL; END $$"
    assert migration.apply.summary == "Says why."


def test_neighbours_that_concern_functions_only_are_one_step(files: Toys) -> None:
    statements = [
        "CREATE TABLE public.a (id int);",
        FUNCTION.replace("CREATE", "CREATE OR REPLACE"),
        "COMMENT ON FUNCTION public.f() IS 'f';",
        "REVOKE ALL ON FUNCTION public.f() FROM PUBLIC;",
        "COMMENT ON TABLE public.a IS 'a';",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON public.a (id);",
        "DROP FUNCTION IF EXISTS public.f;",
        "CALL public.p();",
        "DROP PROCEDURE IF EXISTS public.p;",
    ]
    files.add("0001.steps", "-- transactional: false\n" + "\n".join(statements))
    (migration,) = load(files.directory)
    whole = [(before, len(step)) for before, step in migration.apply.steps()]
    assert whole == [(0, 1), (1, 3), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1)]
    rest = [(before, len(step)) for before, step in migration.apply.steps(after=2)]
    assert rest == [(2, 2), *whole[2:]]


@pytest.mark.parametrize(
    ("count", "script"),
    [
        (1, "SELECT 'it''s; ok', E'a\\';b', \"q;q\", U&'d\\0061;', $$;$$, $a$;$$;$a$;"),
        (1, "-- a; b\nSELECT 1; -- c; d\n-- only; a comment\n"),
        (1, "/* a; b; */ SELECT 1 /* ; */;"),
        (1, "UPDATE t SET a = CASE WHEN b THEN 1 ELSE 2 END;"),
        (1, "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION f();"),
        (1, "DO $do$ DECLARE x int; BEGIN FOR x IN 1..2 LOOP NULL; END LOOP; END $do$;"),
        (1, 'CREATE TABLE public.t (id int, "begin" int);'),
        (2, "CREATE TABLE public.t (begin int);\nSELECT 1;\n"),
        (2, "/* a; /* nested; */ b; */ SELECT 1; SELECT 2;\n"),
        (
            2,
            "CREATE FUNCTION f(a int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2'; SELECT $1;\n",
        ),
    ],
)
def test_a_script_is_split_into_its_statements(files: Toys, count: int, script: str) -> None:
    files.add("0001.split", script)
    (migration,) = load(files.directory)
    assert len(migration.apply.statements) == count


@pytest.mark.parametrize("path", sorted((db_path() / "migrations").glob("*.sql")), ids=lambda path: path.stem)
def test_yoyo_alone_would_send_the_same_statements(path: Path) -> None:
    _, _, pieces = read_sql_migration(str(path))
    sent = [[statement for statement in scripts.split(piece) if statement] for piece in pieces]
    whole = [[statement] for statement in scripts.split(path.read_text("utf-8")) if statement]
    assert [statements for statements in sent if statements] == whole


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("SELECT 'open;\nSELECT 2;", "a quoted text does not end"),
        ("DO $$ BEGIN;", "does not end"),
        ("/* open; SELECT 1;", "a block comment does not end"),
        ("SELECT 1;\nSELECT 2", "no semicolon"),
        ("SELECT 1;\r\nSELECT 2;\r\n", "carriage return"),
        ("SELECT 1;\n-- >>> db/x.sql\nSELECT 2;\n", "the copy of db/x.sql does not end"),
        ("SELECT 1;\n-- <<<\n", "a copy ends that did not begin"),
        ("-- >>> db/x.sql\n-- >>> db/y.sql\n-- <<<\nSELECT 1;\n", "db/x.sql is still open"),
        ("BEGIN;\nSELECT 1;\nCOMMIT;\n", "the runner owns sessions and transactions"),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;\n",
            "write function bodies in $function$",
        ),
        ("SET search_path = public;\n", "the runner owns sessions and transactions"),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON public.t (a);\n", "transactional: false"),
        ("CALL public.p();\n", "needs '-- transactional: false'"),
        (
            "-- transactional: false\nCREATE INDEX CONCURRENTLY i ON public.t (a);\n",
            "could not be run again",
        ),
        ("-- transactional: perhaps\nSELECT 1;\n", "true or false"),
        ("SELECT 1;\n-- transactional: false\nSELECT 2;\n", "in the comment that begins the file"),
        ("-- depends: 0009.nothing\nSELECT 1;\n", "depends on 0009.nothing"),
    ],
)
def test_a_faulty_file_is_refused_by_name(files: Toys, script: str, reason: str) -> None:
    files.add("0001.faulty", script)
    message = refusal(files)
    assert reason in message
    assert "0001.faulty" in message


def test_a_faulty_rollback_is_refused_too(files: Toys) -> None:
    files.add("0001.good", "SELECT 1;\n", "SELECT 'open;\n")
    assert refusal(files).startswith("0001.good.rollback.sql")


def test_a_migration_without_rollback_is_refused(files: Toys) -> None:
    files.add("0001.alone", "SELECT 1;\n").with_suffix(".rollback.sql").unlink()
    assert "0001.alone.rollback.sql is missing" in refusal(files)


def test_a_rollback_without_migration_is_refused(files: Toys) -> None:
    files.add("0001.alone", "SELECT 1;\n").unlink()
    assert "undoes a migration that is not there" in refusal(files)


def test_text_that_is_not_utf_8_is_refused(files: Toys) -> None:
    files.add("0001.latin", "").write_bytes("SELECT 'é';".encode("latin-1"))
    assert "0001.latin.sql is not UTF-8" in refusal(files)


@pytest.mark.parametrize("name", ["1.short", "0001.Capital", "0001", "notes"])
def test_other_names_are_refused(files: Toys, name: str) -> None:
    files.add(name, "SELECT 1;\n")
    assert "is no migration" in refusal(files)


def test_python_is_refused(files: Toys) -> None:
    (files.directory / "0001.code.py").write_text("raise SystemExit\n")
    assert "is no migration" in refusal(files)


def test_two_of_one_number_are_refused(files: Toys) -> None:
    files.add("0001.a", "SELECT 1;\n")
    files.add("0001.b", "SELECT 1;\n")
    assert refusal(files) == "two migrations have the number 0001"


def test_a_circle_is_refused(files: Toys) -> None:
    files.add("0001.a", "-- depends: 0002.b\nSELECT 1;\n")
    files.add("0002.b", "-- depends: 0001.a\nSELECT 1;\n")
    assert "0001.a, 0002.b" in refusal(files)


def test_a_dependence_on_a_later_one_is_refused(files: Toys) -> None:
    files.add("0001.a", "-- depends: 0002.b\nSELECT 1;\n")
    files.add("0002.b", "SELECT 1;\n")
    assert "higher number" in refusal(files)


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no directory"):
        load(tmp_path / "nowhere")


def test_the_hash_is_of_both_files(files: Toys) -> None:
    path = files.add("0001.a", "SELECT 1;\n", "SELECT 2;\n")
    (before,) = load(files.directory)
    path.with_suffix(".rollback.sql").write_text("SELECT 3;\n")
    (after,) = load(files.directory)
    assert before.hash != after.hash


@pytest.mark.parametrize("wanted", ["0002", "0002.b", "0002.boxes"])
def test_the_beginning_of_an_id_is_enough(files: Toys, wanted: str) -> None:
    files.add_tables("apples", "boxes")
    assert scripts.find(load(files.directory), wanted).id == "0002.boxes"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [("", "there is no migration"), ("0003", "there is no migration"), ("000", "give more")],
)
def test_an_unclear_id_is_refused(files: Toys, wanted: str, reason: str) -> None:
    files.add_tables("apples", "boxes")
    with pytest.raises(Refused, match=reason):
        scripts.find(load(files.directory), wanted)


def test_the_name_of_an_index_is_read_with_its_schema_and_table(files: Toys) -> None:
    files.add(
        "0001.index",
        "-- transactional: false\n"
        'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "mine" ON public."T" USING btree (a);\n'
        "DROP INDEX CONCURRENTLY IF EXISTS public.mine;\n",
    )
    (migration,) = load(files.directory)
    assert [s.new_index for s in migration.apply.statements] == [("public", "mine", "T"), None]
    assert all(s.runs_alone for s in migration.apply.statements)
