"""Who is asking, and who may do what: the one place where the routes' permissions are decided.

An application with users of its own gives the blueprint another ``users`` (who is asking) or a
subclass of Policy (who may do what).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import jwt
import psycopg
from flask import Request

from oeventdb.flask import reads
from oeventdb.flask.problems import Problem

Connection: TypeAlias = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class User:
    """The user who is asking, by id of the table ``users``."""

    id: int


Users: TypeAlias = Callable[[Request], User | None]
"""Tells who is asking: a user, None for nobody; raises Problem(401) for a bad credential."""


def bearer_tokens(key: str | bytes, *, algorithm: str = "HS256", claim: str = "sub") -> Users:
    """Users by ``Authorization: Bearer <JWT>`` (also ``JWT <JWT>``, as Open Event's clients send it).

    The algorithm is pinned and an expiry required. The claim holds the user's id. Raises ValueError for
    an algorithm without a signature, for an empty key, and for one that is not one of the algorithm.
    """
    _require_key(key, algorithm)

    def user(request: Request) -> User | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() not in ("bearer", "jwt"):
            raise Problem(401, "Authorization has to be a bearer token", header="Authorization")
        try:
            claims = jwt.decode(
                token.strip(),
                key,
                algorithms=[algorithm],
                options={"require": ["exp", claim], "verify_sub": False},
            )
            return User(_user_id(claims[claim]))
        except (jwt.InvalidTokenError, ValueError, OverflowError) as exc:
            raise Problem(401, "the token is not valid, or no longer", header="Authorization") from exc

    return user


def _require_key(key: str | bytes, algorithm: str) -> None:
    """Refuse at the start what would refuse every token, or accept any."""
    if algorithm == "none" or not key:
        # older versions of the library take an empty secret
        raise ValueError("tokens without a signature, or signed with an empty key, could be anybody's")
    try:
        jwt.get_algorithm_by_name(algorithm).prepare_key(key)
    except (jwt.PyJWTError, NotImplementedError) as exc:
        raise ValueError(f"the key cannot verify {algorithm}: {exc}") from exc


def _user_id(claim: Any) -> int:
    """The id that a claim holds, as a number or as its digits and nothing else."""
    if not isinstance(claim, (str, int)) or isinstance(claim, bool) or not reads.is_id(str(claim)):
        raise ValueError("the claim is no id")
    return int(claim)


class Policy:
    """Who may do what. Override a method to decide otherwise."""

    def manages(self, connection: Connection, user: User | None, event_id: int | None) -> bool:
        """Whether the user is staff, or an organizer or coorganizer of the event."""
        if user is None:
            return False
        return reads.is_manager(connection, user.id, event_id)

    def require_user(self, user: User | None) -> User:
        """Somebody, whoever it is."""
        if user is None:
            raise Problem(401, "this needs a bearer token", header="Authorization")
        return user

    def require_manager(self, connection: Connection, user: User | None, event_id: int | None) -> User:
        """Staff, or an organizer or coorganizer of the event."""
        user = self.require_user(user)
        if not self.manages(connection, user, event_id):
            raise Problem(403, "this needs an organizer or coorganizer of the event")
        return user

    def require_self(self, connection: Connection, user: User | None, user_id: int) -> User:
        """The user named in the request, or staff."""
        user = self.require_user(user)
        if user.id != user_id and not self.manages(connection, user, None):
            raise Problem(403, "this may be done for oneself only", pointer="/data/relationships/user")
        return user
