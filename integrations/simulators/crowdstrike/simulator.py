"""Falcon's API over one state: routes, and what it says when it refuses."""

from __future__ import annotations

import json

from integrations.simulators.base.http import Answer, Caller, Exchange, Refusal
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.routes import Request, route
from integrations.simulators.base.store import Record
from integrations.simulators.crowdstrike import envelope, writes
from integrations.simulators.crowdstrike.seeds import PARTITIONS, SEEDS

_STREAM = "/sensors/entities/datafeed/v1"


def _sorted(found: list[Record], name: str) -> list[Record]:
    return sorted(found, key=lambda record: str(record.get(name)))


def _hosts(request: Request) -> Answer:
    found = _sorted(envelope.matching(request, "hosts"), "modified_timestamp")
    return envelope.by_token(request, [host["device_id"] for host in found], "offset")


def _alerts(request: Request) -> Answer:
    name, _, order = request.options.get("sort", "updated_timestamp|asc").partition("|")
    found = _sorted(envelope.matching(request, "alerts"), name)
    if order == "desc":
        found.reverse()
    return envelope.by_offset(request, [alert["composite_id"] for alert in found])


def _vulnerabilities(request: Request) -> Answer:
    if not request.options.get("filter"):
        raise envelope.refusal(400, "filter is required.")
    found = _sorted(envelope.matching(request, "vulnerabilities"), "updated_timestamp")
    return envelope.by_token(request, found, "after")


def _files(request: Request) -> Answer:
    # The filter's device.device_id is the file's aid.
    told = dict(request.options)
    told["filter"] = told.get("filter", "").replace("device.device_id:", "aid:")
    request.options = told
    return envelope.by_offset(request, [f["id"] for f in envelope.matching(request, "files")])


def _logins(request: Request) -> Answer:
    found = _sorted(envelope.matching(request, "logins"), "login_timestamp")
    return envelope.by_offset(request, [login["id"] for login in reversed(found)])


def _indicators(request: Request) -> Answer:
    return envelope.by_token(request, envelope.matching(request, "indicators"), "after")


def _scans(request: Request) -> Answer:
    return envelope.by_offset(request, [s["id"] for s in envelope.matching(request, "scans")])


def _datafeed(request: Request) -> Answer:
    app_id = request.options.get("appId", "")
    if not app_id.isalnum():
        raise envelope.refusal(400, "appId is required.")
    authorization = request.headers.get("authorization", "")
    actions = f"{request.base}/sensors/entities/datafeed-actions/v1"
    streams = [
        {
            "dataFeedURL": f"{request.base}{_STREAM}/{number}?appId={app_id}",
            "sessionToken": {
                "token": authorization.partition(" ")[2],
                "expiration": request.now(),
            },
            "refreshActiveSessionURL": f"{actions}/{number}?appId={app_id}"
            "&action_name=refresh_active_stream_session",
            "refreshActiveSessionInterval": 1800,
        }
        for number in range(PARTITIONS)
    ]
    return envelope.resources(streams)


def _events(request: Request) -> Answer:
    """The events of a partition from an offset on, one JSON object a line; then the end."""
    start = int(request.options.get("offset") or 0)
    events = request.tenant.all(f"events:{request.params['partition']}")
    found = [event for event in events if event["metadata"]["offset"] >= start]
    return Answer(200, "".join(f"{json.dumps(event)}\r\n" for event in found))


class Crowdstrike(RestSimulator):
    """A simulated CrowdStrike Falcon."""

    host = "api.crowdstrike.com"
    token_path = "/oauth2/token"  # noqa: S105
    seeds = SEEDS
    routes = (
        route("GET", "/devices/queries/devices-scroll/v1", _hosts, "Hosts: Read"),
        route("POST", "/devices/entities/devices/v2",
              lambda r: envelope.by_ids(r, "hosts"), "Hosts: Read"),
        route("POST", "/devices/entities/devices-actions/v2", writes.act_on_host, "Hosts: Write"),
        route("GET", "/alerts/queries/alerts/v2", _alerts, "Alerts: Read"),
        route("POST", "/alerts/entities/alerts/v2",
              lambda r: envelope.by_ids(r, "alerts", "composite_ids"), "Alerts: Read"),
        route("GET", "/spotlight/combined/vulnerabilities/v1", _vulnerabilities,
              "Vulnerabilities: Read"),
        route("GET", "/sensors/entities/datafeed/v2", _datafeed, "Event streams: Read"),
        route("GET", f"{_STREAM}/{{partition}}", _events, "Event streams: Read"),
        route("GET", "/iocs/combined/indicator/v1", _indicators, "IOC Management: Read"),
        route("POST", "/iocs/entities/indicators/v1", writes.make_indicator,
              "IOC Management: Write"),
        route("PATCH", "/iocs/entities/indicators/v1", writes.change_indicator,
              "IOC Management: Write"),
        route("DELETE", "/iocs/entities/indicators/v1", writes.delete_indicator,
              "IOC Management: Write"),
        route("GET", "/quarantine/queries/quarantined-files/v1", _files,
              "Quarantined Files: Read"),
        route("POST", "/quarantine/entities/quarantined-files/GET/v1",
              lambda r: envelope.by_ids(r, "files"), "Quarantined Files: Read"),
        route("PATCH", "/quarantine/entities/quarantined-files/v1", writes.act_on_files,
              "Quarantined Files: Write"),
        route("GET", "/ods/queries/scans/v1", _scans, "On-demand scans (ODS): Read"),
        route("GET", "/ods/entities/scans/v2",
              lambda r: envelope.by_id(r, "scans"), "On-demand scans (ODS): Read"),
        route("POST", "/ods/entities/scans/v1", writes.make_scan, "On-demand scans (ODS): Write"),
        route("GET", "/discover/queries/logins/v1", _logins, "Assets: Read"),
        route("GET", "/discover/entities/logins/v1",
              lambda r: envelope.by_id(r, "logins"), "Assets: Read"),
    )  # fmt: skip

    def issue(self, exchange: Exchange) -> Answer:
        """A token; with member_cid, a parent's API client acts in that member of Flight Control."""
        form = exchange.form()
        found = self.tokens.app(form.get("client_id", ""), form.get("client_secret", ""))
        if found is None:
            raise self.refusal(403, "access denied, invalid client")
        tenant, app = found
        member = form.get("member_cid", "")
        if member:
            if tenant.true("members", member) is None:
                raise self.refusal(403, "access denied, authorization failed")
            tenant = self.store.tenants[member]
        return self.granted(self.tokens.issue(tenant, app))

    def caller(self, exchange: Exchange) -> Caller | None:
        """A bearer token, or the stream's own token on the stream."""
        scheme, _, token = exchange.headers.get("authorization", "").partition(" ")
        expected = "token" if exchange.path.startswith(_STREAM) else "bearer"
        return self.tokens.caller(token) if scheme.lower() == expected else None

    def granted(self, token: str) -> Answer:
        """The token endpoint's answer."""
        told = {"access_token": token, "token_type": "bearer"}
        return Answer(201, {**told, "expires_in": self.options.expires_in})

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """Falcon's shape of an error. The moment has a fraction, which Falcon's has not."""
        headers = {}
        if status == 429:
            moment = self.store.clock() + retry_after
            headers = {"X-RateLimit-RetryAfter": f"{moment:.3f}"}
        return envelope.refusal(status, message, headers)
