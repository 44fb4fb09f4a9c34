"""Who gets the last admission: nobody is refused while one may come free, nobody waits for somebody else's."""

from __future__ import annotations

import random

import psycopg
import pytest

from tests import samples
from tests.procedures.sessions import (
    LEVELS,
    READ_COMMITTED,
    TRY_AGAIN,
    Session,
    Stage,
    crowd,
    endings,
    levels,
    outcome,
)

RAW = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) VALUES (%s, 'Ada', 'Lovelace') RETURNING admission_no"
FUNCTION = "SELECT admission_no FROM oeventdb.add_ticket_holder(%s, 'Ada', 'Lovelace')"
NUMBERED = "INSERT INTO ticket_holders (ticket_id, admission_no, firstname, lastname) VALUES (%s, %s, 'Ada', 'Lovelace')"
MANY = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) SELECT %s, 'A', 'B' FROM generate_series(1, %s)"
REMOVE = "DELETE FROM ticket_holders WHERE ticket_id = %s AND admission_no = %s"
BUYERS = {
    "raw": "INSERT INTO ticket_holders (ticket_id, event_id, firstname, lastname) VALUES (%(ticket)s, %(event)s, '', '')",
    "function": "SELECT FROM oeventdb.add_ticket_holder(%(ticket)s, 'Ada', 'Lovelace')",
    "order": "SELECT FROM oeventdb.place_order(%(event)s,"
    " jsonb_build_array(jsonb_build_object('ticket_id', %(ticket)s::bigint, 'quantity', 2)), 'ada@example.org')",
}

SOLD_OUT = "OE101"
WRONG_EVENT = "OE105"


@levels
@endings
@pytest.mark.parametrize("door", [RAW, FUNCTION], ids=["raw", "function"])
def test_the_second_buyer_of_the_last_admission_waits_for_the_first(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str, door: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=1, max_order=1)
    first, second = stage.two(level)
    assert first.value(door, [ticket]) == 1
    running = second.start(door, [ticket])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    if first_ends == "ROLLBACK":
        assert ended == "done"
        assert running.result() == [(1,)]
    else:
        assert ended in {SOLD_OUT, *([] if level == READ_COMMITTED else [TRY_AGAIN])}
    second.finish(ended)
    assert setup.value("SELECT count(*) FROM ticket_holders WHERE ticket_id = %s", [ticket]) == 1


@endings
@pytest.mark.parametrize("door", [RAW, FUNCTION], ids=["raw", "function"])
def test_a_ticket_that_is_being_deleted_is_waited_for_and_told(
    stage: Stage, setup: Session, event: int, first_ends: str, door: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=1, max_order=1)
    first, second = stage.session(), stage.session()
    first.begin()
    first.run("DELETE FROM tickets WHERE id = %s", [ticket])
    running = second.start(door, [ticket])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    assert outcome(running) == ("OE404" if first_ends == "COMMIT" else "done")


GIVING_BACK = {
    "removed": "DELETE FROM ticket_holders WHERE ticket_id = %(ticket)s",
    "moved": "UPDATE ticket_holders SET ticket_id = %(other)s WHERE ticket_id = %(ticket)s",
    "cancelled": "UPDATE orders SET status = 'cancelled' WHERE id = %(order)s",
    "order deleted": "DELETE FROM orders WHERE id = %(order)s",
    "quantity raised": "UPDATE tickets SET quantity = 2 WHERE id = %(ticket)s",
}


@levels
@endings
@pytest.mark.parametrize("way", GIVING_BACK)
def test_a_buyer_of_a_sold_out_ticket_waits_for_what_is_being_given_back(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str, way: str
) -> None:
    connection = setup.connection
    ticket, other = (samples.ticket(connection, event, quantity=1, max_order=1) for _ in range(2))
    order = samples.insert(connection, "orders", status="pending")
    samples.insert(
        connection, "ticket_holders", ticket_id=ticket, order_id=order, firstname="A", lastname="B"
    )
    first, second = stage.two(level)
    first.run(GIVING_BACK[way], {"ticket": ticket, "other": other, "order": order})
    running = second.start(RAW, [ticket])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    if first_ends == "ROLLBACK":
        assert ended == SOLD_OUT
    elif level == READ_COMMITTED:
        assert ended == "done"
    else:
        # its snapshot is older than what was given back
        assert ended in {SOLD_OUT, TRY_AGAIN}
    second.finish(ended)


@levels
@endings
def test_a_holder_that_moves_in_takes_the_last_admission_like_a_buyer(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str
) -> None:
    ticket, other = (samples.ticket(setup.connection, event, quantity=1, max_order=1) for _ in range(2))
    setup.run(RAW, [other])
    first, second = stage.two(level)
    first.run("UPDATE ticket_holders SET ticket_id = %s WHERE ticket_id = %s", [ticket, other])
    running = second.start(RAW, [ticket])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    assert ended == "done" if first_ends == "ROLLBACK" else ended in {SOLD_OUT, TRY_AGAIN}
    assert ended != TRY_AGAIN or level != READ_COMMITTED
    second.finish(ended)


