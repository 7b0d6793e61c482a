"""What every Graph handler shares: the request, the answer, the routes, lists and their pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.simulators.base import routes as base
from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Handler, Route, instant, route
from integrations.simulators.base.store import Record

from . import odata
from .entra import object_id
from .errors import GraphError, bad_request, forbidden, not_found
from .odata import Query

METADATA = "https://graph.microsoft.com/v1.0/$metadata"
MAX_PAGE = 1000
_MEMBER = ("id", "displayName", "userPrincipalName", "mail", "description")


__all__ = ["Answer", "Handler", "Request", "Route", "instant", "route"]


@dataclass
class Request(base.Request):
    """One request to Graph."""

    @property
    def query(self) -> Query:
        """The OData options, checked."""
        return Query(self.options)

    def json(self, allowed: Iterable[str] = ()) -> Record:
        """The body as an object; 400 where it is not one or has a property that is not known."""
        if not isinstance(self.body, dict):
            raise bad_request("Unable to read JSON request payload. Please ensure it is valid.")
        names = set(allowed)
        for name in self.body:
            if names and name not in names and not name.startswith("@odata"):
                raise GraphError(400, "Request_BadRequest", f"Invalid property '{name}'.")
        return self.body


class Router(base.Router):
    """Finds the handler of a request, and refuses in Graph's shape."""

    def answer(self, request: Request) -> Answer:
        """Carry out a request; GraphError where it is refused."""
        found, request.params, is_known = self.match(request.method, request.path)
        if found is None:
            if is_known:
                raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed.")
            segment = request.path.strip("/").split("/")[-1]
            raise bad_request(f"Resource not found for the segment '{segment}'.")
        if found.permissions and not found.permissions & request.roles:
            raise forbidden()
        request.start_writing()
        return found.handler(request)


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
    size = min(size or request.page_size, request.largest_page)
    start = query.integer("$skip") or 0
    if "$skiptoken" in query.options:
        start = int(odata.decode_token(query.options["$skiptoken"]).get("skip", 0))
    page, following = base.cut(found, start, size, request.faults)
    if following is None:
        return page, ""
    options = {k: v for k, v in query.options.items() if k not in {"$skip", "$skiptoken"}}
    options["$skiptoken"] = odata.encode_token({"skip": following})
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


def _reader(collection: str, context: str) -> tuple[Handler, Handler]:
    """Handlers that list a collection and give one of its records."""

    def many(request: Request) -> Answer:
        return listing(request, request.tenant.all(collection), context)

    def single(request: Request) -> Answer:
        return shaped(request, one(request, collection, request.params["id"]), context)

    return many, single


def reading(collection: str, path: str, *permissions: str) -> list[Route]:
    """The routes that list a collection and give one of its records."""
    many, single = _reader(collection, path.strip("/"))
    return [
        route("GET", path, many, *permissions),
        route("GET", path + "/{id}", single, *permissions),
    ]


def as_member(kind: str, record: Record) -> Record:
    """A directory object as a member of something is shown."""
    shown = {name: record[name] for name in _MEMBER if name in record}
    return {"@odata.type": f"#microsoft.graph.{kind}", **shown}


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
                    "servicePrincipalId": object_id(request.app),
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
