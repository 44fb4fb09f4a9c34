"""The page on the quarantine explains every reason that a migration or rollback gives, and no other."""

from __future__ import annotations

import re

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
