"""What a handler is given, and what a route is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from flask import Request, Response

from oeventdb import Client
from oeventdb.flask import documents
from oeventdb.flask.access import Policy, User
from oeventdb.flask.negotiation import json_response
from oeventdb.flask.problems import Problem, unknown
from oeventdb.flask.reads import is_id


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with the connection it works on and the user who makes it."""

    request: Request
    connection: psycopg.Connection[Any]
    client: Client
    user: User | None
    policy: Policy
    prefix: str

    def manages(self, event_id: int | None) -> bool:
        """Whether the user is staff, or an organizer or coorganizer of the event."""
        return self.policy.manages(self.connection, self.user, event_id)

    def require_manager(self, event_id: int | None) -> User:
        """The same, or a refusal."""
        return self.policy.require_manager(self.connection, self.user, event_id)


@dataclass(frozen=True, slots=True)
class Route:
    """A method and path, what answers it, and where in the request each argument stands.

    ``pointers`` map an argument of the SQL functions to a JSON pointer into the body, or to the
    name of a query or path parameter.
    """

    method: str
    path: str
    handler: Callable[..., Response]
    pointers: Mapping[str, str] = field(default_factory=dict)


def path_id(text: str, resource: str, parameter: str) -> int:
    """The id in a path; what cannot be one names nothing that exists."""
    if not is_id(text):
        raise unknown(resource, text, parameter=parameter)
    return int(text)


def require_match(request: Request, current: Response) -> None:
    """Refuse to change what is no longer what the client has seen, if it says what it has seen."""
    current.add_etag()
    if request.if_match and not request.if_match.contains(current.get_etag()[0] or ""):
        raise Problem(412, "it was changed since; read it again", header="If-Match")


def created(resource: documents.Document) -> Response:
    """The answer to a POST that has made a resource."""
    path = resource["links"]["self"]
    response = json_response(documents.document(path, data=resource), 201)
    response.headers["Location"] = path
    return response
