"""In an adopted database, what adopt allows to differ is no difference, and everything else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from oeventdb import schema
from tests.schema import open_event
from tests.schema.test_check import tampered

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Databases

VALUE = "ALTER TABLE public.discount_codes DROP CONSTRAINT discount_codes_value, ADD CONSTRAINT discount_codes_value CHECK "


@pytest.fixture(scope="module")
def adopted_template(databases: Databases) -> str:
    """Return the name of a database of Open Event that was adopted and migrated, to copy."""
    dsn = databases.create()
    with psycopg.connect(dsn) as connection:
        open_event.create(connection, grown=True)
        connection.execute("ALTER TABLE public.discount_codes ALTER type TYPE text, ALTER code TYPE text")
        connection.execute("ALTER TABLE public.orders ALTER status TYPE text")
        connection.execute(
            "CREATE FUNCTION public.own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
        )
        connection.execute(
            "CREATE TRIGGER own BEFORE UPDATE ON public.tickets FOR EACH ROW EXECUTE FUNCTION public.own()"
        )
        connection.execute("CREATE POLICY own ON public.feedback USING (comment IS NOT NULL)")
        connection.execute("ALTER TABLE public.feedback ENABLE ROW LEVEL SECURITY")
        schema.adopt(connection)
    schema.migrate(dsn)
    return str(conninfo_to_dict(dsn)["dbname"])


@pytest.fixture
def adopted(new_database: Callable[[str | None], str], adopted_template: str) -> str:
    """Return the DSN of a database of Open Event that was adopted and migrated."""
    return new_database(adopted_template)


def test_keys_types_names_triggers_and_policies_of_its_own_are_no_difference(adopted: str) -> None:
    assert tampered(adopted) == []


def test_a_key_with_a_dot_in_its_name_is_the_key(adopted: str) -> None:
    rename = 'ALTER TABLE public.orders RENAME CONSTRAINT orders_user_id_fkey TO "orders.user_id"'
    assert tampered(adopted, rename) == []


@pytest.mark.parametrize("change", ["ALTER {} SET NOT NULL", "ALTER {} SET DEFAULT 1"])
def test_a_value_that_the_installation_requires_or_fills_in_is_no_difference(
    adopted: str, change: str
) -> None:
    for table, column in (("tickets", "quantity"), ("users_events_roles", "role_id")):
        assert tampered(adopted, f"ALTER TABLE public.{table} {change.format(column)}") == []


@pytest.mark.parametrize(
    ("statement", "diff"),
    [
        ("ALTER TABLE public.events ALTER name DROP NOT NULL", "- nullable: not null\n+ nullable: null"),
        ("ALTER TABLE public.discount_codes ALTER is_legacy DROP DEFAULT", "- default: false"),
    ],
)
def test_a_value_that_is_required_or_filled_in_no_more_is_named(
    adopted: str, statement: str, diff: str
) -> None:
    (found,) = tampered(adopted, statement)
    assert found.diff == diff


@pytest.mark.parametrize("name", ["ticket_holders_order_id_fkey", "own"])
def test_an_old_key_that_old_rows_break_is_no_difference(adopted: str, name: str) -> None:
    statement = (
        "ALTER TABLE public.ticket_holders DROP CONSTRAINT ticket_holders_order_id_fkey,"
        f" ADD CONSTRAINT {name} FOREIGN KEY (order_id) REFERENCES public.orders ON DELETE CASCADE NOT VALID"
    )
    assert tampered(adopted, statement) == []


@pytest.mark.parametrize(
    "condition",
    [
        "(value >= 0 AND value < 'Infinity' AND type <> 'percent') OR value <= 100",
        "value >= 0 AND value < 'Infinity' AND (type <> '(percent)' OR value <= 100)",
    ],
)
def test_a_rule_with_other_parentheses_is_another_rule(adopted: str, condition: str) -> None:
    (found,) = tampered(adopted, f"{VALUE} ({condition}) NOT VALID")
    assert (found.object, found.state) == ("public.discount_codes.discount_codes_value", "altered")


def test_a_rule_that_old_rows_may_break_is_named(adopted: str) -> None:
    (found,) = tampered(
        adopted, "UPDATE pg_constraint SET convalidated = false WHERE conname = 'feedback_rating_half_stars'"
    )
    assert found.diff == "- validated: yes\n+ validated: no"