@levels
@endings
def test_the_second_who_chooses_the_same_number_waits_and_is_refused(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=10)
    first, second = stage.two(level)
    first.run(NUMBERED, [ticket, 7])
    running = second.start(NUMBERED, [ticket, 7])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    assert ended == "done" if first_ends == "ROLLBACK" else ended in {"23505", TRY_AGAIN}
    second.finish(ended)


@pytest.mark.parametrize("number", [1500, 2500])
@pytest.mark.parametrize("chosen_first", [2000, None])
@endings
def test_a_chosen_number_is_found_wherever_another_buyer_has_moved_it(
    stage: Stage, setup: Session, event: int, number: int, chosen_first: int | None, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=200_000)
    setup.run(MANY, [ticket, 1000])
    first, second = stage.two(READ_COMMITTED)
    if chosen_first:
        first.run(NUMBERED, [ticket, chosen_first])
    else:
        first.run(RAW, [ticket])
        first.run("DELETE FROM ticket_holders WHERE ticket_id = %s AND admission_no = %s", [ticket, number])
    running = second.start(NUMBERED, [ticket, number])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    assert ended == "done"
    second.finish(ended)


def test_nobody_waits_behind_the_buyer_of_another_admission(stage: Stage, setup: Session, event: int) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=10)
    buyers = [stage.session(lock_timeout="1s") for _ in range(10)]
    numbers = []
    for buyer, level in zip(buyers, LEVELS * 4, strict=False):
        buyer.begin(level)
        numbers.append(buyer.value(RAW, [ticket]))
    assert sorted(numbers) == list(range(1, 11))
    for buyer in buyers:
        buyer.rollback()


def test_nobody_waits_behind_the_buyer_who_opens_more_admissions(
    stage: Stage, setup: Session, event: int
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=5000)
    setup.run(MANY, [ticket, 1000])
    buyers = [stage.session(lock_timeout="1s") for _ in range(4)]
    numbers = []
    for buyer in buyers:
        buyer.begin()
        numbers.append(buyer.value(RAW, [ticket]))
    assert sorted((number - 1) // 1000 for number in numbers) == [1, 2, 3, 4]
    for buyer in buyers:
        buyer.rollback()


@endings
def test_a_buyer_waits_for_the_one_who_opens_the_last_admissions(
    stage: Stage, setup: Session, event: int, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=1001)
    setup.run(MANY, [ticket, 1000])
    first, second = stage.two(READ_COMMITTED)
    first.run(RAW, [ticket])
    running = second.start(RAW, [ticket])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    assert ended == ("done" if first_ends == "ROLLBACK" else SOLD_OUT)
    second.finish(ended)


@pytest.mark.parametrize("has_event", [True, False])
@pytest.mark.parametrize("statement", BUYERS.values(), ids=list(BUYERS))
def test_a_ticket_that_goes_to_another_event_meanwhile_is_not_sold_out(
    stage: Stage, setup: Session, event: int, statement: str, has_event: bool
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=1001)  # the last of them is not opened yet
    other = samples.event(setup.connection) if has_event else None
    first, second = stage.session(), stage.session()
    first.begin()
    first.run("UPDATE tickets SET event_id = %s WHERE id = %s", [other, ticket])
    running = second.start(statement, {"ticket": ticket, "event": event})
    stage.blocked(second, running, by=first)
    first.commit()
    assert outcome(running) == WRONG_EVENT


def test_patience_ends_with_lock_timeout_and_the_buyer_is_refused(
    stage: Stage, setup: Session, event: int
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=1, max_order=1)
    first, second = stage.session(), stage.session(lock_timeout="200ms")
    first.begin()
    first.run(RAW, [ticket])
    assert outcome(second.start(RAW, [ticket])) == SOLD_OUT
    assert second.value("SHOW lock_timeout") == "200ms"
    first.run("DELETE FROM ticket_holders WHERE ticket_id = %s", [ticket])
    first.commit()
    setup.run(RAW, [ticket])
    first.begin()
    first.run("DELETE FROM ticket_holders WHERE ticket_id = %s", [ticket])
    assert outcome(second.start(RAW, [ticket])) == SOLD_OUT
    first.commit()
    assert outcome(second.start(RAW, [ticket])) == "done"


def test_a_buyer_who_waits_gets_whichever_admission_comes_free_first(
    stage: Stage, setup: Session, event: int
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=20)
    slow, quick, buyer = (stage.session() for _ in range(3))
    slow.begin()
    slow.run(MANY, [ticket, 19])
    quick.begin()
    ((number,),) = quick.run(RAW, [ticket])
    running = buyer.start(RAW, [ticket])
    stage.waits(buyer, running)
    quick.rollback()
    assert outcome(running) == "done"
    assert running.result() == [(number,)]
    slow.rollback()


def test_a_buyer_who_waits_gets_what_is_given_back_first(stage: Stage, setup: Session, event: int) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=2)
    setup.run(MANY, [ticket, 2])
    slow, quick, buyer = (stage.session() for _ in range(3))
    slow.begin()
    slow.run(REMOVE, [ticket, 1])
    quick.begin()
    quick.run(REMOVE, [ticket, 2])
    running = buyer.start(RAW, [ticket])
    stage.waits(buyer, running)
    quick.commit()
    assert outcome(running) == "done"
    assert running.result() == [(2,)]
    slow.rollback()


