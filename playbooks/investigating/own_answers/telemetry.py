"""What the events of a computer tell that Holdfast has taken in: whom it talked to, what ran there.

For clients whose products on computers send events and answer no such question.
"""

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from integrations import ocsf
from integrations.contract import Json
from integrations.intelligence import matching
from integrations.intelligence.naming import with_parents
from playbooks import availability
from playbooks.cases import case_alerts, case_devices
from playbooks.investigating.own_answers.asked import NotTold
from tenants.models import Case, Event, Finding

_MOST_EVENTS, _MOST = 5000, 200
_REMOTE = ("ip:", "domain:", "url:")
# Fewer programs say nothing of what is not there.
_ENOUGH = 20
_TOOLS = re.compile(
    r"(?i)\b(anydesk|teamviewer|screenconnect|connectwise|splashtop|srserver|atera|rustdesk|dameware"
    r"|dwrcs|logmein|lmiguardian|gotoassist|g2comm|supremo|ultraviewer|netsupport|client32|rutserv"
    r"|rfusclient|action1|meshagent|tacticalrmm|ninjarmm|bomgar|zohoassist|za_connect|fleetdeck"
    r"|simplehelp|aeroadmin|ammyy|aa_v3|winvnc|tvnserver|vncserver|pulseway|quickassist)"
)
_ABOUT_REMOTE_ACCESS = re.compile(r"(?i)remote.(access|monitoring|management|control|admin)|T1219")
# The MSP's own, where it is connected for this client.
_APPROVED: Mapping[str, Collection[str]] = {
    "ninjaone": ("ninjarmm",), "tactical_rmm": ("tacticalrmm", "meshagent"),
}  # fmt: skip


def connections(case: Case, inputs: Json) -> Json:
    """Return whom the device talked to or asked for; harmful is what intelligence knows.

    NotTold where the device is not clear, or no such event of it was taken in.
    """
    classes = (ocsf.NETWORK_ACTIVITY, ocsf.DNS_ACTIVITY)
    named = _events(case, inputs, classes).values_list("entities", "source_ip")
    seen: set[str] = set()
    rows = list(named[:_MOST_EVENTS])
    for entities, source in rows:
        own = f"ip:{source}"
        seen |= {one for one in entities if one.startswith(_REMOTE) and one != own}
    if not rows:
        raise NotTold("no event of this computer tells whom it talked to")
    harmful = {one.indicator.entity for one in matching.surely(seen)}
    told = [
        {
            "external_id": one, "name": one.partition(":")[2],
            "is_malicious": bool(harmful & set(with_parents([one]))),
        }
        for one in sorted(seen)
    ]  # fmt: skip
    return {"connections": sorted(told, key=lambda one: not one["is_malicious"])[:_MOST]}


def remote_access_tools(case: Case, inputs: Json) -> Json:
    """Return the remote-access programs that ran; those of the MSP's own products are approved.

    NotTold where the device is not clear, or too few programs of it were taken in.
    """
    rows = _events(case, {"hours": 168, **inputs}, (ocsf.PROCESS_ACTIVITY,))
    ran = list(rows.order_by("-time").values_list("time", "target", "ocsf__process")[:_MOST_EVENTS])
    if len(ran) < _ENOUGH:
        raise NotTold("too few events of this computer tell which programs ran")
    connected = availability.connections_of_scope()
    approved = {name for one in connected for name in _APPROVED.get(one, ())}
    lately = timezone.now() - dt.timedelta(days=1)
    found: dict[str, Json] = {}
    for time, target, process in ran:
        told = f"{target} {(process or {}).get('name', '')} {(process or {}).get('cmd_line', '')}"
        if (match := _TOOLS.search(told)) is None:
            continue
        name = match[1].lower()
        found.setdefault(
            name,
            {
                "external_id": name, "name": name, "is_approved": name in approved,
                "is_running": time >= lately, "last_seen_at": time,
            },
        )  # fmt: skip
    return {"tools": list(found.values()), "alerts_explained": _explained(case, found)}


def _explained(case: Case, found: Collection[str]) -> bool:
    """Whether each alert of the case about remote access is about one of these programs."""
    about = [
        finding
        for finding in case_alerts.of_case(case)
        if _ABOUT_REMOTE_ACCESS.search(f"{finding.title} {' '.join(finding.techniques)}")
    ]
    whole = Finding.in_scope().filter(id__in=[one.id for one in about]).only("title", "ocsf")
    return bool(about) and all(_is_about(finding, found) for finding in whole.iterator())


def _is_about(finding: Finding, found: Collection[str]) -> bool:
    told = " ".join((finding.title, *_names(finding.ocsf)))
    named = {match[1].lower() for match in _TOOLS.finditer(told)}
    return bool(named) and named <= set(found)


def _names(told: Any, within: str = "") -> Iterator[str]:
    """The names of the programs and files that an alert is about, not of what started them."""
    if isinstance(told, list):
        for one in told:
            yield from _names(one, within)
    elif isinstance(told, Mapping):
        if within in ("process", "file"):
            yield str(told.get("name") or "")
        for key, one in told.items():
            if key not in ("parent_process", "actor"):
                yield from _names(one, key)


def _events(case: Case, inputs: Json, classes: Collection[int]) -> QuerySet[Event]:
    device = case_devices.about(case)
    if device is None:
        raise NotTold("the case names no device that the directory knows")
    names = {f"device:{row.hostname.lower()}" for row in device.rows if row.hostname}
    names |= {f"device_id:{row.provider}:{row.external_id.lower()}" for row in device.rows}
    hours = inputs.get("hours", 24)
    back = dt.timedelta(hours=hours if isinstance(hours, int) else 24)
    return Event.in_scope().filter(
        class_uid__in=classes, entities__overlap=sorted(names),
        time__gte=case.first_activity_at - back,
    )  # fmt: skip
