"""A validator of JSON:API 1.0 documents, as strict as the text of the standard but for one name.

The standard forbids an attribute ``type``; Open Event's tickets and codes have one, and clients read it.
"""

from __future__ import annotations

import re
from typing import Any

TOP = {"data", "errors", "meta", "jsonapi", "links", "included"}
RESOURCE = {"type", "id", "attributes", "relationships", "links", "meta"}
ERROR = {"id", "links", "status", "code", "title", "detail", "source", "meta"}
MEMBER = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?")


def assert_valid(document: Any) -> None:
    """Assert that a document is one of JSON:API."""
    assert isinstance(document, dict)
    assert set(document) <= TOP
    assert {"data", "errors", "meta"} & set(document)
    assert not {"data", "errors"} <= set(document)
    _links(document.get("links", {}))
    assert isinstance(document.get("meta", {}), dict)
    assert document.get("jsonapi", {"version": "1.0"}) == {"version": "1.0"}
    assert document.get("errors", [0]), "errors are some"
    for error in document.get("errors", []):
        _error(error)
    data = document.get("data")
    resources = data if isinstance(data, list) else [data] if data is not None else []
    identifiers = [set(resource) <= {"type", "id", "meta"} for resource in resources]
    assert all(identifiers) or not any(identifiers), "resources or their identifiers"
    for resource in resources:
        _resource(resource)
    included = document.get("included", [])
    assert "included" not in document or "data" in document
    for resource in included:
        _resource(resource)
    keys = [(r["type"], r["id"]) for r in [*resources, *included]]
    assert len(keys) == len(set(keys)), "a resource appears once"
    linked = set(_linked(resources))
    assert {(r["type"], r["id"]) for r in included} <= linked, "full linkage"


def _resource(resource: Any) -> None:
    assert isinstance(resource, dict)
    assert set(resource) <= RESOURCE
    assert isinstance(resource["type"], str)
    assert isinstance(resource["id"], str)
    assert MEMBER.fullmatch(resource["type"])
    attributes = resource.get("attributes", {})
    relationships = resource.get("relationships", {})
    for name in [*attributes, *relationships]:
        assert MEMBER.fullmatch(name), name
        assert name != "id"
    assert not set(attributes) & set(relationships)
    for relationship in relationships.values():
        assert {"links", "data", "meta"} & set(relationship)
        assert set(relationship) <= {"links", "data", "meta"}
        assert {"self", "related"} & set(relationship.get("links", {"self": ""}))
        _links(relationship.get("links", {}))
        for item in _items(relationship.get("data")):
            assert set(item) <= {"type", "id", "meta"}
            assert isinstance(item["type"], str)
            assert isinstance(item["id"], str)
    _members(attributes)
    _links(resource.get("links", {}))


def _error(error: Any) -> None:
    assert error
    assert set(error) <= ERROR
    for name in ("status", "code", "title", "detail"):
        assert isinstance(error.get(name, ""), str)
    source = error.get("source", {})
    assert set(source) <= {"pointer", "parameter", "header"}
    assert source.get("pointer", "") == "" or source["pointer"].startswith("/")


def _links(links: Any) -> None:
    assert isinstance(links, dict)
    for link in links.values():
        assert link is None or isinstance(link, str)


def _linked(resources: list[Any]) -> Any:
    for resource in resources:
        for relationship in resource.get("relationships", {}).values():
            for item in _items(relationship.get("data")):
                yield item["type"], item["id"]


def _items(data: Any) -> list[Any]:
    return data if isinstance(data, list) else [] if data is None else [data]


def _members(value: Any) -> None:
    """An object inside an attribute has no members that are those of a resource."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(item, dict):
            assert not {"relationships", "links"} & set(item)
        _members(item)
