"""Open Event's ticketing rules as PostgreSQL constraints and functions, and its search index.

Applications import from here: the client, and the errors it raises. The rows it returns are in
``oeventdb.rows``.
"""

from __future__ import annotations

from oeventdb.async_client import AsyncClient
from oeventdb.calls import DEFAULT
from oeventdb.client import Client
from oeventdb.errors import (
    AccessCodeInvalid,
    AccessCodeRequired,
    AlreadyCheckedIn,
    CapacityBelowHeld,
    DiscountCodeDefinition,
    DiscountCodeInvalid,
    DiscountCodeQuantity,
    DiscountCodeUsedUp,
    DiscountCodeWrongKind,
    Error,
    IdempotencyConflict,
    InvalidArgument,
    NotFound,
    NotOnSale,
    OrderExpired,
    OrderLimits,
    OrderState,
    RatingInvalid,
    SoldOut,
    WrongEvent,
    translate,
    translated,
)

__version__ = "0.1.0"

__all__ = [
    "DEFAULT",
    "AccessCodeInvalid",
    "AccessCodeRequired",
    "AlreadyCheckedIn",
    "AsyncClient",
    "CapacityBelowHeld",
    "Client",
    "DiscountCodeDefinition",
    "DiscountCodeInvalid",
    "DiscountCodeQuantity",
    "DiscountCodeUsedUp",
    "DiscountCodeWrongKind",
    "Error",
    "IdempotencyConflict",
    "InvalidArgument",
    "NotFound",
    "NotOnSale",
    "OrderExpired",
    "OrderLimits",
    "OrderState",
    "RatingInvalid",
    "SoldOut",
    "WrongEvent",
    "__version__",
    "translate",
    "translated",
]
