"""The media type of JSON:API in both directions, and entity tags."""

from __future__ import annotations

import json
from typing import Any

from flask import Request, Response
from werkzeug.exceptions import PreconditionFailed
from werkzeug.http import parse_accept_header, parse_options_header

MEDIA_TYPE = "application/vnd.api+json"


def json_response(document: dict[str, Any], status: int = 200, **rendered: str) -> Response:
    """A JSON:API response; rendered are members of the document that are JSON already."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    ready = "".join(f'"{name}":{value},' for name, value in rendered.items())
    text = "{" + ready + text[1:]
    # half of a surrogate pair, which JSON can carry into an error's text, is no character of UTF-8
    return Response(text.encode("utf-8", "replace"), status, content_type=MEDIA_TYPE)


def is_acceptable(request: Request) -> bool:
    """Whether the client takes JSON:API: its Accept names it without parameters, or a wildcard."""
    accept = request.headers.get("Accept", "").strip()
    if not accept:
        return True
    for value, quality in parse_accept_header(accept):
        media_type, parameters = parse_options_header(value)
        if quality and media_type.lower() in (MEDIA_TYPE, "application/*", "*/*") and not parameters:
            return True
    return False


def is_supported(request: Request) -> bool:
    """Whether the body is declared as JSON:API, without parameters."""
    media_type, parameters = parse_options_header(request.headers.get("Content-Type"))
    return media_type.lower() == MEDIA_TYPE and not parameters


def with_entity_tag(response: Response, request: Request) -> Response:
    """The response with a strong ETag, or 304 where the client has it already; raises what is a 412 where it wants another."""
    if request.method not in ("GET", "HEAD") or response.status_code != 200:
        return response
    response.add_etag()
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.update(("Authorization", "Accept"))
    environ = dict(request.environ)
    if request.if_match.star_tag:
        # any version will do, and there is one; werkzeug would compare the star with its tag
        del environ["HTTP_IF_MATCH"]
    response.make_conditional(environ)
    if response.status_code == 412:
        raise PreconditionFailed("it was changed since; read it again")
    return response
