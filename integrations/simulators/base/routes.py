"""Routes, the request that a handler gets, and pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .faults import Fault
from .http import Answer
from .store import App, Delay, Record, Tenant


@dataclass
class Request:
    """One request by a known application of a known tenant.

    `base` is the address by which the client came, for links in answers.
    """

    tenant: Tenant
    app: App
    roles: frozenset[str]
    method: str
    path: str
    options: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    base: str
    page_size: int = 100
    largest_page: int = 1000
    params: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    effects: list[Record] = field(default_factory=list)

    def now(self) -> str:
        """The simulator's time in ISO 8601, UTC, whole seconds."""
        return instant(datetime.fromtimestamp(self.tenant.store.clock(), UTC))

    def effect(self, kind: str, target: str, **detail: Any) -> None:
        """Record that the vendor's state was changed; numbered, for counting effects."""
        number = self.tenant.store.next("effect")
        self.effects.append(
            {"id": f"effect-{number:06d}", "kind": kind, "target": target, "detail": detail}
        )

    def start_writing(self) -> None:
        """Let what is written from now on be seen late, where a fault asks for that."""
        stale = self.faults.get("stale_reads")
        if stale is not None:
            self.tenant.delay = Delay(stale.seconds, stale.reads)


Handler = Callable[[Any], Answer]


@dataclass(frozen=True)
class Route:
    """A method and path template, what runs for it, and the permissions of which one is needed."""

    method: str
    template: str
    handler: Handler
    permissions: frozenset[str]

    def pattern(self) -> re.Pattern[str]:
        """The template as a pattern for whole paths; static text matches without case."""
        parts = re.split(r"\{(\w+)\}", self.template)
        text = "".join(
            f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )
        return re.compile(f"{text}/?", re.IGNORECASE)


def route(method: str, template: str, handler: Handler, *permissions: str) -> Route:
    """A line in a table of routes."""
    return Route(method, template, handler, frozenset(permissions))


class Router:
    """Finds the handler of a request; static segments win over parameters."""

    def __init__(self, routes: Iterable[Route]) -> None:
        by_fewest_parameters = sorted(routes, key=lambda r: r.template.count("{"))
        self._routes = [(r.pattern(), r) for r in by_fewest_parameters]

    def match(self, method: str, path: str) -> tuple[Route | None, dict[str, str], bool]:
        """The route and its parameters, and whether the path is known by any method."""
        is_known = False
        for pattern, candidate in self._routes:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            is_known = True
            if candidate.method == method:
                return candidate, found.groupdict(), True
        return None, {}, is_known


def instant(value: datetime) -> str:
    """A date and time in ISO 8601, UTC, whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cut(
    found: Sequence[Record], start: int, size: int, faults: Mapping[str, Fault]
) -> tuple[list[Record], int | None]:
    """One page of a listing, and where the next starts (None after the last).

    Suffers the faults `duplicate_records` and `out_of_order`.
    """
    first = start - 1 if start and "duplicate_records" in faults else start
    page = list(found[first : start + size])
    if "out_of_order" in faults:
        page.reverse()
    return page, start + size if start + size < len(found) else None
