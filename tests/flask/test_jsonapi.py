"""The validator that every answer goes through: it takes what is JSON:API and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flask.jsonapi import assert_valid

ONE = {"type": "ticket", "id": "1"}
WHOLE = {
    "data": ONE
    | {
        "attributes": {"is-hidden": False, "location": {"lat": 1.5}},
        "relationships": {
            "event": {"links": {"related": "/v1/events/1"}},
            "tags": {"data": [{"type": "tag", "id": "7"}]},
        },
        "links": {"self": "/v1/tickets/1"},
    },
    "included": [{"type": "tag", "id": "7", "attributes": {"name": "crew"}}],
    "links": {"self": "/v1/tickets/1", "next": None},
    "jsonapi": {"version": "1.0"},
    "meta": {"count": 1},
}


@pytest.mark.parametrize(
    "document",
    [
        WHOLE,
        {"data": None},
        {"data": []},
        {"data": [ONE]},
        {"meta": {}},
        {"errors": [{"status": "404", "source": {"pointer": "/data/0"}}]},
    ],
)
def test_it_takes(document: Any) -> None:
    assert_valid(document)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"jsonapi": {"version": "1.0"}},
        {"data": None, "errors": [{"status": "404"}]},
        {"data": None, "answer": 42},
        {"data": {"type": "ticket", "id": 1}},
        {"data": {"type": "ticket"}},
        {"data": {"id": "1"}},
        {"data": {"type": "a ticket", "id": "1"}},
        {"data": [ONE, ONE]},
        {"data": [ONE, {"type": "ticket", "id": "2", "attributes": {}}]},
        {"data": ONE | {"surprise": 1}},
        {"data": ONE | {"attributes": {"is hidden": True}}},
        {"data": ONE | {"attributes": {"id": "1"}}},
        {"data": ONE | {"attributes": {"location": {"links": {}}}}},
        {"data": ONE | {"attributes": {"event": 1}, "relationships": {"event": {"data": None}}}},
        {"data": ONE | {"relationships": {"event": {}}}},
        {"data": ONE | {"relationships": {"event": {"data": {"type": "event", "id": 1}}}}},
        {"data": ONE | {"relationships": {"event": {"links": {"next": "/"}}}}},
        {"data": ONE | {"links": {"self": 1}}},
        {"data": ONE, "included": [{"type": "tag", "id": "7"}]},
        {"meta": {}, "included": []},
        {"meta": 1},
        {"data": None, "jsonapi": {"version": "1"}},
        {"errors": []},
        {"errors": [{}]},
        {"errors": [{"status": 404}]},
        {"errors": [{"reason": "none"}]},
        {"errors": [{"status": "404", "source": {"pointer": "data"}}]},
        {"errors": [{"status": "404", "source": {"body": "/data"}}]},
    ],
)
def test_it_refuses(document: Any) -> None:
    with pytest.raises((AssertionError, KeyError)):
        assert_valid(document)
