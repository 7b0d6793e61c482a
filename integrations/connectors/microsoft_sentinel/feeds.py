"""How alerts are read: those of Sentinel's own rules, a page at a time, oldest first.

Alerts of other Microsoft products that Sentinel only collects come by their own connectors.
Source: https://learn.microsoft.com/azure/azure-monitor/reference/tables/securityalert.
"""

import datetime as dt
import json
from typing import Final

from integrations.connectors.microsoft_sentinel.client import SentinelClient
from integrations.siem.queries.kql import quoted
from integrations.sweeps import Slice, swept
from integrations.values import Fields
from tenants.records import SourceRecord

_PAGE = 500
OWN: Final = 'ProductName == "Azure Sentinel"'


def moment(at: dt.datetime) -> str:
    """A time as KQL's literal, UTC."""
    return f"datetime({at.astimezone(dt.UTC).isoformat(timespec='microseconds')[:26]}Z)"


def _alerts(client: SentinelClient, since: dt.datetime | None, token: str) -> Slice:
    """One page; the token is the last record's time and id. A page that is empty is the last."""
    lines = ["SecurityAlert", f"| where {OWN}"]
    if since is not None:
        lines.append(f"| where TimeGenerated >= {moment(since)}")
    # An alert that changes is written again: the newest of its rows is the alert.
    lines.append("| summarize arg_max(TimeGenerated, *) by SystemAlertId")
    if token:
        at, own = json.loads(token)
        lines.append(
            f"| where TimeGenerated > datetime({at}) or (TimeGenerated == datetime({at}) "
            f"and strcmp(SystemAlertId, {quoted(own)}) > 0)"
        )
    lines.append("| order by TimeGenerated asc, SystemAlertId asc")
    lines.append(f"| take {_PAGE}")
    rows = client.query("\n".join(lines))
    ends = [
        [str(row["TimeGenerated"]), str(row["SystemAlertId"])]
        for row in rows
        if row.get("TimeGenerated") and row.get("SystemAlertId")
    ]
    following = json.dumps(max(ends)) if ends else ""
    records = tuple(SourceRecord(row, {"url": "/query SecurityAlert"}) for row in rows)
    return Slice(records, "" if following == token else following)


def _time(record: SourceRecord) -> dt.datetime | None:
    return Fields(record.body).time("TimeGenerated")


alerts = swept(_alerts, _time, first_days=30, overlap=dt.timedelta(minutes=30))
