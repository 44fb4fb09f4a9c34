"""Keeping secrets out of anything that is printed."""

from __future__ import annotations

import base64
import os
import re
import urllib.parse

import psycopg
from psycopg.conninfo import conninfo_to_dict

MASK = "***"

_SECRET_VARIABLES = ("PGPASSWORD", "PGSSLPASSWORD", "OEVENTDB_ELASTICSEARCH_API_KEY")
_URL_VARIABLES = ("OEVENTDB_DSN", "OEVENTDB_ELASTICSEARCH_URL")
_URL_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s:/@]*):[^\s@/]*(?:@[^\s@/]*)*@")
_CONNINFO_PASSWORD = re.compile(r"((?:ssl)?password\s*[=:]\s*)('(?:[^'\\]|\\.)*'|[^\s&,;'\"]+)", re.I)
_QUOTED = re.compile(r"\"([^\"]+)\"")


def _secrets_of(location: str) -> set[str]:
    """Return the passwords in a DSN or URL, both as written and decoded, and what a header has in their place."""
    found: set[str] = set()
    if "://" in location:
        authority = location.split("://", 1)[1]
        userinfo, at, _ = authority.rpartition("@")
        if at and ":" in userinfo:
            found.add(userinfo.split(":", 1)[1])
            sent = urllib.parse.unquote_to_bytes(userinfo.encode("utf-8", "surrogateescape"))
            found.add(base64.b64encode(sent).decode())
    try:
        values = conninfo_to_dict(location)
    except (psycopg.ProgrammingError, UnicodeEncodeError):
        pass
    else:
        found |= {str(values[key]) for key in ("password", "sslpassword") if values.get(key)}
    return found | {urllib.parse.unquote(secret) for secret in found}


def secrets(*locations: str | None) -> set[str]:
    """Return every secret known from the environment and the given DSNs or URLs."""
    known = {os.environ[name] for name in _SECRET_VARIABLES if os.environ.get(name)}
    given = [*locations, *(os.environ.get(name) for name in _URL_VARIABLES)]
    for location in given:
        if location:
            known |= _secrets_of(location)
    return {form for secret in known for form in _forms(secret) if form.strip()}


def _forms(secret: str) -> set[str]:
    """Return a secret as it is, and as messages show it: in one line, with escapes, as bytes."""
    shown = {secret, secret.strip(), " ".join(secret.split())}
    quoted = {repr(form)[1:-1] for form in shown}
    return shown | quoted | {repr(form.encode("utf-8", "surrogateescape"))[2:-1] for form in shown}


def scrub(text: str, *locations: str | None) -> str:
    """Return text without the secrets of the given DSNs and URLs or of the environment.

    A DSN that libpq cannot parse may have its password anywhere, and libpq's message quotes
    pieces of it: every quoted piece that comes from such a DSN is masked too.
    """
    for secret in sorted(secrets(*locations), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
    text = _CONNINFO_PASSWORD.sub(rf"\1{MASK}", text)
    unparsable = [
        location
        for location in (*locations, os.environ.get("OEVENTDB_DSN"))
        if location and not _parses(location)
    ]

    def mask(quoted: re.Match[str]) -> str:
        known = any(quoted.group(1) in location for location in unparsable)
        return f'"{MASK}"' if known else quoted.group(0)

    return _QUOTED.sub(mask, text)


def _parses(location: str) -> bool:
    if location.startswith(("http://", "https://", "embedded:")):
        return True
    try:
        conninfo_to_dict(location)
    except (psycopg.ProgrammingError, UnicodeEncodeError):
        return False
    return True
