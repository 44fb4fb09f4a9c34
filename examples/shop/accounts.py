"""Who is asking: a session by one click, because this is a demonstration and has no passwords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from flask import Blueprint, Request, abort, redirect, render_template, request, session, url_for
from psycopg.rows import class_row
from werkzeug.wrappers import Response

from oeventdb.flask import User
from oeventdb.flask.routes import Connect

_PEOPLE = """
SELECT u.id, u.first_name AS name, u._email AS email,
       array_remove(array_agg(e.name ORDER BY e.starts_at, e.id), NULL) AS organizes
FROM public.users AS u
LEFT JOIN public.users_events_roles AS m ON m.user_id = u.id
LEFT JOIN public.events AS e ON e.id = m.event_id
WHERE u.deleted_at IS NULL
GROUP BY u.id
ORDER BY u.id
LIMIT 10
"""


@dataclass(frozen=True)
class Person:
    """Somebody to be, and the events that they organize."""

    id: int
    name: str
    email: str
    organizes: list[str]


def session_user(_: Request) -> User | None:
    """Tell the blueprint who is asking, by the signed session cookie instead of a bearer token."""
    return User(session["user"]) if "user" in session else None


def signed_in() -> dict[str, Any]:
    """What every template knows of the session."""
    return {"signed_in": session.get("name"), "email": session.get("email", "")}


def pages(connect: Connect) -> Blueprint:
    """Signing in and out."""
    made = Blueprint("accounts", __name__)

    @made.get("/sign-in")
    def choose() -> str:
        with connect() as connection:
            return render_template("sign_in.html", people=_people(connection), next=_next())

    @made.post("/sign-in")
    def sign_in() -> Response:
        with connect() as connection:
            chosen = {str(person.id): person for person in _people(connection)}
        person = chosen.get(request.form.get("person", "")) or abort(400, "There is no such person.")
        session.clear()
        session.update(user=person.id, name=person.name, email=person.email)
        return redirect(_next())

    @made.post("/sign-out")
    def sign_out() -> Response:
        session.clear()
        return redirect(url_for("events.home"))

    return made


def _people(connection: psycopg.Connection[Any]) -> list[Person]:
    with psycopg.Cursor(connection, row_factory=class_row(Person)) as cursor:
        return cursor.execute(_PEOPLE).fetchall()


def _next() -> str:
    """Where to go on: a path of this site only, never another site's address."""
    path = request.values.get("next", "")
    # browsers leave tabs and line ends out of an address, and would find two slashes then
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if inside else url_for("events.home")
