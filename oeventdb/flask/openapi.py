"""A description of the routes in OpenAPI 3.1, served at ``/openapi.json``."""

from __future__ import annotations

import re
from typing import Any

import oeventdb
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


def description(routes: tuple[Route, ...], prefix: str) -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, Any] = {}
    for route in routes:
        path = prefix + re.sub(r"<(\w+)>", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
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
            "schemas": _schemas(),
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    summary = (route.handler.__doc__ or "").splitlines()[0]
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {code: _response(text) for code, text in _answers(route).items()}
        | {"default": _response("A refusal, or a defect of the request.", "errors")},
        "security": [{"token": []}, {}] if route.method == "GET" else [{"token": []}],
    }
    if route.method != "GET":
        operation["requestBody"] = {
            "required": True,
            "description": f"At most {LARGEST_BODY} bytes.",
            "content": {MEDIA_TYPE: {"schema": _body(route)}},
        }
    return operation


def _answers(route: Route) -> dict[str, str]:
    if route.method == "GET":
        return {"200": "The document.", "304": "The client has it already."}
    if route.path in _RESOURCES:
        return {"201": "The resource that was made."}
    return {"200": "The discount code with its tickets.", "204": "Nothing had to be changed."}


def _response(text: str, schema: str = "document") -> dict[str, Any]:
    if text.startswith(("The client", "Nothing")):
        return {"description": text}
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": text, "content": content}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"<(\w+)>", route.path)
    return [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    schemas: dict[str, dict[str, Any]] = {}
    if route.path.endswith("/tickets") and "relationships" not in route.path:
        size = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": USUAL_PAGE}
        schemas = {
            "page[number]": {"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1},
            "page[size]": size,
            "sort": {"type": "string", "description": f"Of {', '.join(ATTRIBUTES)}; - for descending."},
            "fields[ticket]": {"type": "string", "description": f"Of {', '.join(MEMBERS)}."},
        }
    if route.path.startswith("/access-codes"):
        schemas["code"] = {"type": "string", "description": "The text of the code."}
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]
    if route.path == "/orders":
        key = {"type": "string", "minLength": 1, "maxLength": 255}
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": key})
    return parameters


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


def _schemas() -> dict[str, Any]:
    def identifier(type_: dict[str, str]) -> dict[str, Any]:
        id_ = {"type": "string", "pattern": "^[0-9]{1,18}$"}
        return {"type": "object", "required": ["type", "id"], "properties": {"type": type_, "id": id_}}

    version = {"type": "object", "properties": {"version": {"const": "1.0"}}}
    error = {
        "type": "object",
        "required": ["status", "title", "detail"],
        "properties": {
            "status": {"type": "string"},
            "code": {"type": "string", "pattern": "^OE[0-9]{3}$"},
            "title": {"type": "string"},
            "detail": {"type": "string"},
            "source": {"type": "object"},
            "meta": {"type": "object"},
        },
    }
    return {
        "ticket-identifier": identifier({"const": "ticket"}),
        "to-one": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": identifier({"type": "string"})},
        },
        "document": {
            "type": "object",
            "required": ["data", "links", "jsonapi"],
            "properties": {"links": {"type": "object"}, "jsonapi": version, "meta": {"type": "object"}},
        },
        "errors": {
            "type": "object",
            "required": ["errors", "jsonapi"],
            "properties": {"errors": {"type": "array", "minItems": 1, "items": error}, "jsonapi": version},
        },
    }
