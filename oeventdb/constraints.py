"""The named constraints and unique indexes that the migrations add, by table.

Each with the SQLSTATE of the error that a raw write meets which breaks it (the same error that the
functions raise), and the rule in a sentence. ``oeventdb.errors`` makes the exceptions of it; a test
compares it with the live catalog.
"""

from __future__ import annotations

RULES: dict[str, dict[str, tuple[str, str]]] = {
    "access_codes": {
        "access_codes_used_number": (
            "OE107",
            "An access code is used as often as its orders say, at most tickets_number times.",
        ),
    },
    "discount_codes": {
        "discount_codes_code": ("OE400", "A code has a text."),
        "discount_codes_event_code": (
            "OE205",
            "A code that is not deleted is the only one of its event, in upper or lower case.",
        ),
        "discount_codes_kind": ("OE201", "A code is of one event and kind, by which tickets refer to it."),
        "discount_codes_max_quantity": ("OE205", "max_quantity is 0 or more."),
        "discount_codes_min_quantity": ("OE205", "min_quantity is from 0 to max_quantity."),
        "discount_codes_tickets_number": ("OE205", "tickets_number is 0 or more, and at least max_quantity."),
        "discount_codes_type": ("OE400", "The type is amount or percent."),
        "discount_codes_used_for": ("OE400", "The kind is ticket or event."),
        "discount_codes_used_number": (
            "OE203",
            "A discount code is used as often as its orders say, at most tickets_number times.",
        ),
        "discount_codes_valid_till": ("OE205", "valid_from is before valid_till."),
        "discount_codes_value": ("OE205", "The value is a number from 0, for a percentage to 100."),
    },
    "events": {
        "events_discount_code": ("OE404", "An event's discount code exists."),
    },
    "feedback": {
        "feedback_rating_half_stars": ("OE501", "A rating is a number of half stars from 0 to 5."),
        "feedback_user_event": (
            "OE400",
            "A user has one feedback for an event: update it, or call submit_feedback.",
        ),
        "feedback_user_session": (
            "OE400",
            "A user has one feedback for a session: update it, or call submit_feedback.",
        ),
    },
    "orders": {
        "orders_access_code": ("OE404", "An order's access code exists."),
        "orders_code_seats": ("OE400", "The seats that used a code are 0 or more."),
    },
    "orders_tickets": {
        "orders_tickets_ticket": ("OE104", "A ticket that is in an order exists, and cannot be deleted."),
    },
    "ticket_holders": {
        "ticket_event": ("OE101", "An admission of a ticket has one holder."),
        "ticket_holders_admission": (
            "OE101",
            "A holder holds an admission that the ticket's quantity provides.",
        ),
        "ticket_holders_admission_complete": ("OE400", "An admission is one of a ticket of an event."),
        "ticket_holders_ticket": ("OE104", "A ticket that has holders exists, and cannot be deleted."),
    },
    "tickets": {
        "tickets_discount_code": (
            "OE201",
            "A ticket's discount code is of kind 'ticket' and of the ticket's event.",
        ),
        "tickets_discount_code_event": ("OE105", "A ticket with a discount code has an event."),
        "tickets_discount_code_kind": ("OE201", "A ticket's code is of kind 'ticket'."),
        "tickets_event": ("OE105", "A ticket is of one event, by which others refer to it."),
        "tickets_quantity": ("OE400", "A quantity is 0 or more, NULL for unlimited."),
    },
}
