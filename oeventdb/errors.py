"""The errors of oeventdb: one registry of SQLSTATEs, exceptions and constraint names.

A rule can refuse a write in two ways. A function raises an SQLSTATE of class
``OE`` with a JSON DETAIL and a HINT; a raw write that goes around the functions
meets a constraint, and with it an SQLSTATE of class 23 and the name of that
constraint. Both become the same exception here, so that an application handles
``SoldOut`` once, whichever door the write came through.

The docstring of each class says what happened and what to do; the reference page
``docs/reference/errors.md`` is made from them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import psycopg

from oeventdb.constraints import RULES


class Error(Exception):
    """A rule of the database refused the operation; nothing was changed by it."""

    sqlstate: str = "OE000"
    """The code of this class of errors, also where a bare constraint refused."""

    detail: dict[str, Any]
    """Machine keys of the refusal, e.g. ``{"ticket_id": 7, "available": 0}``.

    Empty where a bare constraint refused: a constraint has no such keys.
    """

    hint: str | None
    """What to do about it, or the rule of the constraint that refused, in a sentence for people."""

    constraint: str | None
    """The name of the constraint, where a bare constraint refused."""

    def __init__(
        self,
        message: str,
        *,
        detail: dict[str, Any] | None = None,
        hint: str | None = None,
        constraint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.detail = detail or {}
        self.hint = hint
        self.constraint = constraint

    @classmethod
    def name(cls) -> str:
        """The name of the error as the contract spells it, e.g. ``sold_out``."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


class NotFound(Error):
    """The named row does not exist or is deleted: check the id.

    Detail: ``resource`` (what was looked for), ``id``.
    """

    sqlstate = "OE404"


class InvalidArgument(Error):
    """An argument is NULL, empty, of the wrong shape or out of range: correct it.

    Detail: ``argument``, ``reason``; without ``argument`` where PostgreSQL does not say which of
    several it could not read.
    """

    sqlstate = "OE400"


class SoldOut(Error):
    """Every admission of the ticket is held: offer another ticket, or fewer seats.

    Detail: ``ticket_id``, ``requested``, ``available``.
    """

    sqlstate = "OE101"


class NotOnSale(Error):
    """The event or the ticket is not on sale now: compare the sales dates and the event's state."""

    sqlstate = "OE102"


class OrderLimits(Error):
    """The quantity is outside the ticket's min_order and max_order: ask for one inside them."""

    sqlstate = "OE103"


class CapacityBelowHeld(Error):
    """The quantity would fall below the admissions held: remove holders first, or lower it less."""

    sqlstate = "OE104"


class WrongEvent(Error):
    """A ticket, code or holder of another event was named: use one of this event."""

    sqlstate = "OE105"


class AccessCodeRequired(Error):
    """The ticket is hidden and no access code covers it: give a code that does."""

    sqlstate = "OE106"


class AccessCodeInvalid(Error):
    """The access code cannot be used for this order: give another code, or none.

    It is unknown, inactive, outside its dates, used up, or outside its quantities.
    """

    sqlstate = "OE107"


class DiscountCodeWrongKind(Error):
    """A code for whole events stands where one for tickets is needed: use a code of that kind.

    The kind of a code cannot be changed either: create another code.
    """

    sqlstate = "OE201"


class DiscountCodeInvalid(Error):
    """The discount code cannot be used for this order: give another code, or none.

    It is unknown, inactive, outside its dates, or covers none of the tickets.
    """

    sqlstate = "OE202"


class DiscountCodeUsedUp(Error):
    """The discount code has fewer uses left than the order needs: buy fewer seats, or without it.

    Detail: ``remaining``.
    """

    sqlstate = "OE203"


class DiscountCodeQuantity(Error):
    """The seats a code covers are outside its min_quantity and max_quantity: change their number."""

    sqlstate = "OE204"


class DiscountCodeDefinition(Error):
    """The code's value, dates, quantities or text are not allowed: correct the field.

    Detail: ``field``.
    """

    sqlstate = "OE205"


class OrderState(Error):
    """The order is in a state that does not allow this: read its status first.

    Detail: ``status``.
    """

    sqlstate = "OE301"


class OrderExpired(Error):
    """The payment came too late and the admissions are gone: refund it and order again."""

    sqlstate = "OE302"


