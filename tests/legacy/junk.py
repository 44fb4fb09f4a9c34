"""Values that real data holds and no rule allows, with some that look worse than they are."""

from __future__ import annotations

CLEAN_RATINGS = ("0", "1", "2", "3", "4", "5", "0.5", "1.5", "2.5", "3.5", "4.5")

HALF_STAR_RATINGS_WRITTEN_ODDLY = (
    " 4 ",
    "4.50",
    "+3",
    "05",
    "5.",
    ".5",
    "500e-2",
    "0.05e2",
    "\t2.5\r\n",
    "-0",
    "\v\f3",
    "0e999999999",
    "4.5E0",
    "0" * 99 + "4",
)

ROUNDED_RATINGS = (
    "4.3",
    "2.25",
    "0.24",
    "4.99",
    "4.749999",
    "1e-400000",
    "3.3333333333",
    "0." + "3" * 98,
    "1e-5",
)

UNREADABLE_RATINGS = (
    "great!",
    "",
    "   ",
    "5.01",
    "-1",
    "-0.1",
    "-1e-400000",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400000",
    "0x4",
    "4_0",
    "4,5",
    "٣",
    "４",
    "null",
    "4/5",
    "5 stars",
    "★★★★",
    "1e",
    ".",
    "--1",
    "e5",
    "'; DROP TABLE feedback; --",
    "\u00a04",
    "\u00014",
    "0" * 100 + "4",
    "9" * 1000,
    "1e9999999999999999999999",
)

NAMES = (
    "PyCon",
    "Café ☕ Zürich",
    "مؤتمر البرمجيات",
    "🎪🎟️ Festival",
    "line\u2028separator",
    "control\u0001character",
    "O'Reilly; DROP TABLE events; --",
    '"quoted" \\ back\\slash',
    "tab\tand\nnew line",
    "  spaces around  ",
    "ﷺ",
    "\u202ereversed",
)

DISCOUNT_VALUES = (
    float("nan"),
    float("inf"),
    float("-inf"),
    -5.0,
    150.0,
    100.0,
    0.0,
    12.5,
    1e308,
    1e-300,
    10.0,
)

TICKET_WORDS = ("event", "", " ", "abc", "0", "-1", "99999999999999999999", "1.5", "٣", "null", "None", "1 2")

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
    "Completed",
    "weird",
)
