"""The example shop, used in a real browser."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests import samples
from tests.examples.conftest import PATIENCE, Shop, buy, choose, follow, open_browser, press_buy, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def left(page: Page, ticket: str) -> str:
    """What a page says about a ticket."""
    return page.locator(f"[data-name={ticket}] .left").inner_text()


def expect_left(page: Page, ticket: str, text: str) -> None:
    """Wait until a page says so about a ticket, without being loaded again."""
    expect(page.locator(f"[data-name={ticket}] .left")).to_have_text(text)


def test_a_purchase_is_seen_by_other_visitors_without_loading_the_page_again(
    shop: Shop, browser: Browser
) -> None:
    event, url = shop.event(Workshop=5)
    onlooker = visit(browser, url)
    assert left(onlooker, "Workshop") == "5 of 5 left"
    onlooker.evaluate("window.loadedOnce = true")

    told = buy(visit(browser, url, name="Ada"), 2, "Workshop")

    assert UUID.search(told)
    assert "€40.00" in told
    expect_left(onlooker, "Workshop", "3 of 5 left")
    assert onlooker.evaluate("window.loadedOnce") is True
    assert shop.orders(event) == [("pending", "ada@example.org")]


def test_an_order_is_paid(shop: Shop, browser: Browser) -> None:
    event, url = shop.event(Workshop=5)
    page = visit(browser, url, name="Ada")
    buy(page, 2, "Workshop")
    follow(page.get_by_role("link", name="Pay now"))
    follow(page.get_by_role("button", name="Pay €40.00"))
    expect(page.locator(".note")).to_contain_text("Complete")
    assert page.locator("main button").count() == 0
    assert shop.orders(event) == [("completed", "ada@example.org")]


def test_an_order_is_given_back_and_others_may_have_its_seats(shop: Shop, browser: Browser) -> None:
    event, url = shop.event(Workshop=2)
    onlooker = visit(browser, url)
    page = visit(browser, url, name="Ada")
    buy(page, 2, "Workshop")
    expect_left(onlooker, "Workshop", "Sold out")
    follow(page.get_by_role("link", name="Pay now"))
    follow(page.get_by_role("button", name="Give the tickets back"))
    expect(page.locator(".note")).to_contain_text("cancelled")
    expect_left(onlooker, "Workshop", "2 of 2 left")
    assert shop.orders(event) == [("cancelled", "ada@example.org")]


def test_the_seats_are_sold_up_to_the_last_and_then_sold_out(shop: Shop, browser: Browser) -> None:
    event, url = shop.event(Workshop=3, Conference=10)
    late = visit(browser, url, name="Alan")
    choose(late, 1, "Workshop")
    page = visit(browser, url, name="Ada")
    assert UUID.search(buy(page, 2, "Workshop"))
    assert "you asked for 2 × Workshop, 1 can be had" in buy(page, 2, "Workshop")
    assert UUID.search(buy(page, 1, "Workshop"))

    expect_left(page, "Workshop", "Sold out")
    expect(page.get_by_label("Workshop")).to_be_disabled()
    choose(late, 1, "Conference")
    assert "Sold out" in press_buy(late)
    assert len(shop.orders(event)) == 2, "an order is whole or not at all"


def test_of_two_browsers_that_want_the_last_ticket_one_gets_it(shop: Shop) -> None:
    event, url = shop.event(Workshop=1)
    together = threading.Barrier(2, timeout=PATIENCE / 1000)

    def compete(name: str) -> str:
        with open_browser() as own:
            page = visit(own, url, name=name)
            choose(page, 1, "Workshop")
            together.wait()
            told = press_buy(page)
            expect_left(page, "Workshop", "Sold out")
            return told

    with ThreadPoolExecutor(2) as competitors:
        told = dict(zip(("Ada", "Alan"), competitors.map(compete, ("Ada", "Alan")), strict=True))

    winners = [name for name, words in told.items() if UUID.search(words)]
    losers = [name for name, words in told.items() if words.startswith("Sold out")]
    assert len(winners) == len(losers) == 1, told
    assert shop.orders(event) == [("pending", f"{winners[0].lower()}@example.org")]


def test_buying_again_after_no_answer_came_buys_nothing_twice(shop: Shop, browser: Browser) -> None:
    event, url = shop.event(Workshop=5)
    page = visit(browser, url, name="Ada")

    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/v1/orders", lose_the_answer, times=1)
    assert "No answer" in buy(page, 1, "Workshop")
    assert len(shop.orders(event)) == 1, "it was bought all the same"
    assert UUID.search(press_buy(page))
    assert len(shop.orders(event)) == 1
    assert UUID.search(buy(page, 1, "Workshop"))
    assert len(shop.orders(event)) == 2, "the next purchase is another one"


def test_an_answer_that_cannot_be_read_is_none_and_the_button_works_again(
    shop: Shop, browser: Browser
) -> None:
    event, url = shop.event(Workshop=5)
    page = visit(browser, url, name="Ada")

    def cut_the_answer(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.body()[:20])

    page.route("**/v1/orders", cut_the_answer, times=1)
    assert "No answer" in buy(page, 1, "Workshop")
    assert UUID.search(press_buy(page))
    assert len(shop.orders(event)) == 1


def test_a_hidden_ticket_is_seen_and_sold_with_its_access_code_only(shop: Shop, browser: Browser) -> None:
    event, url = shop.event(Workshop=5)
    hidden = samples.ticket(shop.db, event, name="Speaker", type="free", price=0, is_hidden=True)
    samples.access_code(shop.db, event, [hidden], code="BackDoor")
    page = visit(browser, url, name="Ada")
    assert page.get_by_label("Speaker").count() == 0
    assert str(hidden) not in page.request.get(f"{url}/availability").json()

    page.get_by_label("Access code").fill("backdoor")
    follow(page.get_by_role("button", name="Show"))
    assert "Complete" in buy(page, 1, "Speaker")
    assert shop.orders(event) == [("completed", "ada@example.org")]


def test_a_discount_code_that_is_not_known_is_refused_in_words(shop: Shop, browser: Browser) -> None:
    event, url = shop.event(Workshop=5)
    page = visit(browser, url, name="Ada")
    page.get_by_label("Discount code").fill("NONSENSE")
    assert buy(page, 1, "Workshop").startswith("Discount code invalid")
    assert shop.orders(event) == []


def test_who_is_not_signed_in_is_asked_to_and_comes_back(shop: Shop, browser: Browser) -> None:
    _, url = shop.event(Workshop=5)
    page = visit(browser, url)
    follow(page.get_by_role("link", name="Sign in to buy"))
    follow(page.get_by_role("button", name="Ada", exact=True))
    assert page.url == url
    assert UUID.search(buy(page, 1, "Workshop"))


def test_no_page_is_wider_than_a_phone(shop: Shop, browser: Browser) -> None:
    _, url = shop.event(Workshop=5)
    page = visit(browser, url, name="Ada")
    page.set_viewport_size({"width": 390, "height": 800})
    for address in (shop.url, url, f"{shop.url}/sign-in"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
