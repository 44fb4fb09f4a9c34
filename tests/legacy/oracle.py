"""What the migrations have to make of a dirty legacy database, told the simple way in Python."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Tables = dict[str, list[dict[str, Any]]]

WHITE_SPACE = " \t\n\r\f\v"
RANK = {"completed": 1, "placed": 2, "confirmed": 3, "pending": 4, "cancelled": 6, "expired": 7, "deleted": 8}


def stars(rating: str) -> Decimal:
    """The half stars of a rating; 0 for what is no number from 0 to 5."""
    text = rating.strip(WHITE_SPACE)
    if len(text) > 100 or not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return Decimal(0)
    mantissa, _, exponent = text.lower().partition("e")
    if abs(int(exponent or 0)) > 1000:
        text = f"{mantissa}e{'-' if exponent.startswith('-') else ''}1000"
    value = Decimal(text)
    if not 0 <= value <= 5:
        return Decimal(0)
    return (value * 2).quantize(Decimal(1), ROUND_HALF_UP) / 2


def oversold(tables: Tables) -> set[int]:
    """The holders beyond the quantity of their ticket: those of dead orders first, then the latest."""
    quantities = {
        ticket["id"]: ticket["quantity"] for ticket in tables["tickets"] if ticket["event_id"] is not None
    }
    statuses = {order["id"]: order["status"] for order in tables["orders"]}
    holders = defaultdict(list)
    for holder in tables["ticket_holders"]:
        if quantities.get(holder["ticket_id"]) is not None:
            holders[holder["ticket_id"]].append(
                (RANK.get(statuses.get(holder["order_id"]) or "", 5), holder["id"])
            )
    return {place[1] for ticket, places in holders.items() for place in sorted(places)[quantities[ticket] :]}


def claims(tables: Tables) -> dict[int, list[int]]:
    """By ticket, the ticket codes of its own event whose texts name it, lowest first."""
    events = {ticket["id"]: ticket["event_id"] for ticket in tables["tickets"]}
    found: dict[int, list[int]] = defaultdict(list)
    for code in sorted(tables["discount_codes"], key=lambda code: code["id"]):
        if code["used_for"] != "ticket" or code["event_id"] is None:
            continue
        words = {word.strip(WHITE_SPACE) for word in (code["tickets"] or "").split(",")}
        for ticket in {int(word) for word in words if re.fullmatch("[0-9]{1,18}", word)}:
            if events.get(ticket) == code["event_id"]:
                found[ticket].append(code["id"])
    return found
