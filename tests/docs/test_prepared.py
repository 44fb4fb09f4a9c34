"""What the page on the migrations says of statements that were prepared before is what they meet."""

from __future__ import annotations

import psycopg
import pytest

from oeventdb import schema
from tests.docs import reading

PAGE = " ".join((reading.DOCS / "explanation" / "migrations.md").read_text("utf-8").split())


def refusal(connection: psycopg.Connection, statement: str) -> str:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(statement.encode())
    return str(caught.value.diag.message_primary)


def test_a_statement_that_was_prepared_while_the_rating_was_a_text_is_refused_as_told(legacy: str) -> None:
    with psycopg.connect(legacy, autocommit=True) as connection:
        connection.execute("PREPARE reading AS SELECT rating FROM feedback")
        connection.execute("PREPARE writing AS INSERT INTO feedback (rating) VALUES ($1)")
        schema.migrate(legacy, to="0003")
        for _ in range(2):
            assert f'"{refusal(connection, "EXECUTE reading")}"' in PAGE
            assert f'"{refusal(connection, "EXECUTE writing(4)")}"'.replace('"rating"', "rating") in PAGE
        given_as_text = refusal(connection, "INSERT INTO feedback (rating) VALUES ('4'::varchar)")
        assert f'"{given_as_text}"'.replace('"rating"', "rating") in PAGE
        connection.execute("DEALLOCATE ALL")
        connection.execute("PREPARE writing AS INSERT INTO feedback (rating) VALUES ($1)")
        connection.execute("EXECUTE writing(4)")
        assert connection.execute("SELECT rating FROM feedback").fetchall() == [(4,)]
