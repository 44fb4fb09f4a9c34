"""What the migrations put aside is listed, shown, and put back once, if the rules allow it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from oeventdb import errors, schema
from oeventdb.schema.journal import journal_list, journal_restore, journal_show, journal_summary
from tests.docs import reading
from tests.procedures.sessions import Stage, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Databases

DIRT = """
INSERT INTO events (id, name, starts_at, ends_at, timezone, state) VALUES
    (1, 'one', now(), now(), 'UTC', 'published'), (2, 'two', now(), now(), 'UTC', 'draft');
INSERT INTO users (id, _email, _password) VALUES (1, 'a@example.org', '-'), (2, 'b@example.org', '-');
INSERT INTO tickets (id, name, type, quantity, price, sales_starts_at, sales_ends_at, event_id) VALUES
    (1, 'one seat', 'paid', 1, 10, now(), now() + interval '1 day', 1),
    (2, 'no limit', 'paid', NULL, 10, now(), now() + interval '1 day', 1),
    (3, 'elsewhere', 'paid', 5, 10, now(), now() + interval '1 day', 2);
INSERT INTO orders (id, event_id, status) VALUES (1, 1, 'completed'), (2, 1, 'cancelled');
INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id, order_id, company) VALUES
    (1, 'Ada', 'Lovelace', 1, 1, 1, NULL),
    (2, 'Alan', 'O''Turing ☕', 1, NULL, NULL, 'ACE'),
    (3, 'Dead', 'Order', 1, 2, 2, NULL),
    (4, 'Wrong', 'Event', 2, 2, NULL, NULL);
INSERT INTO feedback (id, rating, user_id, event_id) VALUES (1, 'great!', 1, 1), (2, '4.3', 2, 1), (3, ' 4 ', 1, 2);
INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets) VALUES
    (1, 'FIRST', 'percent', 5, 'ticket', 1, '1,2'),
    (2, 'SECOND', 'percent', 5, 'ticket', 1, '2, 3,none');
