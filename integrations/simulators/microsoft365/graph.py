"""What every Graph handler shares: the request, the answer, the routes, lists and their pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from . import odata
from .errors import GraphError, bad_request, forbidden, not_found
from .faults import Fault
from .odata import Query
from .store import App, Delay, Record, Tenant

METADATA = "https://graph.microsoft.com/v1.0/$metadata"
MAX_PAGE = 1000


@dataclass
class Answer:
    """What a handler gives back; `body` None means no content."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """One request to Graph by a known application of a known tenant."""

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
    params: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    effects: list[dict[str, Any]] = field(default_factory=list)

    @property
    def query(self) -> Query:
        """The OData options, checked."""
        return Query(self.options)

    def now(self) -> str:
        """The simulator's time as Graph writes it."""
        return instant(datetime.fromtimestamp(self.tenant.store.clock(), UTC))

    def effect(self, kind: str, target: str, **detail: Any) -> None:
        """Record that the vendor's state was changed; numbered, for counting effects."""
        number = self.tenant.store.next("effect")
        self.effects.append(
            {"id": f"effect-{number:06d}", "kind": kind, "target": target, "detail": detail}
        )

    def json(self, allowed: Iterable[str] = ()) -> Record:
        """The body as an object; 400 where it is not one or has a property that is not known."""
        if not isinstance(self.body, dict):
            raise bad_request("Unable to read JSON request payload. Please ensure it is valid.")
        names = set(allowed)
        for name in self.body:
            if names and name not in names and not name.startswith("@odata"):
                raise GraphError(400, "Request_BadRequest", f"Invalid property '{name}'.")
        return self.body


Handler = Callable[[Request], Answer]


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

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route and its parameters; 404 or 405 in Graph's shape."""
        is_known = False
        for pattern, candidate in self._routes:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            is_known = True
            if candidate.method == method:
                return candidate, match.groupdict()
        if is_known:
            raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed.")
        segment = path.strip("/").split("/")[-1]
        raise bad_request(f"Resource not found for the segment '{segment}'.")

    def answer(self, request: Request) -> Answer:
        """Carry out a request; GraphError where it is refused."""
        found, request.params = self.find(request.method, request.path)
        if found.permissions and not found.permissions & request.roles:
            raise forbidden()
        stale = request.faults.get("stale_reads")
        if stale is not None:
            request.tenant.delay = Delay(stale.seconds, stale.reads)
        return found.handler(request)


def instant(moment: datetime) -> str:
    """A date and time as Graph writes it, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def entity(record: Record, context: str) -> Answer:
    """One entity as an answer."""
    return Answer(200, {"@odata.context": f"{METADATA}#{context}/$entity", **record})


def no_content() -> Answer:
    """204."""
    return Answer(204)


Expansion = Callable[[Request, Record], Any]


def listing(
    request: Request,
    records: Sequence[Record],
    context: str,
    *,
    expansions: Mapping[str, Expansion] | None = None,
    newest_first: str = "",
    known: Iterable[str] = (),
    select: Callable[[Record, list[str]], Record] = odata.project,
    max_page: int = MAX_PAGE,
) -> Answer:
    """A page of a collection, filtered, ordered, expanded and selected as the request asks.

    `newest_first` names the property by which the collection is ordered when nothing is asked;
    `known` are the filterable properties (default: those that the records have).
    """
    query = request.query
    names = set(known) or {name for record in records for name in record}
    found = list(records)
    if "$filter" in query.options:
        found = [r for r in found if odata.compile_filter(query.options["$filter"], names)(r)]
    if "$orderby" in query.options:
        found = odata.order(found, query.options["$orderby"], names)
    elif newest_first:
        found = odata.order(found, f"{newest_first} desc")
    page, next_link = _page(request, query, found, max_page)
    body: Record = {"@odata.context": f"{METADATA}#{context}"}
    if query.options.get("$count") == "true":
        body["@odata.count"] = len(found)
    if next_link:
        body["@odata.nextLink"] = next_link
    body["value"] = [_shape(request, record, query, expansions or {}, select) for record in page]
    return Answer(200, body)


def shaped(
    request: Request,
    record: Record,
    context: str,
    expansions: Mapping[str, Expansion] | None = None,
    select: Callable[[Record, list[str]], Record] = odata.project,
) -> Answer:
    """One entity with $select and $expand applied."""
    return entity(_shape(request, record, request.query, expansions or {}, select), context)


def _shape(
    request: Request,
    record: Record,
    query: Query,
    expansions: Mapping[str, Expansion],
    select: Callable[[Record, list[str]], Record],
) -> Record:
    result = dict(select(record, query.select))
    for name in query.expand:
        if name not in expansions:
            raise bad_request(f"Parsing OData Select and Expand failed: '{name}'.")
        result[name] = expansions[name](request, record)
    return result


def _page(
    request: Request, query: Query, found: list[Record], max_page: int
) -> tuple[list[Record], str]:
    size = query.integer("$top")
    if size is not None and not 1 <= size <= max_page:
        raise bad_request(
            f"Invalid page size specified: '{size}'. Must be between 1 and {max_page}"
        )
    size = size or request.page_size
    start = query.integer("$skip") or 0
    if "$skiptoken" in query.options:
        start = int(odata.decode_token(query.options["$skiptoken"]).get("skip", 0))
    first = start - 1 if start and "duplicate_records" in request.faults else start
    page = found[first : start + size]
    if start + size >= len(found):
        return page, ""
    options = {k: v for k, v in query.options.items() if k not in {"$skip", "$skiptoken"}}
    options["$skiptoken"] = odata.encode_token({"skip": start + size})
    return page, odata.link(request.base, request.path, options)


def one(request: Request, collection: str, record_id: str) -> Record:
    """A record that readers see, or 404."""
    record = request.tenant.get(collection, record_id)
    if record is None:
        raise not_found(record_id)
    return record


def existing(request: Request, collection: str, record_id: str) -> Record:
    """A record that really exists, for writers, or 404."""
    record = request.tenant.true(collection, record_id)
    if record is None:
        raise not_found(record_id)
    return record


def audit(
    request: Request,
    activity: str,
    target: Record,
    *,
    kind: str = "User",
    category: str = "UserManagement",
    service: str = "Core Directory",
    changes: Mapping[str, tuple[str | None, str | None]] | None = None,
) -> None:
    """Write the directory audit entry that Entra writes for a change by an application."""
    tenant = request.tenant
    entry_id = f"Directory_{tenant.new_id('audit')}"
    delay, tenant.delay = tenant.delay, None
    tenant.put(
        "directoryAudits",
        {
            "id": entry_id,
            "category": category,
            "correlationId": tenant.new_id("correlation"),
            "result": "success",
            "resultReason": "",
            "activityDisplayName": activity,
            "activityDateTime": request.now(),
            "loggedByService": service,
            "operationType": "Update",
            "initiatedBy": {
                "user": None,
                "app": {
                    "appId": request.app.client_id,
                    "displayName": request.app.name,
                    "servicePrincipalId": request.app.object_id,
                    "servicePrincipalName": None,
                },
            },
            "targetResources": [
                {
                    "id": target["id"],
                    "displayName": target.get("displayName"),
                    "type": kind,
                    "userPrincipalName": target.get("userPrincipalName"),
                    "groupType": None,
                    "modifiedProperties": [
                        {"displayName": name, "oldValue": old, "newValue": new}
                        for name, (old, new) in (changes or {}).items()
                    ],
                }
            ],
            "additionalDetails": [],
        },
    )
    tenant.delay = delay
