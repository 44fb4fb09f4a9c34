"""The application: the blueprint of oeventdb as it is, and a few pages beside it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import psycopg
from babel.dates import format_datetime, format_interval
from babel.numbers import format_currency
from flask import Flask, Response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

import oeventdb.flask
from examples.shop import accounts, events, orders, sales
from examples.shop.events import Event
from examples.shop.finder import Finder
from oeventdb.flask.routes import Connect

LOCALE = "en"
_OWN = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"


def create_app(connect: Connect, *, secret: str, finder: Finder) -> Flask:
    """Make the application; ``connect`` lends a connection for one request, as a pool's does."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY=secret, SESSION_COOKIE_SAMESITE="Lax")
    # one answer to "who is asking" and one to "who may", for the API and for the pages
    policy = oeventdb.flask.Policy()
    app.register_blueprint(
        oeventdb.flask.blueprint(connect, users=accounts.session_user, policy=policy, find=finder)
    )
    app.register_blueprint(accounts.pages(connect))
    app.register_blueprint(events.pages(connect, finder))
    app.register_blueprint(orders.pages(connect, policy))
    app.register_blueprint(sales.pages(connect, policy))
    app.register_error_handler(oeventdb.flask.Problem, _refused)
    app.register_error_handler(oeventdb.Error, _refused_by_a_rule)
    app.register_error_handler(HTTPException, _not_found)
    app.register_error_handler(psycopg.DataError, _unreadable)
    app.register_error_handler(psycopg.OperationalError, _unreachable)
    app.context_processor(accounts.signed_in)
    app.add_template_filter(money)
    app.add_template_filter(days)
    app.add_template_filter(moment)
    app.after_request(_guarded)
    return app


def money(amount: Decimal, currency: str) -> str:
    """An amount as people write it in that currency: €99.00, ¥12,000."""
    return format_currency(amount, currency, locale=LOCALE)


def days(event: Event) -> str:
    """When an event is, e.g. May 14 – 22, 2026."""
    return format_interval(event.starts_at, event.ends_at, "yMMMd", locale=LOCALE)


def moment(at: datetime) -> str:
    """A time of the next hours."""
    return format_datetime(at, "HH:mm 'UTC'", locale=LOCALE)


def _refused(problem: oeventdb.flask.Problem) -> AnyResponse | tuple[str, int]:
    """Who is not signed in may do so and come back; others read why not."""
    if problem.status == 401:
        back = request.path if request.method == "GET" else None
        return redirect(url_for("accounts.choose", next=back))
    return _page(str(problem), problem.status)


def _refused_by_a_rule(error: oeventdb.Error) -> tuple[str, int]:
    return _page(f"{error}. {error.hint or ''}", 409)


def _not_found(error: HTTPException) -> tuple[str, int]:
    return _page(error.description or error.name, error.code or 500)


def _unreadable(_: psycopg.DataError) -> tuple[str, int]:
    """An address that no text in the database can be, such as one with a NUL character."""
    return _page("There is no such page.", 404)


def _unreachable(_: psycopg.OperationalError) -> tuple[str, int]:
    return _page("The database cannot be reached. Try again in a moment.", 503)


def _page(reason: str, status: int) -> tuple[str, int]:
    return render_template("problem.html", reason=reason, status=status), status


def _guarded(response: Response) -> Response:
    """Nothing is loaded from elsewhere, and no page is framed."""
    response.headers.setdefault("Content-Security-Policy", _OWN)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
