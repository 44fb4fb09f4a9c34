"""Rows as JSON:API resources: names with dashes, ids as strings, times with their offset."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Document = dict[str, Any]

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
TICKET_RELATIONSHIPS = ("event", "ticket-tags", "discount-codes", "access-codes", "attendees")


def document(self_link: str, **members: Any) -> Document:
    """A top-level document; its members are data and whatever else there is."""
    return {"links": {"self": self_link}, "jsonapi": {"version": "1.0"}} | members


def discount_code(row: Mapping[str, Any], prefix: str, fields: Iterable[str] | None = None) -> Document:
    """A discount code of kind 'ticket' has tickets, one of kind 'event' has events."""
    path = f"{prefix}/discount-codes/{row['id']}"
    covered = "tickets" if row["used_for"] == "ticket" else "events"
    relationships = {name: relationship(path, name) for name in ("event", "marketer", covered)}
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


def relationship(path: str, name: str) -> Document:
    """The links of a relationship of the resource at a path."""
    return {"links": {"self": f"{path}/relationships/{name}", "related": f"{path}/{name}"}}


def dashed(name: str) -> str:
    """``sales_starts_at`` as ``sales-starts-at``."""
    return name.replace("_", "-")


def value(item: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(item, datetime):
        return _utc(item).isoformat()
    if isinstance(item, (Decimal, float)):
        # a legacy table may hold NaN, which is no number of JSON
        if not math.isfinite(item):
            return None
        return int(item) if item == int(item) else float(item)
    return item


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # in the last hours of the last year, west of Greenwich
        return moment
