"""Elasticsearch with Kibana, and OpenSearch with Security Analytics, over one state each.

Sources: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search,
https://www.elastic.co/docs/api/doc/kibana/operation/operation-findrules,
https://docs.opensearch.org/latest/security-analytics/api-tools/.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, ClassVar
from urllib.parse import unquote

from integrations.simulators.base import search_dsl
from integrations.simulators.base.http import Answer, Caller, Exchange, Refusal
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.routes import Request, cut, instant, route
from integrations.simulators.base.simulator import Seed
from integrations.simulators.base.store import App, Record, Store, Tenant, stable_id

SEARCH, KIBANA = "search", "Kibana: Security, read"
ANALYTICS = "security_analytics_read_access"
USER = "holdfast"
_ALERTS = ".alerts-security.alerts-default"
_PLUGIN = "/_plugins/_security_analytics"
_SIGN_INS, _MAIL = "azure.signinlogs", "o365.audit"


def event(number: int, dataset: str, at: datetime, **fields: Any) -> Record:
    """An event in a data stream of its dataset; `fields` by dotted names."""
    source: Record = {"@timestamp": instant(at), "event": {"dataset": dataset}}
    for name, value in fields.items():
        place = source
        *outer, last = name.split(".")
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    index = f".ds-logs-{dataset}-default-{at:%Y.%m.%d}-000001"
    return {"id": f"{dataset}-{number}", "_index": index, "_source": source}


def _fill(tenant: Tenant, now: datetime) -> None:
    for number in range(40):
        at = now - timedelta(hours=3, minutes=number)
        tenant.put("events", event(number, _SIGN_INS, at, **{
            "azure.signinlogs.properties.id": stable_id("sign-in", number),
            "azure.signinlogs.properties.client_app_used": "IMAP4" if number < 4 else "Browser",
        }))  # fmt: skip
    tenant.put("events", event(1, _MAIL, now - timedelta(hours=60), **{"event.action": "Send"}))


def _rule(tenant: Tenant, now: datetime, name: str, **fields: Any) -> None:
    own = stable_id("rule", name)
    tenant.put("rules", {
        "id": own, "rule_id": own, "name": name, "enabled": True, "type": "query",
        "query": f"event.action : {name}", "index": [f"logs-{_SIGN_INS}-*"], "threat": [],
        "created_at": instant(now - timedelta(days=400)),
        "updated_at": instant(now - timedelta(days=300)),
        "execution_summary": {"last_execution": {
            "date": instant(now), "status": "succeeded", "status_order": 0, "message": "",
            "metrics": {},
        }},
        **fields,
    })  # fmt: skip


def elastic_demo(store: Store, now: datetime, seed: int) -> None:
    """Two datasets, one of them silent, and rules of which some fail, are off or see nothing."""
    tenant = store.add_tenant(stable_id("elastic", seed), "Example Ltd", "example.example")
    key = "sim-" + stable_id("elastic", "key", seed)
    tenant.apps[USER] = App(USER, "Holdfast", key, [SEARCH, KIBANA])
    _fill(tenant, now)
    failed = {"last_execution": {
        "date": instant(now), "status": "failed", "status_order": 30, "metrics": {},
        "message": "verification_exception: Unknown column [user.nam]",
    }}  # fmt: skip
    _rule(tenant, now, "Fires", threat=[{"framework": "MITRE ATT&CK", "technique": [
        {"id": "T1078", "name": "Valid Accounts", "reference": ""}]}])  # fmt: skip
    _rule(tenant, now, "Never fires")
    _rule(tenant, now, "Broken", execution_summary=failed)
    _rule(tenant, now, "Off", enabled=False)
    _rule(tenant, now, "Reads what is gone", index=["logs-pan.traffic-*", "-logs-*-test"])
    for number in range(3):
        source = {"@timestamp": instant(now - timedelta(days=2)), "kibana": {"alert": {"rule": {
            "uuid": stable_id("rule", "Fires")}}}}  # fmt: skip
        tenant.put("alerts", {"id": f"alert-{number}", "_index": _ALERTS, "_source": source})


def opensearch_demo(store: Store, now: datetime, seed: int) -> None:
    """The same events; a detector that runs two rules, one that failed, and a rule of nobody's."""
    tenant = store.add_tenant(stable_id("opensearch", seed), "Example Ltd", "example.example")
    password = "sim-" + stable_id("opensearch", "password", seed)
    tenant.apps[USER] = App(USER, "Holdfast", password, [SEARCH, ANALYTICS])
    _fill(tenant, now)
    for name, is_given in (("Fires", False), ("Never fires", False), ("Nobody’s", False),
                           ("Given", True), ("Given, not used", True)):  # fmt: skip
        tenant.put("rules", {"id": f"rule-{name}", "pre_packaged": is_given, "_source": {
            "category": "azure", "title": name, "log_source": "", "description": "",
            "tags": [{"value": "attack.t1078"}], "rule": f"title: {name}",
            "last_update_time": instant(now - timedelta(days=300)),
        }})  # fmt: skip
    indices = [f"*logs-{_SIGN_INS}*"]
    for name, custom, given, enabled in (
        ("Sign-ins", ["rule-Fires", "rule-Never fires"], [], True),
        ("Old", [], ["rule-Given"], True),
    ):  # fmt: skip
        told = {
            "description": "", "indices": indices,
            "custom_rules": [{"id": one} for one in custom],
            "pre_packaged_rules": [{"id": one} for one in given],
        }  # fmt: skip
        tenant.put("detectors", {"id": f"detector-{name}", "_source": {
            "name": name, "detector_type": "azure", "enabled": enabled,
            "last_update_time": instant(now), "inputs": [{"detector_input": told}],
        }})  # fmt: skip
    millis = int((now - timedelta(days=1)).timestamp() * 1000)
    for number in range(4):
        tenant.put("findings", {
            "id": f"finding-{number}", "detectorId": "detector-Sign-ins", "index": "x",
            "related_doc_ids": [str(number)], "timestamp": millis,
            "queries": [{"id": "rule-Fires", "name": "rule-Fires", "query": "x", "tags": []}],
            "document_list": [],
        })  # fmt: skip
    tenant.put("sap_alerts", {
        "id": "alert-1", "detector_id": "detector-Old", "state": "ERROR", "severity": "1",
        "error_message": "no such index [old]", "start_time": instant(now), "end_time": None,
    })  # fmt: skip


