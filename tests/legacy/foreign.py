"""Sixty tables of an Open Event database that are none of our business."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

LINKED = {
    "ticket_fees": None,
    "tax": ("event_id", "events", "CASCADE"),
    "event_invoices": ("discount_code_id", "discount_codes", "SET NULL"),
    "sessions": ("event_id", "events", "CASCADE"),
    "speakers": ("event_id", "events", "CASCADE"),
    "sponsors": ("event_id", "events", "CASCADE"),
    "microlocations": ("event_id", "events", "CASCADE"),
    "tracks": ("event_id", "events", "CASCADE"),
    "notifications": ("user_id", "users", "CASCADE"),
    "role_invites": ("role_id", "roles", "CASCADE"),
    "order_history": ("order_id", "orders", "CASCADE"),
    "attendee_badges": ("holder_id", "ticket_holders", "CASCADE"),
    "ticket_images": ("ticket_id", "tickets", "CASCADE"),
    "feedback_replies": ("feedback_id", "feedback", "CASCADE"),
}
"""Tables that point into ours: the column, the table and what follows a delete."""

PLAIN = (
    "activities alembic_version_copy call_for_papers copyrights custom_forms custom_placeholders custom_system_roles "
    "email_notifications event_copyrights event_sub_topics event_topics event_types events_orga export_jobs "
    "faq faq_types image_sizes import_jobs mails message_settings modules notification_actions pages panel_permissions "
    "permissions service session_types settings social_links speakers_calls speakers_sessions stripe_authorizations "
    "system_role user_emails user_permissions user_system_role users_groups versions transaction events_version "
    "sessions_version speakers_version tracks_version sponsors_version microlocations_version bookmarks"
).split()

TABLES = (*LINKED, *PLAIN)


def create(connection: psycopg.Connection[Any], rows: int = 3) -> None:
    """Create and fill the tables in the caller's transaction; those that point into ours name rows that are there."""
    for number, table in enumerate(TABLES):
        name = sql.Identifier("public", table)
        connection.execute(
            sql.SQL(
                "CREATE TABLE {} (id serial PRIMARY KEY, payload varchar, amount float8, noted timestamptz)"
            ).format(name)
        )
        connection.execute(
            sql.SQL(
                "INSERT INTO {} (payload, amount, noted)"
                " SELECT 'row ' || g || ' of %', g / 7.0, '2018-05-01Z'::timestamptz + g * interval '1 hour'"
                " FROM generate_series(1, {}) g"
            ).format(name, sql.Literal(rows + number % 4))
        )
        link = LINKED.get(table)
        if link is not None:
            column, target, action = link
            connection.execute(
                sql.SQL("ALTER TABLE {} ADD {} bigint REFERENCES {} ON DELETE " + action).format(
                    name, sql.Identifier(column), sql.Identifier("public", target)
                )
            )
            # rows that point at holders go with those that are removed: test_surroundings has them
            if table != "attendee_badges":
                connection.execute(
                    sql.SQL("UPDATE {} SET {} = (SELECT min(id) FROM {})").format(
                        name, sql.Identifier(column), sql.Identifier("public", target)
                    )
                )
