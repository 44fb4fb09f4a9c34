"""A description of the routes in OpenAPI 3.1, served at ``/openapi.json``."""

from __future__ import annotations

import re
from typing import Any

import oeventdb
from oeventdb.flask import schemas, search
from oeventdb.flask.bodies import LARGEST_BODY
from oeventdb.flask.negotiation import MEDIA_TYPE
from oeventdb.flask.queries import LARGEST_PAGE, USUAL_PAGE
from oeventdb.flask.requests import Route
from oeventdb.flask.tickets import ATTRIBUTES, MEMBERS

PATH = "/openapi.json"

_LINKAGE = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/ticket-identifier"}}},
}
_TEXT = {"type": ["string", "null"]}
_SEAT = {
    "type": "object",
    "required": ["ticket-id", "quantity"],
    "properties": {
        "ticket-id": {"type": "integer", "minimum": 1},
        "quantity": {"type": "integer", "minimum": 1, "maximum": 10000},
        "price": {"type": "number", "minimum": 0, "description": "for a donation only"},
        "holders": {"type": "array", "items": {"type": "object"}},
    },
}
_RESOURCES: dict[str, tuple[str, dict[str, Any], list[str], list[str]]] = {
    "/feedbacks": (
        "feedback",
        {"rating": {"type": ["string", "number"]}, "comment": _TEXT},
        ["rating"],
        ["event"],
    ),
    "/attendees": (
        "attendee",
        {"firstname": {"type": "string"}, "lastname": {"type": "string"}, "email": _TEXT},
        ["firstname", "lastname"],
        ["ticket"],
    ),
    "/orders": (
        "order",
        {
            "email": {"type": "string"},
            "lines": {"type": "array", "minItems": 1, "maxItems": 100, "items": _SEAT},
            "discount-code": _TEXT,
            "access-code": _TEXT,
        },
        ["email", "lines"],
        ["event"],
    ),
}
"""What is posted where: the type, its attributes, and those and the relationships that must be there."""

_REFUSALS = {
    "400": "A parameter or the document is malformed.",
    "401": "There is no bearer token, or no valid one.",
    "403": "This user may not.",
    "404": "What is named does not exist, or not for this user.",
    "406": f"The client does not accept {MEDIA_TYPE}.",
    "503": "A server behind this one cannot be reached, or takes no writes.",
}
_CHANGED = {"412": "It was changed since the client has read it."}
_REFUSALS_OF_BODIES = {
    "409": "The state of things, or the type of a resource, is in the way.",
    "413": "The body is too large.",
    "415": f"The body is not {MEDIA_TYPE}.",
    "422": "A rule refuses a value.",
}


def description(routes: tuple[Route, ...], prefix: str, *, searchable: bool) -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, Any] = {}
    for route in routes:
        path = prefix + re.sub(r"<(\w+)>", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    if searchable:
        paths[prefix + search.PATH] = {"get": _search_operation()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Open Event's tickets, codes, orders and feedback",
            "version": oeventdb.__version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": schemas.components(),
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        # python -OO leaves no docstrings
        "summary": (route.handler.__doc__ or f"{route.handler.__name__}.").splitlines()[0],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _answers(route) | _refusals(route),
        "security": [{"token": []}, {}] if route.method == "GET" else [{"token": []}],
    }
    if route.method != "GET":
        operation["requestBody"] = {
            "required": True,
            "description": f"At most {LARGEST_BODY} bytes.",
            "content": {MEDIA_TYPE: {"schema": _body(route)}},
        }
    return operation


def _search_operation() -> dict[str, Any]:
    words = {"type": "string", "minLength": 1, "maxLength": search.LONGEST}
    answers = {"200": _response("The events.", "event-list"), "304": _NOT_MODIFIED}
    return {
        "operationId": "search_events",
        "summary": "The public events with all of the words, best first.",
        "parameters": [
            {"name": "q", "in": "query", "required": True, "schema": words},
            *_paging("event", search.ATTRIBUTES),
            *_conditions("If-Match", "If-None-Match"),
        ],
        "responses": answers | _errors({code: _REFUSALS[code] for code in ("400", "406", "503")} | _CHANGED),
        "security": [{}],
    }


_NOT_MODIFIED = {"description": "The client has it already."}


def _answers(route: Route) -> dict[str, Any]:
    if route.path in _RESOURCES:
        type_ = _RESOURCES[route.path][0]
        return {"201": _response("The resource that was made.", f"{type_}-document")}
    if route.method != "GET":
        changed = _response("The discount code with its tickets.", "discount-code-document")
        return {"200": changed, "204": {"description": "Nothing had to be changed."}}
    schema = "ticket-linkage" if "/relationships/" in route.path else "ticket-list"
    if route.path.endswith("/summary"):
        schema = "feedback-summary-document"
    return {"200": _response("The document.", schema), "304": _NOT_MODIFIED}


def _refusals(route: Route) -> dict[str, Any]:
    texts = dict(_REFUSALS)
    if route.method != "GET":
        texts |= _REFUSALS_OF_BODIES
    if route.method == "GET" or "/relationships/" in route.path:
        texts |= _CHANGED
    return _errors(texts)


def _errors(texts: dict[str, str]) -> dict[str, Any]:
    return {code: _response(text, "errors") for code, text in texts.items()}


def _response(text: str, schema: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": text, "content": content}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"<(\w+)>", route.path)
    return [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if route.path.endswith("/tickets") and "relationships" not in route.path:
        sort = {"type": "string", "description": f"Of {', '.join(ATTRIBUTES)}; - for descending."}
        parameters = [*_paging("ticket", MEMBERS), {"name": "sort", "in": "query", "schema": sort}]
    if route.path.startswith("/access-codes"):
        text = {"type": "string", "description": "The text of the code."}
        parameters.append({"name": "code", "in": "query", "schema": text})
    if route.path == "/orders":
        key = {"type": "string", "minLength": 1, "maxLength": 200}
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": key})
    if route.method == "GET":
        parameters += _conditions("If-Match", "If-None-Match")
    elif "/relationships/" in route.path:
        parameters += _conditions("If-Match")
    return parameters


def _conditions(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "header", "schema": {"type": "string"}} for name in names]


def _paging(type_: str, members: tuple[str, ...]) -> list[dict[str, Any]]:
    size = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": USUAL_PAGE}
    number = {"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1}
    fields = {"type": "string", "description": f"Of {', '.join(members)}."}
    described = {"page[number]": number, "page[size]": size, f"fields[{type_}]": fields}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in described.items()]


def _body(route: Route) -> dict[str, Any]:
    if route.path not in _RESOURCES:
        return _LINKAGE
    type_, attributes, required, related = _RESOURCES[route.path]
    relationships = {name: {"$ref": "#/components/schemas/to-one"} for name in related}
    return {
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": {
                "type": "object",
                "required": ["type", "attributes", "relationships"],
                "properties": {
                    "type": {"const": type_},
                    "attributes": {"type": "object", "required": required, "properties": attributes},
                    "relationships": {"type": "object", "required": related, "properties": relationships},
                },
            }
        },
    }