def _search(request: Request) -> Answer:
    wanted = unquote(request.params["index"]).split(",")
    taken = [one for one in wanted if not one.startswith("-")]
    left = [one.removeprefix("-") for one in wanted if one.startswith("-")]
    records = [
        one
        for collection in ("events", "alerts")
        for one in request.tenant.all(collection)
        if _is_in(one["_index"], taken) and not _is_in(_stream(one["_index"]), left)
    ]
    if not records and request.options.get("ignore_unavailable") != "true":
        raise Refusal(404, _error(404, "index_not_found_exception", "no such index"))
    return search_dsl.found_in(request, records)


def _is_in(index: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, one) for one in patterns for name in (_stream(index), index))


def _stream(index: str) -> str:
    """A data stream is named without the prefix, day and number of its indices."""
    return index.removeprefix(".ds-").rsplit("-", 2)[0] if index.startswith(".ds-") else index


def _find_rules(request: Request) -> Answer:
    page, size = int(request.options.get("page", 1)), int(request.options.get("per_page", 20))
    rules = request.tenant.all("rules")
    size = min(size, request.largest_page)
    found, _ = cut(rules, (page - 1) * size, size, request.faults)
    return Answer(200, {"page": page, "perPage": size, "total": len(rules), "data": found})


def _rules(request: Request) -> Answer:
    is_given = request.options.get("pre_packaged") == "true"
    rules = [one for one in request.tenant.all("rules") if one["pre_packaged"] is is_given]
    return search_dsl.found_in(request, rules)


def _told(request: Request, collection: str, name: str, of: str) -> Answer:
    own, start = request.options.get("detector_id"), int(request.options.get("startIndex", 0))
    state = request.options.get("alertState")
    rows = [
        one
        for one in request.tenant.all(collection)
        if one[of] == own and state in (None, one.get("state"))
    ]
    page, _ = cut(rows, start, int(request.options.get("size", 20)), request.faults)
    return Answer(200, {f"total_{name}": len(rows), name: page})


def _error(status: int, kind: str, reason: str) -> Record:
    cause = {"type": kind, "reason": reason}
    return {"error": {"root_cause": [cause], **cause}, "status": status}


class _Cluster(RestSimulator):
    """What both clusters have alike."""

    def granted(self, token: str) -> Answer:
        """There are no tokens."""
        raise self.refusal(404, "There are no tokens.")

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """The cluster's shape of an error."""
        headers = {"Retry-After": str(retry_after)} if status == 429 else None
        return Refusal(status, _error(status, "security_exception", message), headers)

    def _known(self, secret: str) -> Caller | None:
        found = self.tokens.app(USER, secret)
        return Caller(*found, frozenset(found[1].permissions)) if found else None


class ElasticCluster(_Cluster):
    """A simulated Elasticsearch with its Kibana, which answer at one address here."""

    host = "elastic.example"
    seeds: ClassVar[Mapping[str, Seed]] = {"demo": elastic_demo}
    routes = (
        route("POST", "/{index}/_search", _search, SEARCH),
        route("GET", "/api/detection_engine/rules/_find", _find_rules, KIBANA),
        route("GET", "/s/{space}/api/detection_engine/rules/_find", _find_rules, KIBANA),
    )

    def caller(self, exchange: Exchange) -> Caller | None:
        """Who asks, by an API key."""
        scheme, _, told = exchange.headers.get("authorization", "").partition(" ")
        return self._known(told) if scheme == "ApiKey" else None


class OpenSearchCluster(_Cluster):
    """A simulated OpenSearch with Security Analytics."""

    host = "opensearch.example"
    seeds: ClassVar[Mapping[str, Seed]] = {"demo": opensearch_demo}
    routes = (
        route("POST", "/{index}/_search", _search, SEARCH),
        route("POST", f"{_PLUGIN}/detectors/_search",
              lambda r: search_dsl.search(r, "detectors"), ANALYTICS),
        route("POST", f"{_PLUGIN}/rules/_search", _rules, ANALYTICS),
        route("GET", f"{_PLUGIN}/findings/_search",
              lambda r: _told(r, "findings", "findings", "detectorId"), ANALYTICS),
        route("GET", f"{_PLUGIN}/alerts",
              lambda r: _told(r, "sap_alerts", "alerts", "detector_id"), ANALYTICS),
    )  # fmt: skip

    def caller(self, exchange: Exchange) -> Caller | None:
        """Who asks, by name and password."""
        scheme, _, told = exchange.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(told, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self._known(password) if scheme == "Basic" and name == USER else None
