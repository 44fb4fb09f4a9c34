"""The page on the quarantine explains every reason that a migration or rollback gives, and no other."""

from __future__ import annotations

import re

import psycopg

from tests.docs import reading

PAGE = (reading.DOCS / "how-to" / "quarantine.md").read_text("utf-8")
_JOURNALING = re.compile(
    r"(?:(?:WITH [^;]*?)?INSERT INTO|UPDATE) oeventdb_internal\.journal .*?;|FUNCTION oeventdb_internal\.event_correction\(.*?;",
    re.DOTALL,
)
_COMMENT = re.compile(r"--.*")


def _given() -> set[str]:
    """The texts of several words in what writes to the journal."""
    texts = [path.read_text("utf-8") for path in (reading.ROOT / "db" / "migrations").glob("*.sql")]
    written = [part for text in texts for part in _JOURNALING.findall(_COMMENT.sub("", text))]
    strings = {string for part in written for string in re.findall(r"'([^']*)'", part)}
    return {string for string in strings if re.fullmatch(r"[%a-z,]+( [%a-zA-Z,:]+)+", string)}


def _explained() -> set[str]:
    """The first column of the table, as patterns: three dots are any words, and what is in parentheses stands for another first word."""
    cells = re.findall(r"^\| ([^|]+) \|", PAGE.partition("| reason |")[2].partition("\n\n")[0], re.MULTILINE)
    reasons = {reason for cell in cells if cell != "---" for reason in cell.split("; ")}
    return {re.escape(re.sub(r" \(.*\)", "", reason)).replace(r"\.\.\.", ".+") for reason in reasons}


def test_every_reason_is_explained_and_every_explained_reason_is_given() -> None:
    given = {reason.replace("%s", "index") for reason in _given()}
    explained = _explained()
    assert {reason for reason in given if not any(re.fullmatch(one, reason) for one in explained)} == set()
    assert {one for one in explained if not any(re.fullmatch(one, reason) for reason in given)} == set()


def test_many_at_once_are_the_removed_holders_of_that_ticket_who_are_not_back(db: psycopg.Connection) -> None:
    many = PAGE.partition("## Many at once")[2].partition("\n## ")[0]
    query = re.search(r'"\s*(SELECT [^"]*)"', many)
    assert query is not None, many
    beyond, corrected = "holder beyond the quantity, removed", "event missing, filled in from the ticket"
    for ticket, reason, key, back in (
        (9, beyond, 1, False),
        (17, beyond, 2, True),
        (17, corrected, 3, False),
        (17, beyond, 4, False),
    ):
        db.execute(
            "INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason, restored_at)"
            " VALUES ('0005.ticket-holders', 'ticket_holders', %s, jsonb_build_object('ticket_id', %s), %s,"
            " CASE WHEN %s THEN now() END)",
            [str(key), ticket, reason, back],
        )
    found = {number for (number,) in db.execute(query[1].encode()).fetchall()}
    (wanted,) = db.execute("SELECT id FROM oeventdb_internal.journal WHERE key = '4'").fetchall()
    assert found == set(wanted)
