"""update_rating: half stars for a plain decimal number from 0 to 5, 0 for any other text, and never an error."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    import psycopg

WHITE_SPACE = " \t\n\r\f\v"

TABLE = [
    ("0", "0"),
    ("5", "5"),
    ("2.25", "2.5"),
    ("2.75", "3"),
    ("0.25", "0.5"),
    ("0.24999999999999999999999999999999999999", "0"),
    ("4.75", "5"),
    ("4.7499999999999999999999999999999999999999", "4.5"),
    ("+3", "3"),
    ("-0", "0"),
    ("-0.0e5", "0"),
    ("007", "0"),
    ("0003", "3"),
    (".5", "0.5"),
    ("4.", "4"),
    (".", "0"),
    ("", "0"),
    ("   ", "0"),
    (None, "0"),
    (" \t\n\r\f\v3.5 \t\n\r\f\v", "3.5"),
    ("\u00a03", "0"),
    ("3\u2003", "0"),
    ("3 .5", "0"),
    ("great!", "0"),
    ("5.01", "0"),
    ("5.00000000000000000000000000000000000001", "0"),
    ("5.0000", "5"),
    ("-1", "0"),
    ("-0.1", "0"),
    ("NaN", "0"),
    ("nan", "0"),
    ("Infinity", "0"),
    ("-inf", "0"),
    ("1e400000", "0"),
    ("1e-400000", "0"),
    ("-1e-400000", "0"),
    ("0e400000", "0"),
    ("1e99999999999999999999999999", "0"),
    ("1e-99999999999999999999999999", "0"),
    ("1e0000000000000000000000000000000000000000", "1"),
    ("500e-2", "5"),
    ("0.05E+2", "5"),
    ("25e-1", "2.5"),
    ("1e", "0"),
    ("e1", "0"),
    ("1e1.5", "0"),
    ("1e+-1", "0"),
    ("++1", "0"),
    ("0x4", "0"),
    ("0b11", "0"),
    ("0o4", "0"),
    ("4_0", "0"),
    ("1_0e-1", "0"),
    ("4,5", "0"),
    ("٣", "0"),
    ("３", "0"),
    ("3٣", "0"),
    ("½", "0"),
    ("3'; DROP TABLE feedback; --", "0"),
    ('3"', "0"),
    ("3\\", "0"),
    ("3\n4", "0"),
    ("3" + " " * 1_000_000, "3"),
    ("3" * 1_000_000, "0"),
    ("0" * 99 + "3", "3"),
    ("0" * 100 + "3", "0"),
    (" " * 50 + "0" * 99 + "3" + " " * 50, "3"),
    ("4." + "0" * 98, "4"),
    ("4." + "0" * 99, "0"),
    ("." + "0" * 97 + "1e", "0"),
    ("x" * 1_000_000, "0"),
    ("😀", "0"),
    ("\u202e3", "0"),
    ("\u00013", "0"),
]

NUMBER = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)([eE]([+-]?[0-9]+))?")


def expected(text: str | None) -> Decimal:
    """The half stars of a text, from the rule as it is written, in exact arithmetic."""
    trimmed = (text or "").strip(WHITE_SPACE)
    number = NUMBER.fullmatch(trimmed)
    if len(trimmed) > 100 or number is None:
        return Decimal(0)
    exponent = max(-1000, min(1000, int(number[4] or 0)))
    with localcontext() as context:
        context.prec = 3000
        value = Decimal(number[1] + number[2]).scaleb(exponent)
        if not 0 <= value <= 5:
            return Decimal(0)
        return (value * 2).quantize(Decimal(1), ROUND_HALF_UP) / 2


def ask(connection: psycopg.Connection, texts: list[str | None]) -> list[Decimal]:
    """What the database makes of the texts."""
    cursor = connection.execute(
        "SELECT oeventdb.update_rating(rating => t.rating)"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS t (rating, place) ORDER BY place",
        [texts],
    )
    return [row[0] for row in cursor]


@pytest.mark.parametrize(("text", "stars"), TABLE, ids=lambda text: ascii(text)[:40])
def test_the_table_of_cases(shared_connection: psycopg.Connection, text: str | None, stars: str) -> None:
    found = ask(shared_connection, [text])[0]
    assert str(found) == stars
    assert found == expected(text)


digits = st.text("0123456789", max_size=12)
signs = st.sampled_from(["", "", "", "+", "-", "--"])
exponents = st.one_of(
    st.just(""),
    st.builds(
        "{}{}{}".format,
        st.sampled_from("eE"),
        signs,
        st.one_of(digits, st.integers(0, 12).map(str), st.integers(0, 10**30).map(str)),
    ),
)
spaces = st.text(WHITE_SPACE + "\u00a0\u2003", max_size=3)
spelled = st.builds(
    "{}{}{}{}{}".format, signs, digits, st.sampled_from(["", ".", ".", ","]), digits, exponents
)
near_a_boundary = st.builds(
    lambda quarter, tiny: f"{Decimal(quarter) / 4 + Decimal(tiny).scaleb(-40):f}",
    st.integers(0, 21),
    st.integers(-1, 1),
)
long_ones = st.builds(lambda zeros, tail: "0" * zeros + tail, st.integers(80, 101), spelled)
any_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
texts = st.one_of(
    spelled,
    near_a_boundary,
    long_ones,
    any_text,
    st.builds("{}{}{}".format, spaces, spelled, spaces),
    st.floats().map(str),
    st.decimals(allow_nan=True).map(str),
    st.text("0123456789+-.eE_x ", max_size=10),
    st.text(st.characters(categories=["Nd", "No", "Nl", "Zs"]), max_size=5),
    st.none(),
)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(texts, min_size=1, max_size=60))
@example([text for text, _ in TABLE if len(text or "") < 200])
def test_thousands_of_texts_get_the_stars_of_the_rule(
    shared_connection: psycopg.Connection, many: list[str | None]
) -> None:
    found = ask(shared_connection, many)
    assert [(text, stars) for text, stars in zip(many, found, strict=True)] == [
        (text, expected(text)) for text in many
    ]


def test_the_answer_is_spelled_the_same_however_the_number_was(shared_connection: psycopg.Connection) -> None:
    answers = ask(shared_connection, ["4.5", "4.50", "45e-1", "+04.500", " 4.5\n"])
    assert [str(answer) for answer in answers] == ["4.5"] * 5
