"""The query parameters of a collection: paging, sparse fieldsets and sorting, as JSON:API has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Request

from oeventdb.flask.problems import Problem

LARGEST_PAGE = 100
USUAL_PAGE = 20
_PARAMETER = re.compile(r"page\[(?:number|size)\]|fields\[[a-z-]+\]|sort")


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks of a collection."""

    number: int
    size: int
    fields: tuple[str, ...] | None
    sort: tuple[tuple[str, bool], ...]


def parse(
    request: Request, type_: str, members: Sequence[str], attributes: Sequence[str], *extra: str
) -> Query:
    """Read the parameters for resources of this type and these members; others are refused."""
    for name in request.args:
        if not _PARAMETER.fullmatch(name) and name not in extra:
            raise Problem(400, f"the parameter {name} is not supported here", parameter=name)
        if name.startswith("fields[") and name != f"fields[{type_}]":
            raise Problem(400, f"there are only {type_} resources here", parameter=name)
    return Query(
        number=number(request, "page[number]", 1, 1_000_000),
        size=number(request, "page[size]", USUAL_PAGE, LARGEST_PAGE),
        fields=_fields(request, f"fields[{type_}]", members),
        sort=_sort(request, attributes),
    )


def self_link(request: Request) -> str:
    """The link to what was asked for, page and all."""
    given = urlencode(request.args.to_dict(), safe="[],")
    return f"{request.path}?{given}" if given else request.path


def links(request: Request, query: Query, count: int) -> dict[str, str | None]:
    """The links of a page of a collection of count resources."""
    last = max(1, -(-count // query.size))

    def link(number: int) -> str:
        given = request.args.to_dict() | {"page[number]": str(number), "page[size]": str(query.size)}
        return f"{request.path}?{urlencode(given, safe='[],')}"

    return {
        "first": link(1),
        "last": link(last),
        "prev": link(query.number - 1) if 1 < query.number <= last + 1 else None,
        "next": link(query.number + 1) if query.number < last else None,
    }


def number(request: Request, name: str, usual: int, largest: int) -> int:
    """A parameter from 1 to the largest, the usual if it is not given."""
    text = request.args.get(name)
    if text is None:
        return usual
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= largest:
        raise Problem(400, f"{name} has to be a number from 1 to {largest}", parameter=name)
    return int(text)


def _fields(request: Request, name: str, members: Sequence[str]) -> tuple[str, ...] | None:
    text = request.args.get(name)
    if text is None:
        return None
    fields = tuple(part.strip() for part in text.split(",") if part.strip())
    _require_known(fields, members, name)
    return fields


def _sort(request: Request, members: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    parts = [part.strip() for part in request.args.get("sort", "").split(",") if part.strip()]
    keys = tuple((part.removeprefix("-"), part.startswith("-")) for part in parts)
    _require_known([key for key, _ in keys], members, "sort")
    return keys


def _require_known(names: Sequence[str], members: Sequence[str], parameter: str) -> None:
    for name in names:
        if name not in members:
            raise Problem(400, f"{name[:100]} is no attribute here", parameter=parameter)
