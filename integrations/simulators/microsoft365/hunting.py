"""Advanced hunting: the two questions that are understood here.

Sources: https://learn.microsoft.com/graph/api/security-security-runhuntingquery,
https://learn.microsoft.com/defender-xdr/advanced-hunting-schema-tables
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from integrations.simulators.base.routes import instant
from integrations.simulators.base.store import Record

from .errors import bad_request
from .graph import METADATA, Answer, Request, Route, route
from .odata import timestamp

_MESSAGE = re.compile(r'InternetMessageId == "((?:[^"\\]|\\.)*)"')
_ACCOUNT = re.compile(r'AccountObjectId == "([^"]*)"')
_TIMES = re.compile(r"datetime\(([^)]*)\)")
_HOUR = timedelta(hours=1)
_NAMES = re.compile(r"ActionType in \(([^)]*)\)")


def _clicks(request: Request, query: str) -> list[Record]:
    found = _MESSAGE.search(query)
    if found is None:
        raise bad_request("The query has a syntax error.")
    wanted = found[1].replace('\\"', '"').replace("\\\\", "\\")
    return [
        {name: click[name] for name in ("AccountUpn", "ActionType", "IsClickedThrough")}
        for click in request.tenant.all("urlClicks")
        if click["InternetMessageId"] == wanted
    ]


def _files(request: Request, query: str) -> list[Record]:
    account, times, names = _ACCOUNT.search(query), _TIMES.findall(query), _NAMES.findall(query)
    if account is None or len(times) != 2 or len(names) != 2:
        raise bad_request("The query has a syntax error.")
    first, fixed = (timestamp(text) for text in times)
    downloads, shares = ({n.strip(' "') for n in given.split(",")} for given in names)
    hours: dict[datetime, list[str]] = {}
    for event in request.tenant.all("cloudAppEvents"):
        at = timestamp(event["Timestamp"])
        if event["AccountObjectId"] == account[1] and at >= first:
            bin_start = fixed + (at - fixed) // _HOUR * _HOUR
            hours.setdefault(bin_start, []).append(event["ActionType"])
    return [
        {
            "Hour": instant(hour),
            "Downloads": sum(name in downloads for name in done),
            "Shares": sum(name in shares for name in done),
        }
        for hour, done in hours.items()
    ]


def run_hunting_query(request: Request) -> Answer:
    query = str(request.json({"query", "timespan"}).get("query"))
    if "UrlClickEvents" in query:
        rows = _clicks(request, query)
    elif query.startswith("CloudAppEvents"):
        rows = _files(request, query)
    else:
        raise bad_request("The query names a table that is not known here.")
    schema = [{"name": name, "type": "String"} for name in (rows[0] if rows else ())]
    context = f"{METADATA}#microsoft.graph.security.huntingQueryResults"
    return Answer(200, {"@odata.context": context, "schema": schema, "results": rows})


ROUTES: list[Route] = [
    route("POST", "/security/runHuntingQuery", run_hunting_query, "ThreatHunting.Read.All"),
]
