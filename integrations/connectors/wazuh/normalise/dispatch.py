"""From a record to what it is, by what it shows; the normaliser of every feed."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from integrations.connectors.wazuh.normalise import alerts, computers, vulnerabilities
from integrations.contract import ENDED_AT, THERE_AGAIN_AT
from integrations.errors import ConnectionMisconfigured
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import Normalised, SourceRecord

Normalise = Callable[[SourceRecord], Normalised]
_ALERT_FROM = 7
_SYSCOLLECTOR = re.compile(r"/syscollector/(?:(?P<agent>\d{3,10}|\{agent_id\})/)?(?P<kind>[a-z_]+)")
# What tells the kinds of inventory apart that are events: a field of each.
_SIGNS: Final = (
    ("ports", ("local", "remote")), ("processes", ("argvs", "cmd", "ppid")),
    ("netaddr", ("netmask", "broadcast")), ("netproto", ("gateway", "dhcp")),
    ("netiface", ("mac", "mtu")), ("users", ("user",)), ("hardware", ("cpu", "board_serial")),
    ("os", ("sysname", "os_name")),
)  # fmt: skip


def configured(settings: Mapping[str, str]) -> Normalise:
    """The normaliser of a connection: from which level an alert is a finding."""
    text = settings.get("alert_from", "").strip() or str(_ALERT_FROM)
    if not text.isdecimal() or int(text) > 17:
        raise ConnectionMisconfigured(
            "alert_from: a rule level from 0 to 16, or 17 where no alert is a finding."
        )
    alert_from = int(text)
    return lambda record: _read(_unwrapped(record), record, alert_from)


normalise: Final = configured({})


def _read(fields: Fields, record: SourceRecord, alert_from: int) -> Normalised:
    if fields.nested("vulnerability").text("id") and fields.has("agent"):
        told = record.context
        return vulnerabilities.of_state(fields, told.get(ENDED_AT), told.get(THERE_AGAIN_AT))
    if fields.has("rule") and fields.has_any("agent", "manager", "timestamp"):
        return alerts.alert(fields, alert_from)
    if fields.has("description", "created_at", "message"):
        return alerts.alert(alerts.of_notice(fields), alert_from)
    found = _inventory(fields, record)
    if found is not None:
        return found
    if fields.has("id") and fields.has_any("lastKeepAlive", "dateAdd", "registerIP"):
        return computers.agent(fields)
    shown = ", ".join(sorted(map(str, fields.body))[:5])
    raise Quarantine(
        "not_recognised",
        f"Nothing in the record shows an alert, an agent, a hole or a program (it has {shown}). "
        "Check the connector and the feed.",
    )


def _inventory(fields: Fields, record: SourceRecord) -> Normalised | None:
    """What Syscollector found, by its path or its fields."""
    place = _SYSCOLLECTOR.search(str(record.context.get("url") or ""))
    if place is None and not fields.has("scan"):
        return None
    agent_id = fields.text("agent_id") or (place["agent"] if place and place["agent"] else "")
    if not re.fullmatch(r"\d{3,10}", agent_id):
        raise Quarantine(
            "no_agent", "The record doesn't say on which agent it was found (agent_id)."
        )
    if fields.has("hotfix"):
        return computers.hotfix(fields, agent_id)
    if fields.has("name") and fields.has_any("format", "multiarch", "vendor"):
        return computers.package(fields, agent_id)
    kind = next((kind for kind, some in _SIGNS if fields.has_any(*some)), "")
    kind = kind or (place["kind"] if place else "")
    return computers.observed(fields, agent_id, kind) if kind else None


def _unwrapped(record: SourceRecord) -> Fields:
    """The record without what an integration put around it; Quarantine where it is none."""
    refused = record.context.get("quarantine")
    if isinstance(refused, Mapping):
        raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
    if not isinstance(record.body, Mapping) or not record.body:
        raise Quarantine("empty_record", "The record is empty or no JSON object. Check the file.")
    fields = Fields(record.body)
    if fields.has("_source"):
        return fields.nested("_source")
    # As the integration for Shuffle sends it.
    return fields.nested("all_fields") if fields.has("all_fields") else fields
