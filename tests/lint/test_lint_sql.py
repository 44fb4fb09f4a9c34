"""What the linters of SQL are told to leave out leaves everything else in."""

from __future__ import annotations

import pytest

from tools import lint_sql


@pytest.mark.parametrize(
    ("rule", "line", "rollback"),
    [
        ("prefer-robust-stmts", "ALTER TABLE public.feedback VALIDATE CONSTRAINT feedback_rating;", False),
        ("ban-drop-table", "DROP TABLE IF EXISTS oeventdb_internal.holder_numbers;", False),
        ("ban-drop-sequence", "DROP SEQUENCE IF EXISTS oeventdb_internal.feedback_rewrites;", False),
        (
            "require-concurrent-index-creation",
            "CREATE INDEX IF NOT EXISTS x ON oeventdb_internal.t (a);",
            False,
        ),
        ("ban-drop-column", "    DROP COLUMN checked_in_at,", True),
    ],
)
def test_a_rule_is_answered_by_the_form_of_our_migrations(rule: str, line: str, rollback: bool) -> None:
    assert lint_sql.is_answered(rule, line, rollback=rollback)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("prefer-robust-stmts", "ALTER TABLE public.feedback ADD CONSTRAINT feedback_rating CHECK (true);"),
        ("ban-drop-table", "DROP TABLE IF EXISTS public.tickets;"),
        ("ban-drop-function", "DROP PROCEDURE oeventdb_internal.fill();"),
        ("require-concurrent-index-creation", "CREATE INDEX IF NOT EXISTS x ON public.tickets (event_id);"),
        ("ban-drop-column", "    DROP COLUMN tickets;"),
        ("changing-column-type", "ALTER TABLE public.feedback ALTER COLUMN rating TYPE numeric;"),
    ],
)
def test_other_tables_and_statements_are_not(rule: str, line: str) -> None:
    assert not lint_sql.is_answered(rule, line, rollback=False)


def test_a_migration_without_its_copies_keeps_the_numbers_of_its_lines() -> None:
    script = "-- it\n\n-- >>> db/procedures/a/b.sql\nCREATE;\n-- <<<\n\nSELECT 1;\n"
    assert lint_sql.without_copies(script) == ("-- it\n\nSELECT 1;\n", [1, 2, 7])


COMMITS = "CREATE OR REPLACE PROCEDURE a.b()\nLANGUAGE plpgsql\nAS $procedure$\nBEGIN\n    COMMIT;\nEND\n$procedure$;\n"
DEFINER = "CREATE OR REPLACE FUNCTION a.b()\nLANGUAGE sql\nSECURITY DEFINER\nAS $function$\n    SELECT 1\n$function$;\n"


def test_only_what_may_have_no_search_path_is_read_as_if_it_had_one() -> None:
    assert "SET search_path" in lint_sql.pinned(COMMITS)
    assert lint_sql.pinned(COMMITS.replace("    COMMIT;\n", "")).count("SET") == 0
    assert lint_sql.pinned(DEFINER) == DEFINER
    assert "SET search_path" in lint_sql.pinned(DEFINER.replace("SECURITY DEFINER\n", ""))
