"""Microsoft Sentinel, for one connection: a Log Analytics workspace, only read.

Two services behind one app registration: queries go to Azure Monitor, rules come from Azure
Resource Manager. What may be asked is given by Azure roles on the workspace, not by the token.
Sources: https://learn.microsoft.com/azure/azure-monitor/logs/api/overview, …/response-format,
https://learn.microsoft.com/rest/api/securityinsights/alert-rules/list.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from integrations.addresses import private_endpoints_allowed
from integrations.contract import Standing
from integrations.errors import ConnectionMisconfigured, Unavailable
from integrations.microsoft.registration import (
    Registration,
    endpoint,
    registration,
    scope,
    session,
)
from integrations.transport import Limits, Transport

TITLE: Final = "Microsoft Sentinel"
QUERY_PUBLIC: Final = "https://api.loganalytics.azure.com"
ARM_PUBLIC: Final = "https://management.azure.com"
QUERY: Final = "Microsoft.OperationalInsights/workspaces/query/read"
RULES: Final = "Microsoft.SecurityInsights/alertRules/read"
_RULES_VERSION, _PERMISSIONS_VERSION = "2024-09-01", "2022-04-01"
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GROUP = re.compile(r"[\w.()\-]{1,90}")
_WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-]{2,61}[A-Za-z0-9]")
_MOST_PAGES = 100
# What a reader has no need of: where one of these is allowed, the role is too wide.
_CHANGES = (
    "Microsoft.SecurityInsights/alertRules/write", "Microsoft.SecurityInsights/alertRules/delete",
    "Microsoft.OperationalInsights/workspaces/write",
    "Microsoft.OperationalInsights/workspaces/delete",
)  # fmt: skip

Row = dict[str, Any]


class SentinelClient:
    """One workspace, ready to be asked. Methods raise `integrations.errors`."""

    def __init__(
        self, app: Registration, *, query: str, arm: str, workspace_id: str, resource: str,
        transport: Transport,
    ) -> None:  # fmt: skip
        tokens = app.tokens(transport)
        self.workspace_id = workspace_id
        self._resource = resource
        self._query = session(query, tokens, scope(query, QUERY_PUBLIC), transport)
        self._arm = session(arm, tokens, scope(arm, ARM_PUBLIC), transport)

    def __repr__(self) -> str:
        return f"<SentinelClient {self.workspace_id}>"

    def close(self) -> None:
        """Give back the sockets and forget the tokens."""
        self._query.close()
        self._arm.close()

    def query(self, text: str) -> list[Row]:
        """Run a KQL query; its rows by the names of their columns.

        Rejected where a table or column isn't there.
        """
        path = f"/v1/workspaces/{self.workspace_id}/query"
        body = self._query.ask(path, QUERY, {"query": text})
        if isinstance(body, Mapping) and body.get("error"):
            # With 200 come the rows that there are, and why others are not (PartialError).
            raise Unavailable(
                "POST /query: Log Analytics gave only a part of the answer; it is tried again."
            )
        tables = body.get("tables") if isinstance(body, Mapping) else None
        if not isinstance(tables, list) or not tables or not isinstance(tables[0], Mapping):
            raise Unavailable("POST /query: the answer holds no table; it is tried again.")
        return list(_rows(tables[0]))

    def rules(self) -> list[Row]:
        """Return the analytics rules, as Azure Resource Manager tells them."""
        path = f"{self._resource}/providers/Microsoft.SecurityInsights/alertRules"
        return self._listed(path, RULES, _RULES_VERSION)

    def standing(self) -> Standing:
        """Return which of the two permissions the roles on the workspace hold, and what is wide.

        Source: https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource
        """
        path = f"{self._resource}/providers/Microsoft.Authorization/permissions"
        told = self._listed(path, "", _PERMISSIONS_VERSION)
        granted = {name for name in (QUERY, RULES) if _allows(told, name)}
        wide = {
            pattern
            for one in told
            for pattern in _texts(one.get("actions"))
            if any(_is_like(name, pattern) and _allows(told, name) for name in _CHANGES)
        }
        return Standing(frozenset(granted), frozenset(wide))

    def _listed(self, path: str, permission: str, version: str) -> list[Row]:
        found: list[Row] = []
        link: str = self._arm.url(path, {"api-version": version})
        seen: set[str] = set()
        while link and link not in seen and len(seen) < _MOST_PAGES:
            seen.add(link)
            body = self._arm.get(link, permission)
            if not isinstance(body, Mapping) or not isinstance(body.get("value"), list):
                raise Unavailable(f"GET {path}: the answer is no list; it is tried again.")
            found += [one for one in body["value"] if isinstance(one, dict)]
            link = str(body.get("nextLink") or "")
        return found


def _rows(table: Mapping[str, Any]) -> Iterable[Row]:
    names = [str(one.get("name")) for one in table.get("columns") or () if isinstance(one, Mapping)]
    for row in table.get("rows") or ():
        if isinstance(row, list) and len(row) == len(names):
            yield dict(zip(names, row, strict=True))


def _texts(told: Any) -> list[str]:
    return [one for one in told or () if isinstance(one, str)]


def _is_like(name: str, pattern: str) -> bool:
    return fnmatchcase(name.lower(), pattern.lower().replace("[", "[[]"))


def _allows(told: Iterable[Row], name: str) -> bool:
    """Whether one of the roles allows an operation: its `actions` without its `notActions`."""
    return any(
        any(_is_like(name, pattern) for pattern in _texts(one.get("actions")))
        and not any(_is_like(name, pattern) for pattern in _texts(one.get("notActions")))
        for one in told
    )


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> SentinelClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    app = registration(settings, secrets, title=TITLE, private=private)
    given = {name: (value or "").strip() for name, value in settings.items()}
    for name, shape in (
        ("workspace_id", _GUID), ("subscription_id", _GUID), ("resource_group", _GROUP),
        ("workspace_name", _WORKSPACE),
    ):  # fmt: skip
        if not shape.fullmatch(given.get(name, "")):
            raise ConnectionMisconfigured(
                f"{name} is missing or wrong: copy it from the workspace's overview in the Azure "
                "portal."
            )
    return SentinelClient(
        app,
        query=endpoint(settings, "query_endpoint", QUERY_PUBLIC, private=private),
        arm=endpoint(settings, "arm_endpoint", ARM_PUBLIC, private=private),
        workspace_id=given["workspace_id"].lower(),
        resource=f"/subscriptions/{given['subscription_id']}/resourceGroups/"
        f"{given['resource_group']}/providers/Microsoft.OperationalInsights/workspaces/"
        f"{given['workspace_name']}",
        transport=Transport(allow_private=private, limits=limits),
    )


def canary(client: SentinelClient) -> str:
    """Ask for one number through the whole path; say in a sentence what was seen."""
    rows = client.query("SecurityAlert\n| where TimeGenerated > ago(1d)\n| summarize Hits=count()")
    number = rows[0].get("Hits") if rows else 0
    alerts = "1 alert" if number == 1 else f"{number} alerts"
    return f"Connected to Microsoft Sentinel, which has {alerts} of the last day."
