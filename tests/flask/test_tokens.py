"""Who is asking: bearer tokens that hold, tokens that do not, and applications with users of their own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import flask
import jwt
import pytest

import oeventdb.flask
from tests.flask.http import KEY, Api, served, token

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

    from tests.flask.conftest import Scene


def _signed(claims: dict[str, Any], *, key: str = KEY, algorithm: str = "HS256") -> str:
    return jwt.encode({"sub": "1", "exp": time.time() + 60} | claims, key, algorithm=algorithm)


def _forged(header: dict[str, Any], claims: dict[str, Any], *, key: str | None = None) -> str:
    """A token made by hand, as no library would make it."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    text = b".".join(parts)
    signature = hmac.digest(key.encode(), text, hashlib.sha256) if key else b""
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


CLAIMS = {"sub": "1", "exp": 4_000_000_000}

REFUSED = {
    "empty": "Bearer",
    "nonsense": "Bearer nonsense",
    "another scheme": "Basic YWRhOnB3",
    "expired": f"Bearer {_signed({'exp': 1})}",
    "without an expiry": f"Bearer {jwt.encode({'sub': '1'}, KEY, algorithm='HS256')}",
    "an expiry that is no time": f"Bearer {_forged({'alg': 'HS256'}, {'sub': '1', 'exp': 'never'}, key=KEY)}",
    "an endless expiry": f"Bearer {_forged({'alg': 'HS256'}, {'sub': '1', 'exp': float('inf')}, key=KEY)}",
    "not valid yet": f"Bearer {_signed({'nbf': time.time() + 600})}",
    "for another audience": f"Bearer {_signed({'aud': 'somebody else'})}",
    "of nobody": f"Bearer {jwt.encode({'exp': time.time() + 60}, KEY, algorithm='HS256')}",
    "a user that is a word": f"Bearer {_signed({'sub': 'ada'})}",
    "a user that is a fraction": f"Bearer {_forged({'alg': 'HS256'}, CLAIMS | {'sub': 1.9}, key=KEY)}",
    "a user that is true": f"Bearer {_forged({'alg': 'HS256'}, CLAIMS | {'sub': True}, key=KEY)}",
    "a user that is a list": f"Bearer {_forged({'alg': 'HS256'}, CLAIMS | {'sub': ['1']}, key=KEY)}",
    "a user in Arabic digits": f"Bearer {_signed({'sub': '١'})}",
    "a user beyond bigint": f"Bearer {_signed({'sub': str(2**63)})}",
    "a user of many digits": f"Bearer {_signed({'sub': '9' * 5000})}",
    "another algorithm": f"Bearer {_signed({}, key=KEY * 2, algorithm='HS512')}",
    "another key": f"Bearer {_signed({}, key='k' * 64)}",
    "unsigned": f"Bearer {jwt.encode(CLAIMS, None, algorithm='none')}",
    "unsigned, in other letters": f"Bearer {_forged({'alg': 'nOnE', 'typ': 'JWT'}, CLAIMS)}",
    "signed, and said not to be": f"Bearer {_forged({'alg': 'none'}, CLAIMS, key=KEY)}",
    "a signature cut off": f"Bearer {token(1).rpartition('.')[0]}.",
    "said to be of a public key": f"Bearer {_forged({'alg': 'RS256', 'typ': 'JWT'}, CLAIMS, key=KEY)}",
    "with a key of its own": f"Bearer {_forged({'alg': 'HS256', 'jwk': {'k': 'eA'}}, CLAIMS, key='x')}",
}


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED)
def test_a_bad_token_is_nobody_not_even_where_none_is_needed(api: Api, scene: Scene, header: str) -> None:
    response = api.get(f"/v1/events/{scene.event}/tickets", Authorization=header)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert header.partition(" ")[2][:40] not in response.data.decode() or header == "Bearer"


def test_the_token_that_the_bad_ones_differ_from_is_taken(api: Api, scene: Scene) -> None:
    for good in (_signed({}), _forged({"alg": "HS256"}, CLAIMS, key=KEY), _signed({"sub": "1", "nbf": 1})):
        response = api.get(f"/v1/events/{scene.event}/tickets", Authorization=f"Bearer {good}")
        assert response.status_code == 200


def test_the_scheme_that_open_event_uses(api: Api, scene: Scene) -> None:
    path = f"/v1/discount-codes/{scene.code}/tickets"
    assert api.get(path, Authorization=f"JWT {token(scene.organizer)}").status_code == 200


PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAA==
-----END PUBLIC KEY-----"""


@pytest.mark.parametrize(
    ("key", "algorithm", "message"),
    [
        (KEY, "none", "anybody's"),
        ("", "HS256", "anybody's"),
        (b"", "HS256", "anybody's"),
        (PUBLIC_KEY, "HS256", "cannot verify HS256"),
        (KEY, "XX256", "cannot verify XX256"),
    ],
    ids=[
        "no signature",
        "an empty secret",
        "an empty secret in bytes",
        "a public key as a secret",
        "no such algorithm",
    ],
)
def test_a_key_that_would_accept_anybody_is_refused_at_the_start(
    key: str | bytes, algorithm: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        oeventdb.flask.bearer_tokens(key, algorithm=algorithm)


def test_an_application_with_users_and_a_policy_of_its_own(pool: ConnectionPool, scene: Scene) -> None:
    def header_user(request: flask.Request) -> oeventdb.flask.User | None:
        number = request.headers.get("X-User")
        return oeventdb.flask.User(int(number)) if number else None

    class FrontDesk(oeventdb.flask.Policy):
        def manages(
            self, connection: psycopg.Connection[Any], user: oeventdb.flask.User | None, event_id: int | None
        ) -> bool:
            assert not connection.closed
            return user == oeventdb.flask.User(scene.registrar) and event_id == scene.event

    app = flask.Flask(__name__)
    made = oeventdb.flask.blueprint(pool.connection, users=header_user, policy=FrontDesk(), prefix="/api/v9")
    app.register_blueprint(made)
    path = f"/api/v9/discount-codes/{scene.code}/tickets"
    with served(app) as api:
        assert api.get(path).status_code == 401
        assert api.get(path, user=scene.organizer).status_code == 401
        assert api.get(path, X_User=str(scene.organizer)).status_code == 403
        assert api.get(path, X_User=str(scene.registrar)).status_code == 200
        tickets = api.get(f"/api/v9/events/{scene.event}/tickets", X_User=str(scene.registrar)).document
    assert [item["links"]["self"] for item in tickets["data"]] == [
        f"/api/v9/tickets/{scene.ticket}",
        f"/api/v9/tickets/{scene.hidden}",
    ]
