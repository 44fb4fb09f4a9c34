"""Whatever is sent, the answer is a valid document of JSON:API and never a 5xx."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oeventdb.flask.routes import ROUTES
from tests.flask.http import MEDIA_TYPE, bearer

if TYPE_CHECKING:
    from tests.flask.conftest import Scene
    from tests.flask.http import Api

HOSTILE = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1e400000",
        "NaN",
        "null",
        "9" * 40,
        "'; DROP TABLE tickets; --",
        "%s",
        "\x00",
        "٣",
        "x" * 3000,
    ]
)
TEXTS = st.one_of(st.text(max_size=30), HOSTILE)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["page[number]", "page[size]", "sort", "fields[ticket]", "include", "code", "q"])
TYPES = st.sampled_from(["ticket", "feedback", "attendee", "order", "event"])
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["rating", "comment", "firstname", "lastname", "email", "lines", "discount-code", "access-code"]
    ),
    VALUES,
)


@st.composite
def bodies(draw: st.DrawFn) -> Any:
    """Documents from almost right to nonsense."""
    if draw(st.integers(0, 4)) == 0:
        return draw(VALUES)
    identifier = st.fixed_dictionaries({"type": TYPES, "id": st.one_of(st.integers(1, 3).map(str), VALUES)})
    if draw(st.booleans()):
        return {"data": draw(st.lists(st.one_of(identifier, VALUES), max_size=3))}
    relationships = st.dictionaries(
        st.sampled_from(["event", "ticket", "user", "session"]),
        st.one_of(st.fixed_dictionaries({"data": identifier}), VALUES),
    )
    return {
        "data": {
            "type": draw(TYPES),
            "attributes": draw(st.one_of(ATTRIBUTES, VALUES)),
            "relationships": draw(st.one_of(relationships, VALUES)),
        }
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from(ROUTES),
    reference=st.one_of(st.integers(1, 3).map(str), TEXTS),
    query=st.dictionaries(st.one_of(NAMES, TEXTS), TEXTS, max_size=2),
    body=bodies(),
    key=st.one_of(st.none(), st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=300)),
)
def test_no_request_makes_the_server_fail(
    api: Api, scene: Scene, route: Any, reference: str, query: dict[str, str], body: Any, key: str | None
) -> None:
    head, _, tail = route.path.partition("<")
    # with a slash in it, or without anything, it is the path of no route
    reference = reference.replace("/", "") or "0"
    path = head + quote(reference, safe="") + tail.partition(">")[2] if tail else head
    headers = bearer(scene.staff) | {"Content-Type": MEDIA_TYPE}
    headers |= {"Idempotency-Key": key} if key is not None else {}
    sent = None if route.method == "GET" else json.dumps(body).encode()
    assert api.send(route.method, f"/v1{path}?{urlencode(query)}", sent, headers).status_code < 500
