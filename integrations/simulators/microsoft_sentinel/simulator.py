"""Microsoft Sentinel over one state: sign-in, queries of the workspace, and its rules.

Sources: https://learn.microsoft.com/azure/azure-monitor/logs/api/response-format and …/errors,
https://learn.microsoft.com/rest/api/securityinsights/alert-rules/list.
"""

from __future__ import annotations

from datetime import UTC, datetime

from integrations.simulators.base.http import Answer, CodedRefusal, Exchange, Refusal
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.routes import Request, cut, route
from integrations.simulators.base.store import Record
from integrations.simulators.microsoft_sentinel import kql
from integrations.simulators.microsoft_sentinel.seeds import COLUMNS, PERMISSIONS, SEEDS

_LOGIN = "https://login.microsoftonline.com"
_RESOURCE = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/"
    "Microsoft.OperationalInsights/workspaces/{workspace}/providers"
)
_CODES = {
    400: "BadArgumentError", 401: "AuthorizationRequiredError", 403: "InsufficientAccessError",
    404: "PathNotFoundError", 429: "ThrottledError",
}  # fmt: skip


def _query(request: Request) -> Answer:
    workspace = next(iter(request.tenant.all("workspaces")))
    if request.params["workspace"] != workspace["id"]:
        raise CodedRefusal(404, "WorkspaceNotFoundError", "The workspace could not be found")
    told = request.body if isinstance(request.body, dict) else {}
    filled = {name: request.tenant.all(name) for name in COLUMNS}
    # A table is there from its first row on.
    tables = {name: (COLUMNS[name], rows) for name, rows in filled.items() if rows}
    now = datetime.fromtimestamp(request.tenant.store.clock(), UTC)
    try:
        rows = kql.answer(str(told.get("query") or ""), tables, now)
    except ValueError as error:
        raise Refusal(400, {"error": {
            "code": "BadArgumentError", "message": "The request had some invalid properties",
            "innererror": {"code": "SemanticError", "message": str(error)},
        }}) from None  # fmt: skip
    page, _ = cut(rows, 0, request.largest_page, request.faults)
    if "duplicate_records" in request.faults and page:
        page = [page[0], *page]
    answer: Record = {"tables": [_table(page)]}
    if "partial" in request.faults:
        answer["error"] = {"code": "PartialError", "message": "There were some errors."}
    return Answer(200, answer)


def _table(rows: list[Record]) -> Record:
    names = sorted({name for row in rows for name in row})
    return {
        "name": "PrimaryResult",
        "columns": [{"name": name, "type": _type(name)} for name in names],
        "rows": [[row.get(name) for name in names] for row in rows],
    }


def _type(name: str) -> str:
    if name in ("TimeGenerated", "StartTime", "EndTime", "Last"):
        return "datetime"
    return "long" if name in ("Hits", "Rows", "Alerts") else "string"


def _own(request: Request) -> str:
    """The workspace's resource; refused where the path names another."""
    workspace = next(iter(request.tenant.all("workspaces")))
    asked = (
        request.params["subscription"], request.params["group"], request.params["workspace"],
    )  # fmt: skip
    if asked != (workspace["subscription"], workspace["resourceGroup"], workspace["name"]):
        raise CodedRefusal(404, "ResourceNotFound", "The Resource was not found.")
    return request.path.rpartition("/providers/")[0]


def _rules(request: Request) -> Answer:
    resource = _own(request)
    start = int(request.options.get("$skipToken") or 0)
    page, following = cut(request.tenant.all("rules"), start, request.largest_page, request.faults)
    base = f"{resource}/providers/Microsoft.SecurityInsights/alertRules"
    told: Record = {"value": [{**one, "id": f"{base}/{one['name']}"} for one in page]}
    if following is not None:
        version = request.options.get("api-version", "")
        told["nextLink"] = f"{request.base}{base}?api-version={version}&$skipToken={following}"
    return Answer(200, told)


def _permissions(request: Request) -> Answer:
    """What the caller's roles on the workspace allow."""
    _own(request)
    actions = sorted(request.roles)
    return Answer(200, {"value": [
        {"actions": actions, "notActions": [], "dataActions": [], "notDataActions": []}
    ]})  # fmt: skip


class Sentinel(RestSimulator):
    """A simulated workspace with Sentinel."""

    host = "api.loganalytics.azure.com"
    token_path = "/oauth2/v2.0/token"  # noqa: S105
    seeds = SEEDS
    routes = (
        route("POST", "/v1/workspaces/{workspace}/query", _query, PERMISSIONS[0]),
        route("GET", f"{_RESOURCE}/Microsoft.SecurityInsights/alertRules", _rules, PERMISSIONS[1]),
        route("GET", f"{_RESOURCE}/Microsoft.Authorization/permissions", _permissions),
    )

    def answer(self, exchange: Exchange) -> Answer:
        """Sign-in is another service, under the directory's id."""
        if exchange.path.endswith("/v2.0/.well-known/openid-configuration"):
            base = f"{_LOGIN}/{exchange.path.split('/')[1]}"
            return Answer(200, {
                "token_endpoint": f"{base}{self.token_path}", "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            })  # fmt: skip
        if exchange.path.endswith(self.token_path):
            return self.issue(exchange)
        return super().answer(exchange)

    def is_secret(self, exchange: Exchange) -> bool:
        """The request for a token holds the client's secret."""
        return exchange.path.endswith(self.token_path)

    def issue(self, exchange: Exchange) -> Answer:
        """Answer a request for a token, in the shape of the sign-in service."""
        form = exchange.form()
        found = self.tokens.app(form.get("client_id", ""), form.get("client_secret", ""))
        if found is None:
            told = {"error": "invalid_client", "error_codes": [7000215]}
            raise Refusal(401, {**told, "error_description": "AADSTS7000215: Invalid secret."})
        return self.granted(self.tokens.issue(*found))

    def granted(self, token: str) -> Answer:
        """The token endpoint's answer."""
        life = self.options.expires_in
        told = {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life}
        return Answer(200, {**told, "access_token": token})

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """The service's shape of an error."""
        headers = {"Retry-After": str(retry_after)} if status == 429 else {}
        return CodedRefusal(status, _CODES.get(status, "InternalServerError"), message, headers)