"""


@pytest.fixture(scope="module")
def dirty_template(databases: Databases, legacy_template: str) -> str:
    """Return the name of a database whose dirt has been migrated, to copy."""
    dsn = databases.create(legacy_template)
    with psycopg.connect(dsn) as connection:
        connection.execute(DIRT)
    schema.migrate(dsn)
    return str(conninfo_to_dict(dsn)["dbname"])


@pytest.fixture
def dirty(new_database: Callable[[str | None], str], dirty_template: str) -> str:
    """Return the DSN of a database whose dirt has been migrated."""
    return new_database(dirty_template)


@pytest.fixture
def connection(dirty: str) -> Iterator[psycopg.Connection]:
    """Return an autocommit connection to it."""
    with psycopg.connect(dirty, autocommit=True) as connected:
        yield connected


def entry(connection: psycopg.Connection, key: str, reason: str) -> int:
    """The id of the only entry with this key and a reason that begins so."""
    found = [row for row in journal_list(connection) if row.key == key and row.reason.startswith(reason)]
    assert len(found) == 1, found
    return found[0].id


def holder(connection: psycopg.Connection, holder_id: int) -> dict[str, Any] | None:
    row = connection.execute("SELECT to_jsonb(h) FROM ticket_holders h WHERE id = %s", [holder_id]).fetchone()
    return None if row is None else row[0]


def test_the_list_is_only_what_is_asked_for(connection: psycopg.Connection) -> None:
    everything = journal_list(connection)
    assert [row.id for row in everything] == sorted(row.id for row in everything)
    assert {row.table for row in everything} == {"feedback", "ticket_holders", "tickets", "discount_codes"}
    ratings = journal_list(connection, migration="0003.ratings")
    assert sorted(row.key for row in ratings) == ["1", "2", "3"]
    assert journal_list(connection, table="feedback") == ratings
    assert journal_list(connection, table="feedback", limit=1) == ratings[:1]
    assert journal_list(connection, table="feedback", migration="0005.ticket-holders") == []
    assert sum(reason.entries for reason in journal_summary(connection)) == len(everything)


def test_an_entry_is_shown_with_its_whole_old_row(connection: psycopg.Connection) -> None:
    shown = journal_show(connection, entry(connection, "2", "holder beyond"))
    assert shown.old_row["lastname"] == "O'Turing ☕"
    assert shown.old_row["company"] == "ACE"
    assert shown.current_row is None
    assert shown.needs.startswith("is refused now: OE101")
    assert holder(connection, 2) is None


def test_showing_what_could_be_restored_restores_nothing(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE tickets SET quantity = 2 WHERE id = 1")
    shown = journal_show(connection, entry(connection, "2", "holder beyond"))
    assert shown.needs == "is possible now"
    assert holder(connection, 2) is None
    assert journal_show(connection, shown.id).restored_at is None


def test_a_holder_comes_back_once_there_is_room(connection: psycopg.Connection) -> None:
    number = entry(connection, "2", "holder beyond")
    old_row = journal_show(connection, number).old_row
    with pytest.raises(errors.SoldOut):
        journal_restore(connection, number)
    assert holder(connection, 2) is None
    connection.execute("UPDATE tickets SET quantity = 2 WHERE id = 1")
    restored = journal_restore(connection, number)
    assert restored.restored_at is not None
    now = holder(connection, 2)
    assert now is not None
    assert now["admission_no"] == 2
    assert {column: now[column] for column in old_row if column != "event_id"} == {
        column: value for column, value in old_row.items() if column != "event_id"
    }
    assert now["event_id"] == 1
    assert number not in {row.id for row in journal_list(connection)}


def test_nothing_is_restored_twice(connection: psycopg.Connection) -> None:
    number = entry(connection, "2", "holder beyond")
    connection.execute("UPDATE tickets SET quantity = NULL WHERE id = 1")
    journal_restore(connection, number)
    with pytest.raises(errors.InvalidArgument, match=r"^the entry was restored") as caught:
        journal_restore(connection, number)
    assert caught.value.hint == "Nothing is left to do: an entry is put back once."
    connection.execute("DELETE FROM ticket_holders WHERE id = 2")
    with pytest.raises(errors.InvalidArgument, match="was restored"):
        journal_restore(connection, number)
    assert journal_show(connection, number).needs.startswith("was done at")


def test_of_two_who_restore_the_same_entry_one_does(dirty: str, connection: psycopg.Connection) -> None:
    number = entry(connection, "2", "holder beyond")
    connection.execute("UPDATE tickets SET quantity = 5 WHERE id = 1")
    outcomes: list[object] = []

    def second() -> None:
        with psycopg.connect(dirty) as other:
            try:
                outcomes.append(journal_restore(other, number))
            except errors.Error as refusal:
                outcomes.append(refusal)

    with psycopg.connect(dirty) as first:
        journal_restore(first, number)
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), "the second has to wait for the first"
        first.commit()
        thread.join(10)
    assert [type(outcome) for outcome in outcomes] == [errors.InvalidArgument]
    assert connection.execute("SELECT count(*) FROM ticket_holders WHERE id = 2").fetchone() == (1,)


def test_a_holder_of_a_dead_order_comes_back_without_admission(connection: psycopg.Connection) -> None:
    journal_restore(connection, entry(connection, "3", "holder beyond"))
    now = holder(connection, 3)
    assert now is not None
    assert (now["admission_no"], now["event_id"], now["order_id"]) == (None, 1, 2)


def test_a_holder_whose_ticket_is_gone_stays_away(connection: psycopg.Connection) -> None:
    number = entry(connection, "2", "holder beyond")
    connection.execute("DELETE FROM ticket_holders WHERE ticket_id = 1")
    connection.execute("DELETE FROM tickets WHERE id = 1")
    with pytest.raises(errors.NotFound):
        journal_restore(connection, number)


def test_a_holder_whose_id_was_given_away_stays_away(connection: psycopg.Connection) -> None:
    number = entry(connection, "2", "holder beyond")
    connection.execute(
        "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id) VALUES (2, 'New', 'Comer', 2)"
    )
    with pytest.raises(errors.Error):
        journal_restore(connection, number)
    now = holder(connection, 2)
    assert now is not None
    assert now["firstname"] == "New"


@pytest.mark.parametrize(("key", "reason"), [("1", "rating unreadable"), ("2", "rating rounded")])
def test_a_rating_that_breaks_the_rule_is_refused_by_it(
    connection: psycopg.Connection, key: str, reason: str
) -> None:
    before = connection.execute("SELECT * FROM feedback ORDER BY id").fetchall()
    number = entry(connection, key, reason)
    with pytest.raises(errors.RatingInvalid) as refused:
        journal_restore(connection, number)
    assert refused.value.hint == "Rolling the migration of the ratings back gives the text back."
    assert connection.execute("SELECT * FROM feedback ORDER BY id").fetchall() == before
    assert journal_show(connection, number).needs.startswith("is refused now: OE501")


def test_a_rating_spelled_otherwise_comes_back_as_the_number_it_was(connection: psycopg.Connection) -> None:
    number = entry(connection, "3", "rating")
    with pytest.raises(errors.InvalidArgument, match="nothing to put back"):
        journal_restore(connection, number)
    connection.execute("UPDATE feedback SET rating = 1 WHERE id = 3")
    journal_restore(connection, number)
    assert connection.execute("SELECT rating = 4 FROM feedback WHERE id = 3").fetchone() == (True,)


def test_an_event_that_contradicts_the_ticket_is_refused(connection: psycopg.Connection) -> None:
    with pytest.raises(errors.WrongEvent):
        journal_restore(connection, entry(connection, "4", "event contradicted"))


def test_a_row_deleted_since_is_not_made_again_from_a_value(connection: psycopg.Connection) -> None:
    number = entry(connection, "4", "event contradicted")
    connection.execute("DELETE FROM ticket_holders WHERE id = 4")
    with pytest.raises(errors.NotFound):
        journal_restore(connection, number)


def test_a_lost_claim_is_had_once_the_ticket_is_free(connection: psycopg.Connection) -> None:
    number = entry(connection, "2:2", "claim lost")
    with pytest.raises(errors.InvalidArgument, match="has discount code 1"):
        journal_restore(connection, number)
    connection.execute("SELECT oeventdb.replace_discount_code_tickets(1, ARRAY[1])")
    journal_restore(connection, number)
    assert connection.execute("SELECT discount_code_id FROM tickets WHERE id = 2").fetchone() == (2,)


def test_a_lost_claim_is_not_had_by_a_code_that_is_marked_as_deleted_at_that_moment(
    dirty: str, connection: psycopg.Connection
) -> None:
    number = entry(connection, "2:2", "claim lost")
    connection.execute("SELECT oeventdb.replace_discount_code_tickets(1, ARRAY[1])")
    stage = Stage(dirty)
    organizer, restorer = stage.session(), stage.session()
    organizer.begin()
    organizer.run("UPDATE discount_codes SET deleted_at = now() WHERE id = 2")
    restoring = restorer.start("SELECT FROM oeventdb_internal.restore_journaled(%s)", [number])
    stage.blocked(restorer, restoring, by=organizer)
    organizer.commit()
    assert outcome(restoring) == "OE404"
    stage.close()
    assert connection.execute("SELECT discount_code_id FROM tickets WHERE id = 2").fetchone() == (None,)


def test_a_claim_on_a_ticket_of_another_event_is_refused(connection: psycopg.Connection) -> None:
    with pytest.raises(errors.WrongEvent):
        journal_restore(connection, entry(connection, "2:3", "ticket of another event"))


def test_a_word_that_is_no_ticket_is_refused(connection: psycopg.Connection) -> None:
    with pytest.raises(errors.NotFound):
        journal_restore(connection, entry(connection, "2:none", "no id"))


def test_a_text_whose_column_is_gone_is_refused(connection: psycopg.Connection) -> None:
    with pytest.raises(errors.InvalidArgument, match="column is gone"):
        journal_restore(connection, entry(connection, "1", "text of ticket ids"))


@pytest.mark.parametrize(
    ("key", "reason", "hint"),
    [
        ("3", "rating", "A rollback gives"),
        ("1", "text of ticket ids", "A rollback gives"),
        ("4", "event missing", "Nothing is left to do"),
        ("x", "index of the old column", "Make one for the new column"),
    ],
)
def test_an_entry_that_stays_is_not_called_a_wrong_argument(
    connection: psycopg.Connection, key: str, reason: str, hint: str
) -> None:
    connection.execute(
        "INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason) VALUES"
        """ ('0005', 'ticket_holders', '4', '{"id": 4, "event_id": null}', 'event missing'),"""
        """ ('0003', 'feedback', 'x', '{"statement": "-"}', 'index of the old column')"""
    )
    with pytest.raises(errors.InvalidArgument, match=r"^the entry (has|is) ") as caught:
        journal_restore(connection, entry(connection, key, reason))
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("journal_id", [0, -1, 999_999])
def test_an_entry_that_is_not_there(connection: psycopg.Connection, journal_id: int) -> None:
    with pytest.raises(errors.NotFound):
        journal_show(connection, journal_id)
    with pytest.raises(errors.NotFound):
        journal_restore(connection, journal_id)


def test_a_legacy_database_has_no_journal(legacy: str) -> None:
    with psycopg.connect(legacy) as connection:
        for ask in (journal_list, journal_summary):
            with pytest.raises(errors.Refused, match="no journal"):
                ask(connection)
        with pytest.raises(errors.Refused, match="no journal"):
            journal_restore(connection, 1)


def test_a_half_migrated_database_lists_but_does_not_restore(legacy: str) -> None:
    with psycopg.connect(legacy) as connection:
        connection.execute(DIRT)
    schema.migrate(legacy, to="0005")
    with psycopg.connect(legacy) as connection:
        number = entry(connection, "2", "holder beyond")
        with pytest.raises(errors.Refused, match="cannot restore yet"):
            journal_restore(connection, number)
        shown = journal_show(connection, number)
    assert shown.old_row["id"] == 2
    assert shown.needs == "is refused now: this database cannot restore yet"


def test_a_restored_holder_survives_the_rollback(dirty: str, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE tickets SET quantity = 2 WHERE id = 1")
    journal_restore(connection, entry(connection, "2", "holder beyond"))
    schema.rollback(dirty, to="0001")
    rows = connection.execute("SELECT id, firstname FROM ticket_holders ORDER BY id").fetchall()
    assert rows == [(1, "Ada"), (2, "Alan"), (3, "Dead"), (4, "Wrong")]


def test_a_person_who_was_erased_as_documented_is_not_in_the_way_of_a_rollback(
    dirty: str, connection: psycopg.Connection
) -> None:
    connection.execute(
        """UPDATE oeventdb_internal.journal SET old_row = old_row || '{"email": "ada@example.org"}'"""
        " WHERE table_name = 'ticket_holders' AND key IN ('3', '4')"
    )
    [erase] = (
        block.text
        for block in reading.blocks(reading.DOCS / "how-to" / "quarantine.md")
        if block.language == "sql"
    )
    assert connection.execute(erase.encode()).rowcount == 2
    entries = [entry(connection, "3", "holder beyond"), entry(connection, "4", "event contradicted")]
    assert not {"Dead", "Wrong", "Order", "ada@example.org"} & {
        value for number in entries for value in journal_show(connection, number).old_row.values()
    }
    assert journal_show(connection, entries[0]).needs.startswith("is refused now: ")
    schema.rollback(dirty, to="0001")
    rows = connection.execute(
        "SELECT id, firstname, company, event_id FROM ticket_holders ORDER BY id"
    ).fetchall()
    assert rows == [(1, "Ada", None, 1), (2, "Alan", "ACE", None), (4, "Wrong", None, 2)]


def test_a_rollback_puts_back_what_the_journal_still_has(dirty: str, connection: psycopg.Connection) -> None:
    connection.execute(
        "UPDATE oeventdb_internal.journal SET old_row = jsonb_build_object('id', old_row -> 'id')"
    )
    schema.rollback(dirty, to="0001")
    assert connection.execute("SELECT id, rating FROM feedback ORDER BY id").fetchall() == [
        (1, "0"),
        (2, "4.5"),
        (3, "4"),
    ]
    assert connection.execute("SELECT id, event_id FROM ticket_holders ORDER BY id").fetchall() == [
        (1, 1),
        (4, 1),
    ]
    assert connection.execute("SELECT count(*) FROM discount_codes").fetchone() == (2,)
