"""Errors as JSON:API error objects: the status, the SQLSTATE, and where in the request it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException

from oeventdb import errors
from oeventdb.errors import Error
from oeventdb.flask.negotiation import json_response

STATUS: dict[type[Error], int] = {
    errors.NotFound: 404,
    errors.InvalidArgument: 422,
    errors.SoldOut: 409,
    errors.NotOnSale: 409,
    errors.OrderLimits: 422,
    errors.CapacityBelowHeld: 409,
    errors.WrongEvent: 422,
    errors.AccessCodeRequired: 403,
    errors.AccessCodeInvalid: 422,
    errors.DiscountCodeWrongKind: 409,
    errors.DiscountCodeInvalid: 422,
    errors.DiscountCodeUsedUp: 409,
    errors.DiscountCodeQuantity: 422,
    errors.DiscountCodeDefinition: 422,
    errors.OrderState: 409,
    errors.OrderExpired: 409,
    errors.IdempotencyConflict: 409,
    errors.AlreadyCheckedIn: 409,
    errors.RatingInvalid: 422,
}
"""The HTTP status of each refusal by a rule."""

ARGUMENT_OF: dict[type[Error], str] = {errors.RatingInvalid: "rating", errors.SoldOut: "ticket_id"}
"""The argument that a refusal is about, where its detail names none."""


class Problem(Exception):
    """A request that cannot be answered; ``source`` is a JSON:API error source.

    ``code`` is the SQLSTATE of the refusal by a function that it stands for, if it stands for one.
    """

    def __init__(self, status: int, detail: str, *, code: str | None = None, **source: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.source = source


def unknown(resource: str, reference: object, **source: str) -> Problem:
    """What is named does not exist, or not for the one who asks."""
    text = str(reference)[:40]
    return Problem(404, f"{resource} {text} does not exist", code=errors.NotFound.sqlstate, **source)


def invalid(detail: str, pointer: str) -> Problem:
    """A member of the request that no function would take."""
    return Problem(422, detail, code=errors.InvalidArgument.sqlstate, pointer=pointer)


def problem_response(problem: Problem) -> Response:
    """The error document of a problem with the request itself."""
    members = {"code": problem.code, "title": _title(problem.code)} if problem.code else {}
    response = _document(problem.status, str(problem), problem.source, **members)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def http_response(exc: HTTPException) -> Response:
    """The error document of an error of HTTP, such as a method that is not allowed."""
    response = _document(exc.code or 500, exc.description or exc.name, {})
    for name, value in exc.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def refusal_response(error: Error, pointers: Mapping[str, str]) -> Response:
    """The error document of a refusal; pointers say where an argument stands in the request."""
    argument = error.detail.get("argument") or ARGUMENT_OF.get(type(error))
    if isinstance(error, errors.NotFound):
        argument = f"{error.detail.get('resource')}_id"
    pointer = pointers.get(str(argument), "")
    source = {_kind(pointer): pointer} if pointer else {}
    meta = {"hint": error.hint, "detail": error.detail}
    code = error.sqlstate
    status = STATUS.get(type(error), 422)
    return _document(status, str(error), source, code=code, title=_title(code), meta=meta)


def _document(status: int, detail: str, source: Mapping[str, str], **members: Any) -> Response:
    problem: dict[str, Any] = {"status": str(status), "title": _TITLES.get(status, "Error"), "detail": detail}
    problem |= {name: value for name, value in members.items() if value is not None}
    if source:
        problem["source"] = dict(source)
    return json_response({"errors": [problem], "jsonapi": {"version": "1.0"}}, status)


def _kind(pointer: str) -> str:
    """What of a request a pointer names; names of headers are the only capitalized ones."""
    if pointer.startswith("/"):
        return "pointer"
    return "header" if pointer[0].isupper() else "parameter"


def _title(code: str) -> str:
    return errors.ERRORS.get(code, Error).name().replace("_", " ").capitalize()


_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    412: "Precondition failed",
    413: "Request too large",
    415: "Unsupported media type",
    422: "Unprocessable",
    503: "Service unavailable",
}
