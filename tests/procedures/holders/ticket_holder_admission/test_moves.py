"""A holder that changes its ticket, number or order has an admission of where it is now, and none of where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from oeventdb import NotFound, SoldOut, WrongEvent
from tests import samples
from tests.docs.reading import ROOT
from tests.procedures import invariants
from tests.procedures.sessions import endings, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.procedures.conftest import Refusal
    from tests.procedures.sessions import Session, Stage


def holder(connection: psycopg.Connection, ticket_id: int | None, **columns: object) -> int:
    return samples.insert(
        connection, "ticket_holders", ticket_id=ticket_id, firstname="A", lastname="B", **columns
    )


def number(connection: psycopg.Connection, holder_id: int) -> int | None:
    row = connection.execute("SELECT admission_no FROM ticket_holders WHERE id = %s", [holder_id]).fetchone()
    assert row is not None
    return row[0] if row[0] is None else int(row[0])


def test_a_holder_that_moves_gets_any_free_admission_of_the_other_ticket(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    event = samples.event(rules)
    one, other = samples.ticket(rules, event, quantity=3), samples.ticket(rules, event, quantity=3)
    for taken in (1, 2):
        holder(rules, other, admission_no=taken)
    mover, stayer = holder(rules, one, admission_no=2), holder(rules, one, admission_no=1)
    rules.execute("UPDATE ticket_holders SET ticket_id = %s WHERE id = %s", [other, mover])
    assert number(rules, mover) == 3
    with refused(rules, SoldOut, ticket_id=other, available=0):
        rules.execute("UPDATE ticket_holders SET ticket_id = %s WHERE id = %s", [other, stayer])
    assert number(rules, stayer) == 1
    assert invariants.broken(rules) == []


def test_a_number_may_be_chosen_while_moving(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    one, other = samples.ticket(rules, event), samples.ticket(rules, event)
    mover = holder(rules, one, admission_no=2)
    rules.execute("UPDATE ticket_holders SET ticket_id = %s, admission_no = 7 WHERE id = %s", [other, mover])
    assert number(rules, mover) == 7
    assert invariants.broken(rules) == []


def test_a_number_may_be_exchanged_for_a_free_one_and_comes_free(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=3)
    one, other = holder(rules, ticket, admission_no=1), holder(rules, ticket, admission_no=2)
    rules.execute("UPDATE ticket_holders SET admission_no = 3 WHERE id = %s", [one])
    with refused(rules, SoldOut) as caught:
        rules.execute("UPDATE ticket_holders SET admission_no = 2 WHERE id = %s", [one])
    assert caught.value.constraint == "ticket_event"
    rules.execute("UPDATE ticket_holders SET admission_no = 1 WHERE id = %s", [other])
    assert (number(rules, one), number(rules, other)) == (3, 1)
    assert invariants.broken(rules) == []


def test_a_number_is_not_given_up_by_writing_null(rules: psycopg.Connection) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=3)
    one = holder(rules, ticket, admission_no=2)
    rules.execute("UPDATE ticket_holders SET admission_no = NULL WHERE id = %s", [one])
    assert number(rules, one) == 2


def test_taking_the_ticket_away_frees_the_admission(rules: psycopg.Connection) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=1, max_order=1)
    one = holder(rules, ticket)
    rules.execute("UPDATE ticket_holders SET ticket_id = NULL WHERE id = %s", [one])
    assert number(rules, one) is None
    holder(rules, ticket)
    with pytest.raises(psycopg.Error, match="admissions left"), rules.transaction():
        rules.execute("UPDATE ticket_holders SET ticket_id = %s WHERE id = %s", [ticket, one])
    assert invariants.broken(rules) == []


def test_moving_to_a_ticket_of_another_event_needs_that_event(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    event, elsewhere = samples.event(rules), samples.event(rules)
    here, there = samples.ticket(rules, event), samples.ticket(rules, elsewhere)
    one = holder(rules, here)
    with refused(rules, WrongEvent, resource="ticket", id=there, event_id=event):
        rules.execute("UPDATE ticket_holders SET ticket_id = %s WHERE id = %s", [there, one])
    with refused(rules, NotFound, resource="ticket", id=-1):
        rules.execute("UPDATE ticket_holders SET ticket_id = -1 WHERE id = %s", [one])
    rules.execute(
        "UPDATE ticket_holders SET ticket_id = %s, event_id = %s WHERE id = %s", [there, elsewhere, one]
    )
    assert invariants.broken(rules) == []


def test_a_holder_has_an_order_of_its_event_and_a_ticket_that_is_there(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    event, elsewhere = samples.event(rules), samples.event(rules)
    ticket = samples.ticket(rules, event)
    theirs, dead = (
        samples.insert(rules, "orders", event_id=of, identifier=str(of), status=status)
        for of, status in ((elsewhere, "pending"), (event, "cancelled"))
    )
    with refused(rules, WrongEvent, resource="order", id=theirs, event_id=event):
        holder(rules, ticket, order_id=theirs)
    with refused(rules, NotFound, resource="ticket", id=-1):
        holder(rules, -1, order_id=dead)
    one = holder(rules, ticket)
    with refused(rules, WrongEvent, resource="order", id=theirs, event_id=event):
        rules.execute("UPDATE ticket_holders SET order_id = %s WHERE id = %s", [theirs, one])
    assert invariants.broken(rules) == []


def test_a_ticket_with_holders_cannot_go_to_another_event(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    event, elsewhere = samples.event(rules), samples.event(rules)
    sold, unsold = samples.ticket(rules, event, quantity=3), samples.ticket(rules, event, quantity=3)
    holder(rules, sold)
    with refused(rules, SoldOut) as caught:
        rules.execute("UPDATE tickets SET event_id = %s WHERE id = %s", [elsewhere, sold])
    assert caught.value.constraint == "ticket_holders_admission"
    rules.execute("UPDATE tickets SET event_id = %s WHERE id = %s", [elsewhere, unsold])
    holder(rules, unsold, event_id=elsewhere)
    assert invariants.broken(rules) == []


def test_a_ticket_with_holders_of_dead_orders_cannot_go_to_another_event(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    event, elsewhere = samples.event(rules), samples.event(rules)
    ticket = samples.ticket(rules, event, quantity=3)
    one = holder(rules, ticket, order_id=samples.insert(rules, "orders", identifier="dead", status="expired"))
    move = "UPDATE tickets SET event_id = %s WHERE id = %s"
    with refused(rules, SoldOut) as caught:
        rules.execute(move, [elsewhere, ticket])
    assert caught.value.constraint == "ticket_holders_admission"
    rules.execute("DELETE FROM ticket_holders WHERE id = %s", [one])
    rules.execute(move, [elsewhere, ticket])
    assert invariants.broken(rules) == []


@pytest.mark.parametrize("quantity", [0, 3, 5000, None])
def test_a_ticket_without_holders_may_lose_its_event_and_get_one_again(
    rules: psycopg.Connection, refused: Refusal, quantity: int | None
) -> None:
    """As an object mapper does with the tickets of an event before it deletes the event."""
    event = samples.event(rules)
    ticket = samples.ticket(rules, event, quantity=quantity)
    if quantity != 0:
        rules.execute("DELETE FROM ticket_holders WHERE id = %s", [holder(rules, ticket)])
    rules.execute("UPDATE tickets SET event_id = NULL WHERE id = %s", [ticket])
    with refused(rules, WrongEvent, resource="ticket", id=ticket):
        holder(rules, ticket)
    rules.execute("DELETE FROM events WHERE id = %s", [event])
    rules.execute("UPDATE tickets SET event_id = %s WHERE id = %s", [samples.event(rules), ticket])
    if quantity == 0:
        with refused(rules, SoldOut):
            holder(rules, ticket)
    else:
        holder(rules, ticket)
    assert invariants.broken(rules) == []


@pytest.mark.parametrize("status", ["completed", "expired"])
def test_a_ticket_with_holders_cannot_lose_its_event(
    rules: psycopg.Connection, refused: Refusal, status: str
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=3)
    holder(rules, ticket, order_id=samples.insert(rules, "orders", identifier="an order", status=status))
    with refused(rules, SoldOut) as caught:
        rules.execute("UPDATE tickets SET event_id = NULL WHERE id = %s", [ticket])
    assert caught.value.constraint == "ticket_holders_admission"
    assert invariants.broken(rules) == []


@endings
@pytest.mark.parametrize("change", ["INSERT", "DELETE"])
def test_a_ticket_that_loses_its_event_waits_for_who_writes_its_holders(
    stage: Stage, setup: Session, change: str, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, samples.event(setup.connection), quantity=3)
    guest, office = stage.session(), stage.session()
    insert = "INSERT INTO ticket_holders (firstname, lastname, ticket_id) VALUES ('A', 'B', %s)"
    if change == "DELETE":
        setup.run(insert, [ticket])
    guest.begin()
    guest.run(insert if change == "INSERT" else "DELETE FROM ticket_holders WHERE ticket_id = %s", [ticket])
    updating = office.start("UPDATE tickets SET event_id = NULL WHERE id = %s", [ticket])
    stage.blocked(office, updating, by=guest)
    guest.run(first_ends)
    is_held = (change == "INSERT") == (first_ends == "COMMIT")
    assert outcome(updating) == ("23503" if is_held else "done")
    free = "SELECT count(*) FROM oeventdb_internal.free_admissions WHERE ticket_id = %s"
    assert setup.value(free, [ticket]) == (2 if is_held else 0)


def test_a_holder_of_a_dead_order_waits_for_a_ticket_that_goes_to_another_event(
    stage: Stage, setup: Session
) -> None:
    event, elsewhere = samples.event(setup.connection), samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=3)
    dead = samples.insert(setup.connection, "orders", identifier="dead", status="expired")
    office, guest = stage.session(), stage.session()
    office.begin()
    office.run("UPDATE tickets SET event_id = %s WHERE id = %s", [elsewhere, ticket])
    inserting = guest.start(
        "INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id) VALUES ('A', 'B', %s, %s)",
        [ticket, dead],
    )
    stage.blocked(guest, inserting, by=office)
    office.commit()
    assert outcome(inserting) == "OE105"


KNOWN = "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, admission_no) VALUES (%s, 'C', 'D', %s, %s)"
UPDATED = " DO UPDATE SET lastname = EXCLUDED.lastname, ticket_id = EXCLUDED.ticket_id, admission_no = EXCLUDED.admission_no"


@pytest.mark.parametrize("chosen", [None, 1, 3])
@pytest.mark.parametrize(
    ("action", "lastname"), [(" DO NOTHING", "B"), (UPDATED, "D")], ids=["nothing", "update"]
)
def test_a_holder_that_is_there_already_takes_no_second_admission(
    rules: psycopg.Connection, chosen: int | None, action: str, lastname: str
) -> None:
    event = samples.event(rules)
    ticket = samples.ticket(rules, event, quantity=3)
    one = holder(rules, ticket, admission_no=1)
    rules.execute((KNOWN + " ON CONFLICT (id)" + action).encode(), [one, ticket, chosen])
    assert rules.execute("SELECT lastname FROM ticket_holders WHERE id = %s", [one]).fetchone() == (lastname,)
    assert number(rules, one) == (3 if chosen == 3 and lastname == "D" else 1)
    assert rules.execute(
        "SELECT held, available FROM oeventdb.ticket_availability(%s)", [event]
    ).fetchone() == (1, 2)
    assert invariants.broken(rules) == []


@pytest.mark.parametrize("chosen", [None, 1, 3])
@pytest.mark.parametrize("action", ["", " ON CONFLICT (id) DO NOTHING", " ON CONFLICT (id)" + UPDATED])
def test_a_holder_that_was_being_deleted_is_written_again_with_an_admission(
    stage: Stage, setup: Session, chosen: int | None, action: str
) -> None:
    event = samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=3)
    one = holder(setup.connection, ticket, admission_no=1)
    leaving, writer = stage.session(), stage.session()
    leaving.begin()
    leaving.run("DELETE FROM ticket_holders WHERE id = %s", [one])
    writing = writer.start(KNOWN + action, [one, ticket, chosen])
    stage.blocked(writer, writing, by=leaving)
    leaving.commit()
    assert outcome(writing) == "done"
    assert number(setup.connection, one) == chosen or chosen is None
    assert setup.run("SELECT held, available FROM oeventdb.ticket_availability(%s)", [event]) == [(1, 2)]
    assert invariants.broken(setup.connection) == []


def test_two_upserts_of_a_holder_do_not_lock_each_other_out(stage: Stage, setup: Session) -> None:
    event = samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=3)
    one = holder(setup.connection, ticket, admission_no=1)
    first, second = stage.session(), stage.session()
    first.begin()
    first.run(KNOWN + " ON CONFLICT (id)" + UPDATED, [one, ticket, 2])
    upserting = second.start(KNOWN + " ON CONFLICT (id)" + UPDATED, [one, ticket, 3])
    stage.blocked(second, upserting, by=first)
    first.commit()
    assert outcome(upserting) == "done"
    assert number(setup.connection, one) == 3
    assert invariants.broken(setup.connection) == []


def test_an_admission_that_an_upsert_lost_to_another_is_put_back_on_sale(
    stage: Stage, setup: Session
) -> None:
    event = samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=3)
    first, second = stage.session(), stage.session()
    upsert = (KNOWN + " ON CONFLICT (id) DO NOTHING", [2_000_000_000, ticket, None])
    first.begin()
    first.run(*upsert)
    upserting = second.start(*upsert)
    stage.blocked(second, upserting, by=first)
    first.commit()
    assert outcome(upserting) == "done"
    assert len(invariants.broken(setup.connection)) == 1
    page = (ROOT / "docs/explanation/overselling.md").read_text()
    setup.run(page.split("```sql\nBEGIN;")[1].split("COMMIT;\n```")[0])
    assert invariants.broken(setup.connection) == []


@pytest.mark.parametrize(
    "written", ["admission_no := NULL", "order_id := NULL", "ticket_id := NEW.city::bigint"]
)
def test_what_a_trigger_of_others_writes_counts_as_well(rules: psycopg.Connection, written: str) -> None:
    event = samples.event(rules)
    ticket, other = (samples.ticket(rules, event, quantity=3) for _ in range(2))
    order = samples.insert(rules, "orders", identifier="live", status="pending")
    one = holder(rules, ticket, order_id=order)
    rules.execute(
        "CREATE FUNCTION pg_temp.by_city() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$BEGIN NEW.{written}; RETURN NEW; END$$;"
        " CREATE TRIGGER by_city BEFORE UPDATE OF city ON ticket_holders"
        " FOR EACH ROW EXECUTE FUNCTION pg_temp.by_city()".encode()
    )
    rules.execute("UPDATE ticket_holders SET city = %s WHERE id = %s", [other, one])
    assert number(rules, one) in (1, 2, 3)
    assert invariants.broken(rules) == []


def test_joining_and_leaving_a_dead_order(rules: psycopg.Connection, refused: Refusal) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=1, max_order=1)
    dead = samples.insert(rules, "orders", identifier="dead", status="expired")
    live = samples.insert(rules, "orders", identifier="live", status="pending")
    one = holder(rules, ticket, order_id=live)
    rules.execute("UPDATE ticket_holders SET order_id = %s WHERE id = %s", [dead, one])
    assert number(rules, one) is None
    other = holder(rules, ticket)
    with refused(rules, SoldOut):
        rules.execute("UPDATE ticket_holders SET order_id = %s WHERE id = %s", [live, one])
    rules.execute("DELETE FROM ticket_holders WHERE id = %s", [other])
    rules.execute("UPDATE ticket_holders SET order_id = NULL WHERE id = %s", [one])
    assert number(rules, one) == 1
    assert invariants.broken(rules) == []


@pytest.fixture
def clerk(rules: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A role of an ordinary application: it may write rows, and may do nothing in our schemas."""
    role = sql.Identifier("oeventdb_test_clerk")
    rules.execute(sql.SQL("CREATE ROLE {}").format(role))
    rules.execute(
        sql.SQL(
            "GRANT USAGE ON SCHEMA public TO {0};"
            " GRANT INSERT ON public.ticket_holders, public.feedback TO {0};"
            " GRANT SELECT, UPDATE, DELETE ON public.orders, public.ticket_holders TO {0};"
            " GRANT SELECT, INSERT, UPDATE ON public.tickets, public.discount_codes TO {0}"
        ).format(role)
    )
    yield rules
    rules.execute("RESET ROLE")


