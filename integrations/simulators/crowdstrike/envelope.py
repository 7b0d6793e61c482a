"""Falcon's envelope, pages, and the part of its filter language (FQL) that is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from integrations.simulators.base.http import Answer, Refusal
from integrations.simulators.base.routes import Request, cut
from integrations.simulators.base.store import Record, stable_id

_TERM = re.compile(r"([\w.]+):(>=|<=|>|<)?(?:'((?:[^'\\]|\\.)*)'|\[([^\]]*)\])")


def meta(**pagination: Any) -> Record:
    """What stands before each answer's resources."""
    told: Record = {"query_time": 0.01, "powered_by": "simulator", "trace_id": stable_id("trace")}
    return told | ({"pagination": pagination} if pagination else {})


def resources(found: Iterable[Any], status: int = 200, **pagination: Any) -> Answer:
    """An answer that holds something."""
    return Answer(status, {"meta": meta(**pagination), "errors": [], "resources": list(found)})


def refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Refusal:
    """An error in Falcon's shape."""
    body = {"meta": meta(), "errors": [{"code": status, "message": message}]}
    return Refusal(status, body, headers)


def page_size(request: Request) -> int:
    """How many are given at once, however many were asked for."""
    return min(int(request.options.get("limit") or request.page_size), request.largest_page)


def by_offset(request: Request, found: Sequence[Any]) -> Answer:
    """A page of a listing that is paged by number."""
    size, start = page_size(request), int(request.options.get("offset") or 0)
    page, _ = cut(found, start, size, request.faults)
    return resources(page, limit=size, offset=start, total=len(found))


def by_token(request: Request, found: Sequence[Any], name: str) -> Answer:
    """A page of a listing that is paged by a token (`after`, or the scroll's `offset`)."""
    size, start = page_size(request), _start(request, name)
    page, following = cut(found, start, size, request.faults)
    token = f"next-{following}" if following is not None else ""
    told: dict[str, Any] = {"limit": size, "total": len(found), name: token}
    return resources(page, **told)


def _start(request: Request, name: str) -> int:
    token = request.options.get(name)
    if not token:
        return 0
    if not re.fullmatch(r"next-\d+", token):
        raise refusal(400, "Invalid pagination token.")
    return int(token.removeprefix("next-"))


def by_ids(request: Request, collection: str, name: str = "ids") -> Answer:
    """What has the ids in the request's body; an error for each that there is none of."""
    asked = request.body.get(name) if isinstance(request.body, dict) else None
    if not isinstance(asked, list) or not asked:
        raise refusal(400, f"{name} is required.")
    return _of(request, collection, asked)


def by_id(request: Request, collection: str) -> Answer:
    """What has the id in the query."""
    return _of(request, collection, [request.options.get("ids", "")])


def _of(request: Request, collection: str, asked: Sequence[str]) -> Answer:
    found = {one: request.tenant.get(collection, one) for one in asked}
    missing = [one for one, record in found.items() if record is None]
    errors = [{"code": 404, "message": "Not found.", "id": one} for one in missing]
    there = [record for record in found.values() if record is not None]
    return Answer(200, {"meta": meta(), "errors": errors, "resources": there})


def matching(request: Request, collection: str) -> list[Record]:
    """The records that the request's filter lets through; 400 for what isn't understood."""
    told = request.options.get("filter", "")
    terms = [found.groups() for found in _TERM.finditer(told)]
    if _TERM.sub("", told).strip("+ "):
        raise refusal(400, "Invalid filter expression.")
    records = request.tenant.all(collection)
    return [one for one in records if all(_holds(one, *term) for term in terms)]


def _holds(record: Record, name: str, sign: str | None, value: str | None, listed: str) -> bool:
    found: Any = record
    for part in name.removesuffix(".keyword").split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if value is None:
        return str(found) in re.findall(r"'([^']*)'", listed or "")
    wanted = re.sub(r"\\(.)", r"\1", value)
    if sign is None:
        return str(found) == wanted
    held = str(found)
    return {">=": held >= wanted, "<=": held <= wanted, ">": held > wanted, "<": held < wanted}[
        sign
    ]
