"""Rows as JSON:API resources: names with dashes, ids as strings, times with their offset."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from oeventdb.rows import Ticket

Document = dict[str, Any]

TICKET_ATTRIBUTES = tuple(field.name for field in dataclasses.fields(Ticket) if not field.name.endswith("id"))
CODE_ATTRIBUTES = (
    "code",
    "discount_url",
    "value",
    "type",
    "is_active",
    "tickets_number",
    "min_quantity",
    "max_quantity",
    "valid_from",
    "valid_till",
    "used_for",
    "created_at",
    "deleted_at",
)
_TICKET_RELATIONSHIPS = ("event", "ticket-tags", "discount-codes", "access-codes")


def document(data: Any, self_link: str, **members: Any) -> Document:
    """A top-level document."""
    return {"data": data, "links": {"self": self_link}, "jsonapi": {"version": "1.0"}} | members


def ticket(row: Ticket, prefix: str, fields: Iterable[str] | None = None) -> Document:
    """A ticket; fields are the members to show, None for all."""
    path = f"{prefix}/tickets/{row.id}"
    relationships = {name: _relationship(path, name) for name in _TICKET_RELATIONSHIPS}
    relationships["attendees"] = _relationship(path, "attendees") | {
        "links": {
            "self": f"{path}/relationships/attendees",
            "related": f"{prefix}/attendees?ticket_id={row.id}",
        }
    }
    attributes = {dashed(name): value(getattr(row, name)) for name in TICKET_ATTRIBUTES}
    return _resource("ticket", row.id, attributes, relationships, path, fields)


def discount_code(row: Mapping[str, Any], prefix: str, fields: Iterable[str] | None = None) -> Document:
    """A discount code of kind 'ticket' has tickets, one of kind 'event' has events."""
    path = f"{prefix}/discount-codes/{row['id']}"
    covered = "tickets" if row["used_for"] == "ticket" else "events"
    relationships = {name: _relationship(path, name) for name in ("event", "marketer", covered)}
    attributes = {dashed(name): value(row[name]) for name in CODE_ATTRIBUTES if name in row}
    return _resource("discount-code", row["id"], attributes, relationships, path, fields)


def made(type_: str, row: Any, path: str) -> Document:
    """A row that a POST has made, e.g. an attendee or a feedback."""
    names = [field.name for field in dataclasses.fields(row) if field.name != "id"]
    attributes = {dashed(n): value(getattr(row, n)) for n in names if not n.endswith("_id")}
    relationships = {
        dashed(name.removesuffix("_id")): {
            "data": {"type": dashed(name.removesuffix("_id")), "id": str(getattr(row, name))}
        }
        for name in names
        if name.endswith("_id") and getattr(row, name) is not None
    }
    return _resource(type_, row.id, attributes, relationships, path, None)


def _resource(
    type_: str,
    id_: int,
    attributes: Document,
    relationships: Document,
    path: str,
    fields: Iterable[str] | None,
) -> Document:
    if fields is not None:
        shown = set(fields)
        attributes = {name: item for name, item in attributes.items() if name in shown}
        relationships = {name: item for name, item in relationships.items() if name in shown}
    return {
        "type": type_,
        "id": str(id_),
        "attributes": attributes,
        "relationships": relationships,
        "links": {"self": path},
    }


def _relationship(path: str, name: str) -> Document:
    return {"links": {"self": f"{path}/relationships/{name}", "related": f"{path}/{name}"}}


def dashed(name: str) -> str:
    """``sales_starts_at`` as ``sales-starts-at``."""
    return name.replace("_", "-")


def value(item: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(item, datetime):
        return item.isoformat()
    if isinstance(item, Decimal):
        return int(item) if item == item.to_integral_value() else float(item)
    return item