class IdempotencyConflict(Error):
    """The idempotency key was used for another request: use a new key for a new request."""

    sqlstate = "OE303"


class AlreadyCheckedIn(Error):
    """The holder is already inside: undo the check-in first if that was a mistake.

    Detail: ``checked_in_at``.
    """

    sqlstate = "OE401"


class RatingInvalid(Error):
    """The rating is not a number from 0 to 5: send one; it is rounded to half stars."""

    sqlstate = "OE501"


ERRORS: dict[str, type[Error]] = {
    error.sqlstate: error
    for error in (
        NotFound,
        InvalidArgument,
        SoldOut,
        NotOnSale,
        OrderLimits,
        CapacityBelowHeld,
        WrongEvent,
        AccessCodeRequired,
        AccessCodeInvalid,
        DiscountCodeWrongKind,
        DiscountCodeInvalid,
        DiscountCodeUsedUp,
        DiscountCodeQuantity,
        DiscountCodeDefinition,
        OrderState,
        OrderExpired,
        IdempotencyConflict,
        AlreadyCheckedIn,
        RatingInvalid,
    )
}
"""Every SQLSTATE of class OE and its exception."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A named constraint of ours, and the error a raw write meets that breaks it."""

    name: str
    table: str
    error: type[Error]
    rule: str


CONSTRAINTS: dict[str, Constraint] = {
    name: Constraint(name, table, ERRORS[code], rule)
    for table, constraints in RULES.items()
    for name, (code, rule) in constraints.items()
}
"""Every constraint and unique index of ours by name; a test compares it with the live catalog."""


def translate(exc: BaseException) -> BaseException:
    """The domain error for a database error; anything else is given back unchanged.

    Takes a ``psycopg.Error``, or the error by which SQLAlchemy (``.orig``) or
    Django (``__cause__``) wraps one.
    """
    cause = _psycopg_error(exc)
    if cause is None or cause.sqlstate is None:
        return exc
    diag = cause.diag
    error = ERRORS.get(cause.sqlstate)
    hint = diag.message_hint
    if error is None and cause.sqlstate.startswith("23"):
        known = CONSTRAINTS.get(diag.constraint_name or "")
        # others may have a constraint of that name on a table of theirs
        if known and (diag.schema_name, diag.table_name) in ((None, None), ("public", known.table)):
            error, hint = known.error, known.rule
    if error is None and not cause.sqlstate.startswith("OE"):
        return exc
    refusal = (error or Error)(
        diag.message_primary or str(cause),
        detail=_json_object(diag.message_detail),
        hint=hint,
        constraint=diag.constraint_name,
    )
    if error is None:  # a rule of a later release: its name is unknown here, its code is not
        refusal.sqlstate = cause.sqlstate
    return refusal


@contextmanager
def translated() -> Generator[None, None, None]:
    """Raise domain errors for the database errors of the block.

    For raw writes, and around ``commit()`` where a constraint is deferred::

        with oeventdb.translated():
            connection.execute("INSERT INTO ticket_holders ...")
    """
    try:
        yield
    except Exception as exc:
        error = translate(exc)
        if error is exc:
            raise
        raise error from exc


def _psycopg_error(exc: BaseException) -> psycopg.Error | None:
    wrapped: object = exc
    if type(exc).__module__.startswith("sqlalchemy."):
        wrapped = getattr(exc, "orig", None)
    elif type(exc).__module__.startswith("django."):
        wrapped = exc.__cause__
    return wrapped if isinstance(wrapped, psycopg.Error) else None


def _json_object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


class OperationError(Exception):
    """A command could not do its work, for a reason that is no rule of the domain.

    The message is one line; ``exit_code`` is the exit status of the command line
    and ``kind`` the word its error line starts with.
    """

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "failed"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Refused(OperationError):
    """The operation was refused before it changed anything."""

    kind = "refused"


class DatabaseUnreachable(OperationError):
    """PostgreSQL could not be reached, or did not let us in."""

    exit_code = 4
    kind = "postgresql"


class SearchUnavailable(OperationError):
    """Elasticsearch could not be reached, or refused the request."""

    exit_code = 5
    kind = "elasticsearch"


class SearchUnreachable(SearchUnavailable):
    """Elasticsearch did not answer, or was too busy to: the same request may succeed later."""