def test_who_gives_an_admission_back_does_not_wait_until_a_buyer_has_waited_enough(
    stage: Stage, setup: Session, event: int
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=2)
    setup.run(MANY, [ticket, 2])
    slow, quick, buyer = (stage.session() for _ in range(3))
    slow.begin()
    slow.run(REMOVE, [ticket, 1])
    running = buyer.start(RAW, [ticket])
    stage.blocked(buyer, running, by=slow)
    quick.run(REMOVE, [ticket, 2])
    assert outcome(running) == "done"
    assert running.result() == [(2,)]
    slow.rollback()


@pytest.mark.parametrize("changing_their_minds", [0, 0.5])
def test_two_hundred_buyers_of_fifty_admissions(
    stage: Stage, setup: Session, event: int, changing_their_minds: float
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=50)

    def buy(session: Session, chance: random.Random) -> str:
        session.run("BEGIN")
        try:
            session.run(RAW, [ticket])
        except psycopg.Error as error:
            session.rollback()
            return str(error.sqlstate)
        if chance.random() < changing_their_minds:
            session.rollback()
            return "changed their mind"
        session.commit()
        return "bought"

    ended = crowd(stage, sessions=32, turns=7, turn=buy)
    assert ended["bought"] == 50
    assert set(ended) <= {"bought", "changed their mind", SOLD_OUT}
    assert setup.value("SELECT count(*) FROM ticket_holders WHERE ticket_id = %s", [ticket]) == 50


def test_the_only_free_admission_is_found_among_those_being_bought(
    stage: Stage, setup: Session, event: int
) -> None:
    # many tickets, as each is looked through from a random place
    tickets = [samples.ticket(setup.connection, event, quantity=20) for _ in range(30)]
    others, buyer = stage.session(), stage.session(lock_timeout="1s")
    others.begin()
    for ticket in tickets:
        others.run(MANY, [ticket, 19])
    for ticket in tickets:
        buyer.run(RAW, [ticket])
    others.commit()


STORM = {
    RAW: 6,
    "DELETE FROM ticket_holders WHERE id = (SELECT max(id) FROM ticket_holders WHERE ticket_id = %(ticket)s)": 3,
    "UPDATE tickets SET quantity = %(quantity)s WHERE id = %(ticket)s": 1,
    "INSERT INTO ticket_holders (ticket_id, admission_no, firstname, lastname) VALUES (%(ticket)s, %(number)s, 'A', 'B')": 5,
    "UPDATE ticket_holders SET ticket_id = %(other)s"
    " WHERE id = (SELECT min(id) FROM ticket_holders WHERE ticket_id = %(ticket)s)": 2,
    "INSERT INTO ticket_holders (ticket_id, firstname, lastname)"
    " SELECT %(ticket)s, 'A', 'B' FROM generate_series(1, 3)": 2,
}


@pytest.mark.parametrize("quantity", [7, 1100])
def test_no_storm_of_writes_at_any_isolation_oversells(
    stage: Stage, setup: Session, event: int, quantity: int
) -> None:
    tickets = [samples.ticket(setup.connection, event, quantity=quantity) for _ in range(2)]
    if quantity > 1000:
        for ticket in tickets:
            setup.run(MANY, [ticket, 998])
    statements, weights = list(STORM), list(STORM.values())

    def write(session: Session, chance: random.Random) -> str:
        ticket, other = chance.sample(tickets, 2)
        values = {
            "ticket": ticket,
            "other": other,
            "quantity": quantity + chance.randint(-4, 1500 if quantity > 1000 else 4),
            "number": chance.randint(quantity - 6, quantity + 4),
        }
        session.run(f"BEGIN ISOLATION LEVEL {chance.choice(LEVELS)}")
        try:
            for statement in chance.choices(statements, weights, k=chance.randint(1, 3)):
                session.run(statement, [ticket] if statement is RAW else values)
            session.finish(chance.choice(["done", "done", "changed"]))
        except psycopg.Error as error:
            session.rollback()
            return str(error.sqlstate)
        return "done"

    ended = crowd(stage, sessions=8, turns=25, turn=write)
    assert ended["done"] > 0
    assert set(ended) <= {"done", SOLD_OUT, "OE104", "23503", "23505", TRY_AGAIN, "40P01"}
