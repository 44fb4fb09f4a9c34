"""An application with the blueprint, served over a real pool."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import flask
import psycopg
import pytest
from psycopg_pool import ConnectionPool

import oeventdb.flask
from tests import samples
from tests.flask.http import KEY, Api, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Databases


@dataclass
class Scene:
    """An event with a public and a hidden ticket, codes for them, and people of every kind."""

    event: int
    identifier: str
    draft: int
    draft_identifier: str
    order: str
    other_event: int
    ticket: int
    hidden: int
    other_ticket: int
    code: int
    access_code: int
    tag: int
    organizer: int
    coorganizer: int
    registrar: int
    attendee: int
    staff: int


@pytest.fixture(scope="module")
def dsn(databases: Databases, migrated_template: str) -> str:
    """A database that the tests of a module share: each makes a scene of its own."""
    return databases.create(migrated_template)


@pytest.fixture
def db(dsn: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def _role(db: psycopg.Connection, name: str) -> int:
    row = db.execute("SELECT id FROM roles WHERE name = %s", [name]).fetchone()
    return int(row[0]) if row else samples.insert(db, "roles", name=name, title_name=name.title())


@pytest.fixture
def scene(db: psycopg.Connection) -> Scene:
    """The rows that the requests are about."""
    unique = uuid.uuid4().hex[:12]
    identifier, draft_identifier, order_identifier = f"event{unique}", f"draft{unique}", f"order{unique}"
    event = samples.event(db, identifier=identifier)
    draft = samples.event(db, state="draft", identifier=draft_identifier)
    other = samples.event(db)
    ticket = samples.ticket(db, event, name="Standard", position=1, price=20.5)
    hidden = samples.ticket(db, event, name="Crew", position=2, is_hidden=True)
    roles = {name: _role(db, name) for name in ("organizer", "coorganizer", "registrar", "attendee")}
    people = {name: samples.user(db) for name in roles}
    for name, role in roles.items():
        for event_id in (event, draft):
            samples.insert(db, "users_events_roles", user_id=people[name], event_id=event_id, role_id=role)
    tag = samples.insert(db, "ticket_tag", name="crew", event_id=event)
    db.execute("INSERT INTO association VALUES (%s, %s), (%s, %s)", [ticket, tag, hidden, tag])
    order = samples.insert(
        db,
        "orders",
        identifier=order_identifier,
        event_id=event,
        user_id=people["attendee"],
        status="completed",
    )
    db.execute("INSERT INTO orders_tickets VALUES (%s, %s, 1), (%s, %s, 1)", [order, ticket, order, hidden])
    return Scene(
        event=event,
        identifier=identifier,
        draft=draft,
        draft_identifier=draft_identifier,
        order=order_identifier,
        other_event=other,
        ticket=ticket,
        hidden=hidden,
        other_ticket=samples.ticket(db, other),
        code=samples.discount_code(db, event, code="TENOFF"),
        access_code=samples.access_code(db, event, [hidden], code="BackDoor"),
        tag=tag,
        staff=samples.user(db, is_admin=True),
        **people,
    )


@pytest.fixture(scope="module")
def pool(dsn: str) -> Iterator[ConnectionPool]:
    """A pool of real connections."""
    with ConnectionPool(dsn, min_size=1, max_size=4, open=True) as made:
        yield made


@pytest.fixture(scope="module")
def app(pool: ConnectionPool) -> flask.Flask:
    """An application with nothing but the blueprint."""
    made = flask.Flask(__name__)
    users = oeventdb.flask.bearer_tokens(KEY)
    made.register_blueprint(oeventdb.flask.blueprint(pool.connection, users=users))
    return made


@pytest.fixture(scope="module")
def api(app: flask.Flask) -> Iterator[Api]:
    """Requests to that application, in a server."""
    with served(app) as made:
        yield made
