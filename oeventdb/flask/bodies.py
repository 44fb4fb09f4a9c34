"""Reading request bodies: every defect has its status and its pointer."""

from __future__ import annotations

import json
from typing import Any

from flask import Request

from oeventdb.flask.negotiation import MEDIA_TYPE, is_supported
from oeventdb.flask.problems import Problem, invalid, unknown
from oeventdb.flask.reads import is_id

LARGEST_BODY = 1_000_000
"""Bytes; an order of a thousand seats is a tenth of it."""


def read(request: Request) -> dict[str, Any]:
    """The document of a request."""
    if not is_supported(request):
        raise Problem(415, f"the Content-Type has to be {MEDIA_TYPE}", header="Content-Type")
    # the length that a client declares may be missing, or a lie
    body = request.stream.read(LARGEST_BODY + 1)
    if len(body) > LARGEST_BODY:
        raise Problem(413, f"at most {LARGEST_BODY} bytes are read")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Problem(400, "the body is no JSON", pointer="") from exc
    if not isinstance(document, dict):
        raise Problem(400, "the document has to be an object", pointer="")
    if "data" not in document:
        raise Problem(400, "the document has to have the member data", pointer="/data")
    return document


def resource(request: Request, type_: str) -> dict[str, Any]:
    """The resource object that a POST makes."""
    data = read(request)["data"]
    if not isinstance(data, dict):
        raise Problem(400, "data has to be a resource object", pointer="/data")
    if data.get("type") != type_:
        raise Problem(409, f"the type has to be {type_}", pointer="/data/type")
    if "id" in data:
        raise Problem(403, "ids are given by the server", pointer="/data/id")
    for member in ("attributes", "relationships"):
        if not isinstance(data.setdefault(member, {}), dict):
            raise Problem(400, f"{member} has to be an object", pointer=f"/data/{member}")
    return data


def attribute(data: dict[str, Any], name: str) -> str | None:
    """A text attribute; a number is taken as its text."""
    value = data["attributes"].get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise invalid(f"{name} has to be text", f"/data/attributes/{name}")
    return str(value)


def required_attribute(data: dict[str, Any], name: str) -> str:
    """A text attribute that has to be there."""
    value = attribute(data, name)
    if value is None:
        raise invalid(f"{name} is missing", f"/data/attributes/{name}")
    return value


def related(data: dict[str, Any], name: str, type_: str) -> int | None:
    """The id that a to-one relationship names, None where there is none."""
    relationship = data["relationships"].get(name)
    item = relationship.get("data") if isinstance(relationship, dict) else None
    return None if item is None else _identifier(item, type_, f"/data/relationships/{name}/data")


def required_related(data: dict[str, Any], name: str) -> int:
    """The id of a to-one relationship that has to be there; its type is its name."""
    found = related(data, name, name)
    if found is None:
        raise invalid(f"the relationship {name} is missing", f"/data/relationships/{name}")
    return found


def linkage(request: Request, type_: str) -> list[int]:
    """The ids of a to-many relationship."""
    data = read(request)["data"]
    if not isinstance(data, list):
        raise Problem(400, "data has to be a list of resource identifiers", pointer="/data")
    return [_identifier(item, type_, f"/data/{index}") for index, item in enumerate(data)]


def _identifier(item: Any, type_: str, pointer: str) -> int:
    if not isinstance(item, dict):
        raise Problem(400, "this has to be a resource identifier", pointer=pointer)
    for member in ("type", "id"):
        if member not in item:
            raise Problem(400, f"{member} is missing", pointer=f"{pointer}/{member}")
    if item["type"] != type_:
        raise Problem(409, f"the type has to be {type_}", pointer=f"{pointer}/type")
    text = str(item["id"])
    if not is_id(text):
        raise unknown(type_, text, pointer=f"{pointer}/id")
    return int(text)
