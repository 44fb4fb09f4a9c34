"""JSON Schemas of the documents that the routes take and give, from the rows they are made of."""

from __future__ import annotations

import types
import typing
from datetime import datetime
from decimal import Decimal
from typing import Any

from oeventdb import rows
from oeventdb.flask import search
from oeventdb.flask.documents import CODE_ATTRIBUTES, TICKET_RELATIONSHIPS, dashed
from oeventdb.flask.ticket_documents import TICKET_ATTRIBUTES

Schema = dict[str, Any]

_JSON: dict[Any, Schema] = {
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    Decimal: {"type": "number"},
    int: {"type": "integer"},
    str: {"type": "string"},
}
_NOT_IN_ROWS: dict[str, Any] = {
    "deleted_at": datetime | None,
    "discount_url": str | None,
    "is_description_visible": bool | None,
    "is_fee_absorbed": bool | None,
}
_ID = {"type": "string", "pattern": "^[0-9]{1,19}$"}
_LINKS = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}


def components() -> dict[str, Schema]:
    """The schemas by name: of resources, of whole documents, and of their parts."""
    resources = {
        "ticket": _resource("ticket", _attributes(rows.Ticket, TICKET_ATTRIBUTES), TICKET_RELATIONSHIPS),
        "discount-code": _resource("discount-code", _attributes(rows.DiscountCode, CODE_ATTRIBUTES)),
        "feedback": _resource("feedback", _made(rows.Feedback)),
        "attendee": _resource("attendee", _made(rows.TicketHolder)),
        "order": _resource("order", _made(rows.Order)),
        "feedback-summary": _resource(
            "feedback-summary", _attributes(rows.EventRating, ("average", "count"))
        ),
        "event": _resource("event", {name: {} for name in search.ATTRIBUTES}),
    }
    one = {f"{name}-document": _document(_reference(name)) for name in resources}
    one["discount-code-document"]["properties"]["included"] = _list(_reference("ticket"))
    many = {f"{name}-list": _document(_list(_reference(name)), counted=True) for name in ("ticket", "event")}
    return {
        **resources,
        **one,
        **many,
        "ticket-identifier": identifier({"const": "ticket"}),
        "ticket-linkage": _document(_list(_reference("ticket-identifier"))),
        "to-one": _object({"data": identifier({"type": "string"})}, "data"),
        "errors": _object({"errors": _list(_error()) | {"minItems": 1}, "jsonapi": _version()}, "errors"),
    }


def identifier(type_: Schema) -> Schema:
    """A resource identifier."""
    return _object({"type": type_, "id": _ID}, "type", "id")


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _document(data: Schema, *, counted: bool = False) -> Schema:
    meta = {"meta": _object({"count": {"type": "integer", "minimum": 0}}, "count")} if counted else {}
    properties = {"data": data, "links": _LINKS, "jsonapi": _version()} | meta
    return _object(properties, *properties)


def _resource(type_: str, attributes: Schema, relationships: tuple[str, ...] = ()) -> Schema:
    related = {"type": "object", "additionalProperties": {"type": "object"}}
    if relationships:
        related = {"type": "object", "propertyNames": {"enum": list(relationships)}}
    shown = {"type": "object", "properties": attributes, "additionalProperties": False}
    properties = {
        "type": {"const": type_},
        "id": _ID,
        "attributes": shown,
        "relationships": related,
        "links": _LINKS,
        "meta": {"type": "object"},
    }
    return _object(properties, "type", "id", "attributes") | {"additionalProperties": False}


def _made(row: type) -> Schema:
    names = [name for name in typing.get_type_hints(row) if name != "id" and not name.endswith("_id")]
    return _attributes(row, names)


def _attributes(row: type, names: typing.Iterable[str]) -> Schema:
    hints = _NOT_IN_ROWS | typing.get_type_hints(row)
    return {dashed(name): _schema(hints[name]) for name in names}


def _schema(hint: Any) -> Schema:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        (present,) = [part for part in typing.get_args(hint) if part is not types.NoneType]
        schema = _JSON[present]
        return schema | {"type": [schema["type"], "null"]}
    # a number of a legacy table may be none that JSON can say
    return _JSON[hint] | ({"type": ["number", "null"]} if hint is Decimal else {})


def _version() -> Schema:
    return _object({"version": {"const": "1.0"}}, "version")


def _error() -> Schema:
    source = {name: {"type": "string"} for name in ("pointer", "parameter", "header")}
    properties = {
        "status": {"type": "string", "pattern": "^[45][0-9]{2}$"},
        "code": {"type": "string", "pattern": "^OE[0-9]{3}$"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "source": _object(source) | {"additionalProperties": False},
        "meta": {"type": "object"},
    }
    return _object(properties, "status", "title", "detail") | {"additionalProperties": False}
