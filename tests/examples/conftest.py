"""The example shop on a real server, and real browsers to visit it with."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from psycopg_pool import ConnectionPool
from werkzeug.serving import make_server

from examples.shop.__main__ import LIMITS
from examples.shop.app import create_app
from examples.shop.finder import Finder
from oeventdb import schema
from oeventdb.errors import OperationError
from tests import samples
from tests.conftest import missing
from tests.roles import Roles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oeventdb.servers.postgres import Postgres
    from tests.conftest import Databases

PATIENCE = 20_000
"""Milliseconds after which a page has failed; everything is waited for, nothing takes so long."""

expect.set_options(timeout=PATIENCE)

PEOPLE = {"Ada": 1, "Alan": 2, "Grace": 3}

_PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
"""The first has no window around a page to draw: it takes an eighth of the others' processor time."""

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Shop:
    """The shop's address, its database as the owner sees it, and how it searches."""

    url: str
    db: psycopg.Connection
    finder: Finder

    def event(self, **tickets: int) -> tuple[int, str]:
        """Publish an event with tickets of these names and quantities; returns id and identifier."""
        event = samples.event(self.db, payment_currency="EUR")
        for position, (name, quantity) in enumerate(tickets.items()):
            samples.ticket(self.db, event, name=name, quantity=quantity, position=position)
        row = self.db.execute("SELECT identifier FROM events WHERE id = %s", [event]).fetchone()
        assert row is not None
        return event, f"{self.url}/events/{row[0]}"

    def orders(self, event: int) -> list[tuple[str, str]]:
        """The status and the e-mail address of each order of an event."""
        return self.db.execute(
            "SELECT status, email FROM orders WHERE event_id = %s ORDER BY id", [event]
        ).fetchall()


@pytest.fixture(scope="module")
def shop(postgres: Postgres, databases: Databases, migrated_template: str) -> Iterator[Shop]:
    """The application behind a real server, connected as a role with the least privileges."""
    dsn = databases.create(migrated_template)
    roles = Roles(postgres.dsn)
    role = roles.create("shop")
    with schema.connect(dsn) as connection:
        schema.grant(connection, "app", role)
        schema.grant(connection, "reader", role)
    login = roles.login(dsn, role)
    with (
        ConnectionPool(login, min_size=1, max_size=8, timeout=5, kwargs=LIMITS) as pool,
        psycopg.connect(dsn, autocommit=True) as db,
    ):
        for name, number in PEOPLE.items():
            samples.user(db, id=number, first_name=name, _email=f"{name.lower()}@example.org")
        finder = Finder()
        app = create_app(pool.connection, secret="of the tests", finder=finder)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield Shop(f"http://127.0.0.1:{server.port}", db, finder)
        server.shutdown()
        serving.join()
        server.server_close()
    roles.close()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium with a profile of its own; each thread needs one."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        missing(OperationError("no browser", hint=f"on Debian: apt-get install {_PROGRAMS[0]}"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of the tests that need only one."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The same, without the pages that an earlier test left open."""
    yield chromium
    for context in chromium.contexts:
        context.close()


def visit(browser: Browser, url: str, *, name: str | None = None) -> Page:
    """Open a page as a new visitor, signed in under that name; an error of its scripts fails the test."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("pageerror", _fail)
    if name is not None:
        form: dict[str, str | float | bool] = {"person": PEOPLE[name]}
        context.request.post(urljoin(url, "/sign-in"), form=form, max_redirects=0)
    page.goto(url)
    return page


def follow(step: Locator) -> None:
    """Click on what leads to another page, and wait until that has loaded with its scripts."""
    with step.page.expect_navigation():
        step.click()


def _fail(error: Exception) -> None:
    raise error


def buy(page: Page, quantity: int, ticket: str) -> str:
    """Order seats through the page; returns what it says then."""
    choose(page, quantity, ticket)
    return press_buy(page)


def choose(page: Page, quantity: int, ticket: str) -> None:
    """Enter how many of a ticket."""
    page.get_by_label(ticket).fill(str(quantity))


def press_buy(page: Page) -> str:
    """Press the button; returns what the page says then."""
    page.evaluate("document.querySelector('#outcome').replaceChildren()")
    page.get_by_role("button", name="Buy", exact=True).click()
    outcome = page.locator("#outcome:not(:empty)")
    outcome.wait_for()
    return outcome.inner_text()
