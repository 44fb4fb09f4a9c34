"""replace_discount_code_tickets: the set given is the set afterwards, all of it or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import (
    Client,
    DiscountCodeDefinition,
    DiscountCodeWrongKind,
    InvalidArgument,
    NotFound,
    WrongEvent,
)
from tests import samples
from tests.procedures.sessions import READ_COMMITTED, Session, Stage, endings, levels, outcome

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal

REPLACE = "SELECT id FROM oeventdb.replace_discount_code_tickets(%s, %s::bigint[])"


def covered(connection: psycopg.Connection, code: int) -> list[int]:
    cursor = connection.execute("SELECT id FROM tickets WHERE discount_code_id = %s ORDER BY id", [code])
    return [row[0] for row in cursor]


def test_the_set_is_replaced_emptied_and_returned_in_order(rules: psycopg.Connection) -> None:
    event, client = samples.event(rules), Client(rules)
    code = samples.discount_code(rules, event)
    last, first, hidden = (
        samples.ticket(rules, event, position=position, is_hidden=position == 2) for position in (3, 1, 2)
    )
    for ids, expected in (
        ([last, first], [first, last]),
        ([hidden, first, hidden], [first, hidden]),
        ([first, hidden], [first, hidden]),
        ([], []),
        ([last], [last]),
    ):
        found = client.replace_discount_code_tickets(discount_code_id=code, ticket_ids=ids)
        assert [ticket.id for ticket in found] == expected
        assert {ticket.discount_code_id for ticket in found} <= {code}
        assert covered(rules, code) == sorted(expected)


def test_a_ticket_of_another_code_changes_over(rules: psycopg.Connection) -> None:
    event, client = samples.event(rules), Client(rules)
    one, other = samples.discount_code(rules, event), samples.discount_code(rules, event)
    ticket, stays = (samples.ticket(rules, event, discount_code_id=one) for _ in range(2))
    client.replace_discount_code_tickets(discount_code_id=other, ticket_ids=[ticket])
    assert (covered(rules, one), covered(rules, other)) == ([stays], [ticket])


def test_one_wrong_ticket_leaves_the_set_as_it_was(rules: psycopg.Connection, refused: Refusal) -> None:
    event, client = samples.event(rules), Client(rules)
    code = samples.discount_code(rules, event, type="amount", value=10)
    old, new = samples.ticket(rules, event, discount_code_id=code), samples.ticket(rules, event)
    gone, cheap = samples.ticket(rules, event, deleted_at=samples.NOW), samples.ticket(rules, event, price=9)
    theirs = samples.ticket(rules, samples.event(rules))
    for error, wrong in (
        (NotFound, -1),
        (NotFound, gone),
        (WrongEvent, theirs),
        (DiscountCodeDefinition, cheap),
    ):
        with refused(rules, error):
            client.replace_discount_code_tickets(discount_code_id=code, ticket_ids=[new, wrong])
        assert covered(rules, code) == [old]


def test_what_cannot_be_meant_is_refused(rules: psycopg.Connection, refused: Refusal) -> None:
    event, client = samples.event(rules), Client(rules)
    code, kind_event = (
        samples.discount_code(rules, event),
        samples.discount_code(rules, event, used_for="event"),
    )
    gone = samples.discount_code(rules, event, deleted_at=samples.NOW)
    for wrong in (gone, -1, 2**63 - 1):
        with refused(rules, NotFound, resource="discount_code", id=wrong):
            client.replace_discount_code_tickets(discount_code_id=wrong, ticket_ids=[])
    with refused(rules, DiscountCodeWrongKind, discount_code_id=kind_event):
        client.replace_discount_code_tickets(discount_code_id=kind_event, ticket_ids=[])
    with refused(rules, InvalidArgument, argument="ticket_ids", reason="is NULL"):
        rules.execute(REPLACE, [code, None])
    with refused(rules, InvalidArgument, argument="ticket_ids", reason="contains NULL"):
        rules.execute(REPLACE, [code, [samples.ticket(rules, event), None]])
    with refused(rules, InvalidArgument, argument="ticket_ids", reason="is an array of arrays"):
        rules.execute(REPLACE, [code, [[samples.ticket(rules, event)], [samples.ticket(rules, event)]]])
    with refused(rules, InvalidArgument, argument="discount_code_id"):
        rules.execute(REPLACE, [None, []])
    with refused(rules, NotFound, resource="ticket"):
        rules.execute(REPLACE, [code, list(range(-100_000, 0))])


@levels
@endings
@pytest.mark.parametrize("before", ["one ticket", "none"])
def test_of_two_at_once_the_later_replaces_the_whole_of_the_earlier(
    stage: Stage, setup: Session, level: str, first_ends: str, before: str
) -> None:
    event = samples.event(setup.connection)
    code = samples.discount_code(setup.connection, event)
    old, one, two = (samples.ticket(setup.connection, event) for _ in range(3))
    setup.run(REPLACE, [code, [old] if before == "one ticket" else []])
    first, second = stage.two(level)
    first.run(REPLACE, [code, [one]])
    running = second.start(REPLACE, [code, [two]])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    if ended == "done":
        second.commit()
        assert covered(setup.connection, code) == [two]
    else:
        second.rollback()
        assert ended == "40001"
        assert (level, first_ends) != (READ_COMMITTED, "COMMIT")
        assert first_ends == "COMMIT"
        assert covered(setup.connection, code) == [one]


def test_codes_that_exchange_their_tickets_do_not_wait_for_each_other(stage: Stage, setup: Session) -> None:
    event = samples.event(setup.connection)
    codes = [samples.discount_code(setup.connection, event) for _ in range(2)]
    tickets = [samples.ticket(setup.connection, event) for _ in range(12)]
    sessions = [stage.session(), stage.session()]
    for turn in range(15):
        running = [
            session.start(REPLACE, [code, tickets[:: 1 if (number + turn) % 2 else -1]])
            for number, (session, code) in enumerate(zip(sessions, codes, strict=True))
        ]
        assert [outcome(statement) for statement in running] == ["done", "done"]
        winner = setup.run("SELECT DISTINCT discount_code_id FROM tickets WHERE event_id = %s", [event])
        assert len(winner) == 1
