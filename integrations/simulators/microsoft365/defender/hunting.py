"""Advanced hunting: the two questions that are understood here, on files and on commands.

Source: https://learn.microsoft.com/defender-endpoint/api/run-advanced-query-api
"""

from __future__ import annotations

import re

from integrations.simulators.base.control import moment
from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route

from .errors import lacking, wrong_body

_ASKED = re.compile(
    r'^(DeviceFileEvents|DeviceProcessEvents) \| where DeviceId == "([^"]*)"'
    r" and Timestamp >= datetime\(([^)]*)\)(?: \| where ActionType in \(([^)]*)\))?.*?"
    r"( \| order by ActionType desc, Timestamp desc)? \| project ([\w, ]+) \| take (\d+)$"
)


def _run(request: Request) -> Answer:
    query = request.body.get("Query") if isinstance(request.body, dict) else None
    if not query:
        raise lacking("Query")
    asked = _ASKED.match(str(query))
    if asked is None:
        raise wrong_body("The query has a syntax error.")
    table, machine, since, kinds, is_ordered, columns, most = asked.groups()
    names = columns.split(", ")
    rows = [
        row
        for row in request.tenant.all(table)
        if row["DeviceId"] == machine
        and moment(row["Timestamp"]) >= moment(since)
        and (kinds is None or f'"{row["ActionType"]}"' in kinds.split(", "))
    ]
    if is_ordered:
        rows.sort(key=lambda row: (row["ActionType"], moment(row["Timestamp"])), reverse=True)
    found = [{name: row.get(name, "") for name in names} for row in rows[: int(most)]]
    schema = [{"Name": name, "Type": "String"} for name in names]
    return Answer(200, {"Schema": schema, "Results": found})


ROUTES: list[Route] = [
    route("POST", "/api/advancedqueries/run", _run, "AdvancedQuery.Read.All"),
]
