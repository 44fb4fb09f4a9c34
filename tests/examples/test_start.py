"""The example started as people start it, and what it says about its search."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from concurrent.futures import Future
from contextlib import nullcontext
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import expect

from examples.shop import sample
from examples.shop.app import create_app
from examples.shop.finder import Finder
from oeventdb.demo.stage import Missing, Stage
from oeventdb.servers.elasticsearch import Search
from tests import samples
from tests.examples.conftest import Shop, visit
from tests.search.elastic import Elastic
from tests.search.proxy import Proxy
from tests.test_style import ROOT

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser

DEADLINE = 60
REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


def get(url: str) -> str:
    """The text behind an address of this machine."""
    with urllib.request.urlopen(url, timeout=DEADLINE) as response:  # noqa: S310 - our own server
        return str(response.read().decode())


def search(url: str, words: str) -> list[str]:
    """The names that the search finds, once it does not say any more that it is starting."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            found = json.loads(get(f"{url}v1/search/events?q={words}"))
        except HTTPError as error:
            if error.code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return [hit["attributes"]["name"] for hit in found["data"]]


def with_the_key(chunk: bytes) -> bytes | bool:
    """Refuse a request that has no API key, as a server with security does."""
    begins = chunk.startswith((b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE "))
    return not begins or b"ApiKey of-the-environment" in chunk or REFUSED


def test_one_command_opens_the_shop_and_an_interrupt_closes_it(elasticsearch: str) -> None:
    server = urlsplit(elasticsearch)
    with (
        Proxy(str(server.hostname), server.port or 80, with_the_key) as guarded,
        subprocess.Popen(
            [sys.executable, "-m", "examples.shop", "--port", "0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ
            | {
                "OEVENTDB_ELASTICSEARCH_URL": guarded.url,
                "OEVENTDB_ELASTICSEARCH_API_KEY": "of-the-environment",
            },
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/", said)
            assert address, said + (process.stderr.read() if process.stderr else "")
            url = address.group()
            assert "PyCon" in get(url)
            assert "PyCon DE & PyData Berlin" in search(url, "pyda+berlin")
        finally:
            process.send_signal(signal.SIGINT)
            try:
                told, problems = process.communicate(timeout=DEADLINE)
            except subprocess.TimeoutExpired:
                # leaving the block would wait for it for ever
                process.kill()
                raise
    assert process.returncode == 0, problems
    assert told == "closing\n"
    assert problems == ""


@pytest.mark.usefixtures("hangup")
def test_a_terminal_that_is_closed_closes_the_shop(elasticsearch: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "examples.shop", "--port", "0", "--elasticsearch-url", elasticsearch],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "the shop is open" in process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=DEADLINE)
    assert process.returncode == 0


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "examples.shop", "--port", str(port)],
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
    assert done.returncode == 1
    assert done.stderr == f"Error: port {port}: Address already in use; choose another with --port\n"


def test_a_port_that_there_is_not_is_a_usage_error() -> None:
    command = [sys.executable, "-m", "examples.shop", "--port", "80000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 2
    assert "80000 is not in the range" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_sample_sells_by_the_rules(db: psycopg.Connection) -> None:
    with db.transaction():
        sample.fill(db)
    row = db.execute(
        "SELECT count(*), min(starts_at) > now(), count(DISTINCT payment_currency) FROM events"
    ).fetchone()
    assert row is not None
    events, are_to_come, currencies = row
    assert events > 30
    assert are_to_come
    assert currencies > 5
    per_day = db.execute(
        "SELECT count(*) FROM orders WHERE status = 'completed' GROUP BY created_at::date ORDER BY created_at::date"
    ).fetchall()
    assert [count for (count,) in per_day] == [orders for orders in sample.PAST_ORDERS if orders]


def test_without_elasticsearch_the_page_says_what_to_install(db: psycopg.Connection) -> None:
    nowhere: Future[Search | Missing] = Future()
    nowhere.set_result(Missing("no Maven", "install Maven"))
    finder = Finder()
    app = create_app(lambda: nullcontext(db), secret="of the tests", finder=finder)
    assert "Search is still starting." in app.test_client().get("/").text
    finder.start(Stage("", "", "events", None, nowhere))
    assert "There is no search: no Maven. To have it, install Maven." in app.test_client().get("/").text


def test_who_searches_too_early_is_answered_once_search_has_started(
    shop: Shop, browser: Browser, elasticsearch: str
) -> None:
    samples.event(shop.db, name="EuroPython")
    elastic = Elastic(elasticsearch, f"test{uuid.uuid4().hex[:12]}")
    started: Future[Search | Missing] = Future()
    started.set_result(Search(elasticsearch, "of the tests"))
    page = visit(browser, shop.url)
    page.get_by_role("searchbox").fill("europ")
    told = page.locator("#hits-told")
    expect(told).to_have_text("Search is still starting.")
    try:
        shop.finder.start(Stage(shop.db.info.dsn, "", elastic.alias, None, started))
        expect(told).to_have_text("1 found")
        page.get_by_role("searchbox").fill("")
        expect(told).to_have_text("")
    finally:
        elastic.clear()


def test_a_database_that_does_not_answer_is_said_on_every_page(migrated: str) -> None:
    def refuse() -> AbstractContextManager[psycopg.Connection]:
        return psycopg.connect(migrated, dbname="oeventdb_test_nowhere")

    app = create_app(refuse, secret="of the tests", finder=Finder())
    for path in ("/", "/events/x", "/events/x/sales", "/orders/x", "/sign-in"):
        response = app.test_client().get(path)
        assert response.status_code == 503
        assert "database cannot be reached" in response.text


def test_what_is_not_there_is_said_on_a_page(db: psycopg.Connection) -> None:
    app = create_app(lambda: nullcontext(db), secret="of the tests", finder=Finder())
    for path in ("/events/x", "/events/%00", "/events/x/sales", "/orders/x", "/orders/%00", "/nowhere"):
        response = app.test_client().get(path)
        assert response.status_code == 404, path
        assert "That did not work" in response.text


def test_signing_in_leads_nowhere_else(db: psycopg.Connection) -> None:
    app = create_app(lambda: nullcontext(db), secret="of the tests", finder=Finder())
    person = samples.user(db, first_name="Ada")
    # a browser leaves tabs and line ends out of an address
    hidden = ("/\t/example.org", "/\n/example.org", "/\r\n/example.org", "/\t\\example.org")
    for outside in (
        "https://example.org/",
        "//example.org",
        "/\\example.org",
        "javascript:alert(1)",
        *hidden,
    ):
        response = app.test_client().post("/sign-in", data={"person": person, "next": outside})
        assert response.location == "/", outside


def test_signing_in_at_the_head_of_a_page_leads_back_to_it_with_its_access_code(
    db: psycopg.Connection,
) -> None:
    app = create_app(lambda: nullcontext(db), secret="of the tests", finder=Finder())
    client, person = app.test_client(), samples.user(db, first_name="Ada")
    event = db.execute("SELECT identifier FROM events WHERE id = %s", [samples.event(db)]).fetchone()
    assert event is not None
    path = f"/events/{event[0]}?code=SPEAKER"
    head = re.search(r'<header.*?href="(/sign-in[^"]*)"', client.get(path).text, re.DOTALL)
    assert head is not None
    choice = client.get(html.unescape(head[1])).text
    assert "Sign in</a>" not in choice, "that page is where it leads"
    back = re.search(r'name="next" value="([^"]*)"', choice)
    assert back is not None
    signed_in = client.post("/sign-in", data={"person": person, "next": html.unescape(back[1])})
    assert signed_in.location == path


def test_a_page_that_needs_scripts_says_so_without_them(db: psycopg.Connection) -> None:
    app = create_app(lambda: nullcontext(db), secret="of the tests", finder=Finder())
    event = db.execute("SELECT identifier FROM events WHERE id = %s", [samples.event(db)]).fetchone()
    assert event is not None
    for needs, path in (("Searching", "/"), ("Buying", f"/events/{event[0]}")):
        told = re.search("<noscript>(.*?)</noscript>", app.test_client().get(path).text, re.DOTALL)
        assert told is not None, path
        assert f"{needs} needs JavaScript" in told[1]
