"""What real installations hold besides good data, in the proportions of the demo."""

from __future__ import annotations

import random

FIRST_NAMES = (
    "Ada Alan Amina Barbara Chidi Dennis Edsger Fatima Grace Hedy Ivan Jun Katherine Linus Margaret Niklaus Olga "
    "Paulo Radia Sofia Tim Ursula Wei Yukihiro Zoë ليلى"
).split()
LAST_NAMES = (
    "Lovelace Turing Liskov Ritchie Dijkstra Hopper Lamarr Johnson Torvalds Hamilton Wirth Perlman Berners-Lee "
    "Matsumoto O'Neil Müller Nguyễn Łukasiewicz García Okafor Sato"
).split()

COMMENTS = (
    None,
    "",
    "Great talks.",
    "The coffee was cold ☕",
    "رائع",
    "Would come again",
    "Too loud; too long",
)

NAME_SUFFIXES = {111: " 🎉", 222: "\u2028", 333: "\u0001"}
"""Appended to the name of an event, by its id modulo 500."""

HUGE_DESCRIPTION = "<p>" + "This description was pasted from a word processor, twice. " * 4_400 + "</p>"
"""About 250 kB."""

ORDER_STATUSES = (
    "completed",
    "placed",
    "confirmed",
    "pending",
    "initialized",
    "cancelled",
    "expired",
    "deleted",
    None,
)
ORDER_STATUS_WEIGHTS = (70, 5, 2, 5, 3, 8, 4, 2, 1)

CLEAN_RATINGS = ("5", "4", "4.5", "3", "3.5", "2", "1")
ODD_RATINGS = (
    "great!",
    "5 stars",
    "",
    "6",
    "-1",
    "4,5",
    "4.3",
    "3.75",
    " 4 ",
    "4.50",
    "1e400000",
    "NaN",
    "★★★★★",
    "٣",
)

PLACES = {
    "Amsterdam": (52.37, 4.90),
    "Austin": (30.27, -97.74),
    "Barcelona": (41.39, 2.17),
    "Berlin": (52.52, 13.40),
    "Chicago": (41.88, -87.63),
    "Dublin": (53.35, -6.26),
    "London": (51.51, -0.13),
    "New York": (40.71, -74.01),
    "Paris": (48.86, 2.35),
    "San Francisco": (37.77, -122.42),
    "Singapore": (1.35, 103.82),
    "Vienna": (48.21, 16.37),
    "Zurich": (47.38, 8.54),
}
"""Latitude and longitude of some cities."""


def rating(chance: random.Random) -> str:
    """A rating as the legacy application took it: any text."""
    return chance.choice(ODD_RATINGS if chance.random() < 0.08 else CLEAN_RATINGS)


def holder_event(chance: random.Random, event_id: int) -> int | None:
    """The event of a holder: none in rows from before 2017-07-19, and sometimes another event."""
    share = chance.random()
    if share < 0.1:
        return None
    return max(1, event_id - 1) if share < 0.11 else event_id


def identifier(chance: random.Random) -> str | None:
    """Eight hexadecimal digits, but for those events that have none or share one."""
    share = chance.random()
    if share < 0.005:
        return None
    return "ab12cd34" if share < 0.008 else f"{chance.getrandbits(32):08x}"


def ticket_text(chance: random.Random, used_for: str, ids: list[int], number: int) -> str | None:
    """What the application wrote into discount_codes.tickets of an event's code of that number."""
    if used_for == "event":
        return chance.choice(["event", None, ""])
    share = chance.random()
    if share < 0.03:
        return chance.choice([None, "", "event", "all"])
    words = [str(ticket) for ticket in (ids if number == 0 or share < 0.4 else ids[1:])]
    if share > 0.97:
        words.append(str(ids[0] + 100_000 if share > 0.985 else max(1, ids[0] - 5)))
    return chance.choice([",", ", "]).join(words)
