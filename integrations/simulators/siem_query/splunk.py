"""A search head of Splunk: searches sent as `oneshot`, and saved searches.

Source: https://help.splunk.com/en/splunk-enterprise/leverage-rest-apis/rest-api-reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from integrations.simulators.base.http import Answer, Caller, Exchange, Refusal
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.routes import Request, cut, instant, route
from integrations.simulators.base.simulator import Seed
from integrations.simulators.base.store import App, Record, Store, Tenant, stable_id
from integrations.simulators.siem_query import spl

SEARCH, SAVED = "search", "rest_properties_get"
_SIGN_INS = "azure:aad:signin"


def _alert(tenant: Tenant, now: datetime, name: str, search: str, **content: Any) -> None:
    told = {
        "search": search, "disabled": False, "is_scheduled": True, "cron_schedule": "*/5 * * * *",
        "alert_type": "number of events", "alert.track": True, "actions": "", **content,
    }  # fmt: skip
    address = f"https://splunk.example:8089/servicesNS/nobody/search/saved/searches/{name}"
    tenant.put("saved", {
        "name": name, "id": address, "updated": instant(now - timedelta(days=300)),
        "author": "admin", "acl": {"app": "search", "owner": "admin"}, "content": told,
    })  # fmt: skip


def demo(store: Store, now: datetime, seed: int) -> None:
    """Two sourcetypes, one of them silent; alerts that fire, fail, are off or never do."""
    tenant = store.add_tenant(stable_id("splunk", seed), "Example Ltd", "example.example")
    key = "sim-" + stable_id("splunk", "key", seed)
    tenant.apps["reader"] = App("reader", "Holdfast", key, [SEARCH, SAVED])
    for number in range(40):
        tenant.put("events", {
            "id": f"sign-in-{number}", "sourcetype": _SIGN_INS,
            "_time": (now - timedelta(hours=3, minutes=number)).timestamp(),
            "event": {"id": stable_id("sign-in", number),
                      "clientAppUsed": "IMAP4" if number < 4 else "Browser"},
        })  # fmt: skip
    tenant.put("events", {
        "id": "mail-1", "sourcetype": "o365:management:activity", "event": {"Operation": "Send"},
        "_time": (now - timedelta(hours=60)).timestamp(),
    })  # fmt: skip
    own = f'index=main sourcetype="{_SIGN_INS}" '
    _alert(tenant, now, "Fires", own + "| where 1=1", **{
        "action.correlationsearch.annotations": '{"mitre_attack": ["T1078"]}'})  # fmt: skip
    _alert(tenant, now, "Never fires", own + "| search x=1")
    _alert(tenant, now, "Skipped", own + "| search x=2")
    _alert(tenant, now, "Off", own + "| search x=3", disabled=True)
    _alert(tenant, now, "A report", own, alert_type="always", **{"alert.track": False})
    for name, status, reason in (("Fires", "success", ""), ("Never fires", "success", ""),
                                 ("Skipped", "skipped", "Too many searches")):  # fmt: skip
        tenant.put(
            "runs", {"id": name, "status": status, "reason": reason, "last": now.timestamp()}
        )
    tenant.put("fired", {"id": "Fires", "alerts": 5})


def _sources(request: Request, found: list[Record], match: re.Match[str]) -> list[Record]:
    groups: dict[str, list[Record]] = {}
    for one in found:
        groups.setdefault(one["sourcetype"], []).append(one)
    return [
        {"sourcetype": name, "rows": str(len(rows)),
         "last": f"{max(one['_time'] for one in rows):.3f}"}
        for name, rows in groups.items()
    ]  # fmt: skip


def _runs(request: Request, found: list[Record], match: re.Match[str]) -> list[Record]:
    return [
        {"savedsearch_name": one["id"], "status": one["status"], "reason": one["reason"],
         "last": str(one["last"])}
        for one in request.tenant.all("runs")
    ]  # fmt: skip


def _fired(request: Request, found: list[Record], match: re.Match[str]) -> list[Record]:
    return [
        {"rule": one["id"], "alerts": str(one["alerts"])} for one in request.tenant.all("fired")
    ]


def _events(request: Request, found: list[Record], match: re.Match[str]) -> list[Record]:
    holds = spl.where(match["where"])
    hits = [
        one["event"]
        for one in found
        if one["sourcetype"] == match["sourcetype"] and holds(one["event"]) is True
    ]
    if match["field"] is None:
        return [{"hits": str(len(hits))}]
    return [{"event_id": one[match["field"]]} for one in hits[: int(match["most"])]]


_Search = Callable[[Request, list[Record], re.Match[str]], list[Record]]
_SEARCHES: tuple[tuple[re.Pattern[str], _Search], ...] = (
    (re.compile(r"\| tstats count .*WHERE index=\S+ BY sourcetype"), _sources),
    (re.compile(r"search index=_internal sourcetype=scheduler .*BY savedsearch_name"), _runs),
    (re.compile(r"search \(index=_audit action=alert_fired\) OR index=notable .*BY rule"), _fired),
    (re.compile(
        r'search index=\S+ sourcetype="(?P<sourcetype>[^"]+)" \| where (?P<where>.*?)'
        r' \| (?:stats count AS hits|rename "(?P<field>[^"]+)" AS event_id'
        r" \| head (?P<most>\d+) \| table event_id)", re.DOTALL), _events),
)  # fmt: skip


def _jobs(request: Request) -> Answer:
    form = request.body
    if form.get("exec_mode") != "oneshot" or form.get("output_mode") != "json":
        raise Refusal(400, _messages("FATAL", "Only a oneshot search with JSON is served."))
    since, until = float(form["earliest_time"]), float(form["latest_time"])
    found = [one for one in request.tenant.all("events") if since <= one["_time"] < until]
    for pattern, told in _SEARCHES:
        match = pattern.fullmatch(form["search"])
        if match is not None:
            try:
                rows = told(request, found, match)
            except ValueError as error:
                raise Refusal(400, _messages("FATAL", str(error))) from None
            return _results(request, rows)
    raise Refusal(400, _messages("FATAL", "Unknown search command."))


def _results(request: Request, rows: list[Record]) -> Answer:
    page, _ = cut(rows, 0, len(rows) or 1, request.faults)
    names = sorted({name for row in rows for name in row})
    partial = [{"type": "ERROR", "text": "Unable to distribute to peer named idx2"}]
    return Answer(200, {
        "preview": False, "init_offset": 0, "post_process_count": 0, "results": page,
        "fields": [{"name": name} for name in names], "highlighted": {},
        "messages": partial if "partial" in request.faults else [],
    })  # fmt: skip


def _saved(request: Request) -> Answer:
    start, size = int(request.options.get("offset", 0)), int(request.options.get("count", 30))
    rows = request.tenant.all("saved")
    page, _ = cut(rows, start, min(size, request.largest_page), request.faults)
    return Answer(200, {
        "links": {}, "origin": "", "updated": request.now(), "generator": {}, "messages": [],
        "entry": page, "paging": {"total": len(rows), "perPage": size, "offset": start},
    })  # fmt: skip


def _messages(kind: str, text: str) -> Record:
    return {"messages": [{"type": kind, "text": text}]}


class SplunkHead(RestSimulator):
    """A simulated search head."""

    host = "splunk.example"
    seeds: ClassVar[Mapping[str, Seed]] = {"demo": demo}
    routes = (
        route("POST", "/services/search/v2/jobs", _jobs, SEARCH),
        route("GET", "/servicesNS/-/-/saved/searches", _saved, SAVED),
    )

    def caller(self, exchange: Exchange) -> Caller | None:
        """Who asks, by a token."""
        scheme, _, told = exchange.headers.get("authorization", "").partition(" ")
        found = self.tokens.app("reader", told) if scheme == "Bearer" else None
        return Caller(*found, frozenset(found[1].permissions)) if found else None

    def read_json(self, exchange: Exchange) -> Any:
        """Searches come as forms."""
        return exchange.form()

    def granted(self, token: str) -> Answer:
        """Tokens are made by people."""
        raise self.refusal(404, "Not Found")

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """Splunk's shape of an error."""
        headers = {"Retry-After": str(retry_after)} if status == 429 else None
        return Refusal(status, _messages("WARN" if status == 401 else "ERROR", message), headers)
