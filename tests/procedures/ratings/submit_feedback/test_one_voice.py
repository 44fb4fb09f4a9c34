"""A user has one feedback for an event, and one for each of its sessions, whoever writes it."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import Client, InvalidArgument, NotFound, RatingInvalid
from tests import samples
from tests.procedures.sessions import REPEATABLE_READ, SERIALIZABLE, Session, Stage, endings, levels, outcome

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal

RAW = "INSERT INTO feedback (event_id, user_id, rating, comment) VALUES (%s, %s, %s, 'raw')"
SUBMIT = (
    "SELECT * FROM oeventdb.submit_feedback(event_id => %s, user_id => %s, rating => %s, comment => 'said')"
)


def count(connection: psycopg.Connection, event_id: int) -> int:
    row = connection.execute("SELECT count(*) FROM feedback WHERE event_id = %s", [event_id]).fetchone()
    assert row is not None
    return int(row[0])


def test_saying_it_again_replaces_what_was_said(rules: psycopg.Connection) -> None:
    event, user, client = samples.event(rules), samples.user(rules), Client(rules)
    first = client.submit_feedback(event_id=event, user_id=user, rating="2.25", comment="so so")
    second = client.submit_feedback(event_id=event, user_id=user, rating="5", comment=None)
    assert (first.rating, first.comment) == (Decimal("2.5"), "so so")
    assert (second.rating, second.comment, second.id) == (Decimal(5), None, first.id)
    assert count(rules, event) == 1


def test_each_session_has_a_feedback_of_its_own(rules: psycopg.Connection) -> None:
    event, user, client = samples.event(rules), samples.user(rules), Client(rules)
    client.submit_feedback(event_id=event, user_id=user, rating="1", comment="the event")
    for session, rating in ((7, "2"), (8, "3"), (7, "4")):
        given = client.submit_feedback(
            event_id=event, user_id=user, rating=rating, comment="", session_id=session
        )
        assert (given.session_id, given.rating) == (session, Decimal(rating))
    assert count(rules, event) == 3
    average = client.event_rating(event_id=event)
    assert (average.average, average.count) == (Decimal("1.00"), 1)


@pytest.mark.parametrize("session", [None, 7])
def test_a_second_raw_insert_meets_the_constraint(
    rules: psycopg.Connection, refused: Refusal, session: int | None
) -> None:
    event, user = samples.event(rules), samples.user(rules)
    statement = "INSERT INTO feedback (event_id, user_id, session_id, rating) VALUES (%s, %s, %s, 3)"
    rules.execute(statement, [event, user, session])
    with refused(rules, InvalidArgument) as caught:
        rules.execute(statement, [event, user, session])
    assert caught.value.constraint == ("feedback_user_session" if session else "feedback_user_event")
    with refused(rules, InvalidArgument):
        rules.execute(
            "INSERT INTO feedback (event_id, user_id, session_id, rating, is_superseded) VALUES (%s, %s, %s, 3, true)",
            [event, user, session],
        )


def test_nobody_marks_feedback_as_superseded(rules: psycopg.Connection) -> None:
    event, user = samples.event(rules), samples.user(rules)
    rules.execute(RAW, [event, user, 3])
    rules.execute("UPDATE feedback SET is_superseded = true WHERE event_id = %s", [event])
    row = rules.execute("SELECT is_superseded FROM feedback WHERE event_id = %s", [event]).fetchone()
    assert row == (False,)


def test_feedback_of_nobody_or_nothing_is_not_compared(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    rules.execute(RAW, [event, None, 3])
    rules.execute(RAW, [event, None, 3])
    assert count(rules, event) == 2


@pytest.mark.parametrize(("rating", "stored"), [("2.25", "2.5"), (0.24, 0), (4.75, 5), ("1e-400", 0), (5, 5)])
def test_raw_ratings_in_range_are_rounded_to_half_stars(
    rules: psycopg.Connection, rating: Any, stored: Any
) -> None:
    event = samples.event(rules)
    rules.execute(
        "INSERT INTO feedback (event_id, rating) VALUES (%s, %s::text::numeric)", [event, str(rating)]
    )
    rules.execute("UPDATE feedback SET rating = 1 WHERE event_id = %s", [event])
    rules.execute("UPDATE feedback SET rating = %s::text::numeric WHERE event_id = %s", [str(rating), event])
    row = rules.execute("SELECT rating FROM feedback WHERE event_id = %s", [event]).fetchone()
    assert row == (Decimal(stored),)


@pytest.mark.parametrize("rating", ["5.01", "-0.01", "NaN", "Infinity", "-Infinity", "1e400", None])
@pytest.mark.parametrize("statement", ["INSERT", "UPDATE"])
def test_raw_ratings_out_of_range_are_refused(
    rules: psycopg.Connection, refused: Refusal, rating: str | None, statement: str
) -> None:
    event, user = samples.event(rules), samples.user(rules)
    if statement == "UPDATE":
        rules.execute(RAW, [event, user, 3])
    with refused(
        rules,
        RatingInvalid,
        rating=rating and str(Decimal(rating))[:40] if rating != "1e400" else "1" + "0" * 39,
    ):
        if statement == "INSERT":
            rules.execute(
                "INSERT INTO feedback (event_id, rating) VALUES (%s, %s::text::numeric)", [event, rating]
            )
        else:
            rules.execute(
                "UPDATE feedback SET rating = %s::text::numeric WHERE event_id = %s", [rating, event]
            )


@pytest.mark.parametrize(
    "rating", ["great!", "", "5.01", "-1", "NaN", "1e400000", "0x4", "4,5", "٣", None, "x" * 1_000_000]
)
def test_new_feedback_is_refused_and_never_becomes_0(
    rules: psycopg.Connection, refused: Refusal, rating: str | None
) -> None:
    event, user = samples.event(rules), samples.user(rules)
    with refused(rules, RatingInvalid, rating=rating and rating[:40]) as caught:
        rules.execute(SUBMIT, [event, user, rating])
    if rating is None:
        assert "NULL" in str(caught.value)
    assert len(str(caught.value)) < 100
    assert count(rules, event) == 0


def test_unknown_and_deleted_events_and_users_are_told(rules: psycopg.Connection, refused: Refusal) -> None:
    event, user, client = samples.event(rules), samples.user(rules), Client(rules)
    gone_event = samples.event(rules, deleted_at=samples.NOW)
    gone_user = samples.user(rules, deleted_at=samples.NOW)
    for wrong in (gone_event, -1, 0, 2**63 - 1):
        with refused(rules, NotFound, resource="event", id=wrong):
            client.submit_feedback(event_id=wrong, user_id=user, rating="3", comment=None)
    for wrong in (gone_user, -1, 2**63 - 1):
        with refused(rules, NotFound, resource="user", id=wrong):
            client.submit_feedback(event_id=event, user_id=wrong, rating="3", comment=None)
    for arguments, name in (([None, user, "3"], "event_id"), ([event, None, "3"], "user_id")):
        with refused(rules, InvalidArgument, argument=name):
            rules.execute(SUBMIT, arguments)


@pytest.mark.parametrize(
    "comment", ["'; DROP TABLE feedback; --", "\u202eرائع 😀\u0001", "x" * 1_000_000, ""]
)
def test_a_comment_is_kept_as_it_is(rules: psycopg.Connection, comment: str) -> None:
    event, user = samples.event(rules), samples.user(rules)
    given = Client(rules).submit_feedback(event_id=event, user_id=user, rating="3", comment=comment)
    assert given.comment == comment


@endings
@levels
@pytest.mark.parametrize("statement", [RAW, SUBMIT], ids=["raw", "function"])
def test_of_two_at_once_one_stays(
    stage: Stage, setup: Session, statement: str, level: str, first_ends: str
) -> None:
    event, user = samples.event(setup.connection), samples.user(setup.connection)
    first, second = stage.two(level)
    first.run(statement, [event, user, "1"])
    running = second.start(statement, [event, user, "2"])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    if first_ends == "ROLLBACK":
        assert ended == "done"
    elif statement == RAW:
        assert ended == "23505" or (level == SERIALIZABLE and ended == "40001")
    else:
        assert ended == ("40001" if level in (REPEATABLE_READ, SERIALIZABLE) else "done")
    second.finish(ended)
    stars = setup.run("SELECT rating FROM feedback WHERE event_id = %s", [event])
    assert stars == [(Decimal(2 if ended == "done" else 1),)]


@endings
@pytest.mark.parametrize("said_before", [False, True])
@pytest.mark.parametrize("table", ["events", "users"])
def test_an_event_or_user_that_is_being_deleted_is_waited_for_and_told(
    stage: Stage, setup: Session, table: str, said_before: bool, first_ends: str
) -> None:
    event, user = samples.event(setup.connection), samples.user(setup.connection)
    if said_before:
        setup.run(SUBMIT, [event, user, "1"])
    first, second = stage.session(), stage.session()
    first.begin()
    first.run(f"DELETE FROM {table} WHERE id = %s", [event if table == "events" else user])
    running = second.start(SUBMIT, [event, user, "2"])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    assert outcome(running) == ("OE404" if first_ends == "COMMIT" else "done")


def test_many_at_once_leave_one_each_and_the_right_average(stage: Stage, setup: Session) -> None:
    event = samples.event(setup.connection)
    users = [samples.user(setup.connection) for _ in range(8)]
    sessions = [stage.session() for _ in range(8)]
    start = threading.Barrier(len(sessions))

    def reviews(number: int) -> None:
        start.wait()
        for turn in range(8):
            stars = (number + turn) % 6
            sessions[number].run(SUBMIT, [event, users[(number + turn) % 8], str(stars)])

    workers = [threading.Thread(target=reviews, args=[number]) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    kept = [row[0] for row in setup.run("SELECT rating FROM feedback WHERE event_id = %s", [event])]
    average = Client(setup.connection).event_rating(event_id=event)
    assert len(kept) == average.count == 8
    assert average.average == round(sum(kept) / 8, 2)


def test_reviewers_of_one_event_do_not_queue(stage: Stage, setup: Session) -> None:
    event = samples.event(setup.connection)
    writer, other = stage.session(), stage.session(lock_timeout="2s")
    writer.begin()
    writer.run(SUBMIT, [event, samples.user(setup.connection), "1"])
    other.run(SUBMIT, [event, samples.user(setup.connection), "2"])
    assert Client(other.connection).event_rating(event_id=event).count == 1
    writer.commit()
    assert Client(other.connection).event_rating(event_id=event).count == 2