def test_a_role_that_may_only_write_the_table_is_served_by_the_rules(clerk: psycopg.Connection) -> None:
    event = samples.event(clerk)
    user = samples.user(clerk)
    ticket = samples.ticket(clerk, event, quantity=2)
    order = samples.insert(clerk, "orders", identifier="one", status="pending", event_id=event)
    clerk.execute("SET ROLE oeventdb_test_clerk")
    clerk.execute(
        "INSERT INTO public.ticket_holders (ticket_id, order_id, firstname, lastname) VALUES (%s, %s, 'A', 'B'), (%s, %s, 'C', 'D')",
        [ticket, order, ticket, order],
    )
    with pytest.raises(psycopg.Error, match="admissions left"), clerk.transaction():
        clerk.execute(
            "INSERT INTO public.ticket_holders (ticket_id, firstname, lastname) VALUES (%s, 'E', 'F')",
            [ticket],
        )
    clerk.execute("UPDATE public.orders SET status = 'cancelled' WHERE id = %s", [order])
    clerk.execute("UPDATE public.orders SET status = 'completed' WHERE id = %s", [order])
    clerk.execute("DELETE FROM public.ticket_holders WHERE order_id = %s", [order])
    clerk.execute("UPDATE public.tickets SET quantity = 1, price = 30 WHERE id = %s", [ticket])
    code = samples.discount_code(clerk, event, type="amount", value=30)
    clerk.execute("UPDATE public.tickets SET discount_code_id = %s WHERE id = %s", [code, ticket])
    clerk.execute(
        "INSERT INTO public.feedback (event_id, user_id, rating) VALUES (%s, %s, 2.2)", [event, user]
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege), clerk.transaction():
        clerk.execute("SELECT * FROM oeventdb_internal.free_admissions")
    clerk.execute("RESET ROLE")
    assert invariants.broken(clerk) == []
