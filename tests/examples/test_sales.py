"""The organizer's page of the example shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.examples.conftest import Shop, buy, follow, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def event(shop: Shop) -> str:
    """The address of an event that Grace organizes."""
    event, url = shop.event(Workshop=5, Conference=10)
    shop.db.execute("INSERT INTO roles (name) VALUES ('organizer') ON CONFLICT DO NOTHING")
    shop.db.execute(
        "INSERT INTO users_events_roles (event_id, user_id, role_id)"
        " SELECT %s, u.id, r.id FROM users AS u, roles AS r"
        " WHERE u.first_name = 'Grace' AND r.name = 'organizer'",
        [event],
    )
    return url


def test_the_organizer_sees_what_was_sold_and_when(browser: Browser, event: str) -> None:
    buyer = visit(browser, event, name="Ada")
    buy(buyer, 2, "Workshop")
    follow(buyer.get_by_role("link", name="Pay now"))
    follow(buyer.get_by_role("button", name="Pay €40.00"))
    buyer.goto(event)
    buy(buyer, 3, "Conference")

    page = visit(browser, f"{event}/sales", name="Grace")

    rows = [row.inner_text().split() for row in page.locator("tbody tr").all()]
    assert rows == [["Workshop", "2", "0", "5", "€40.00"], ["Conference", "0", "3", "10", "€0.00"]]
    assert page.locator(".totals dd").all_inner_texts() == ["€40.00", "2", "3"]
    columns = page.locator(".chart .column")
    heights = [float(column.get_attribute("height") or "nan") for column in columns.all()]
    assert heights[:-1] == [0] * 13
    assert heights[-1] == 60, "two orders today, on a scale up to four"
    assert "2 today" in str(page.locator("#chart-title").text_content())


def test_a_stranger_is_refused(browser: Browser, event: str) -> None:
    page = visit(browser, event, name="Alan")
    response = page.goto(f"{event}/sales")
    assert response is not None
    assert response.status == 403
    assert "organizer" in page.locator("main").inner_text()
    assert page.locator(".chart").count() == 0


def test_who_is_not_signed_in_is_asked_to(browser: Browser, event: str) -> None:
    page = visit(browser, f"{event}/sales")
    follow(page.get_by_role("button", name="Grace", exact=True))
    assert page.url == f"{event}/sales"
    assert page.locator(".chart").count() == 1
