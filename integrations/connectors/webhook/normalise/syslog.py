"""Log lines as events (OCSF): sign-ins by SSH as Authentication, all else as base events."""

import datetime as dt
import re
from typing import Any, Final

from integrations import ocsf
from integrations.connectors.webhook.normalise.head import Head
from integrations.endpoints import account_name
from integrations.values import address, content_uid, entities, entity
from tenants.errors import Quarantine
from tenants.records import Event

# Emergency, alert, critical, error, warning, notice, informational, debug (RFC 5424, table 2).
_SEVERITIES: Final = (6, 5, 5, 4, 3, 2, 1, 1)
_SIGN_IN: Final = re.compile(
    r"(?P<result>Accepted|Failed) (?P<how>\S{1,40}) for (?:invalid user )?(?P<user>\S{0,128}) "
    r"from (?P<ip>\S{1,64}) port (?P<port>\d{1,5})"
)


def read(line: str, head: Head) -> Event:
    """One line; Quarantine where nobody knows when it was written."""
    if head.time is None:
        raise Quarantine("missing_time", "The line has no time.")
    sign_in = _SIGN_IN.match(head.message) if head.app.startswith("sshd") else None
    uid = content_uid({"line": line})
    return _signed_in(uid, head, head.time, sign_in) if sign_in else _base(uid, head, head.time)


def _shared(uid: str, head: Head) -> dict[str, Any]:
    device = ocsf.endpoint(hostname=head.host)
    return {
        "severity_id": _severity(head),
        "uid": uid,
        "reported_by": ocsf.product(head.app or "syslog", "syslog"),
        "message": head.message,
        "device": device | {"type_id": ocsf.UNKNOWN} if device else {},
        "unmapped": ocsf.filled(
            facility=head.facility, program=head.app, process_id=head.pid,
            message_id=head.message_id,
            structured_data={name: dict(values) for name, values in head.data.items()},
        ),
    }  # fmt: skip


def _severity(head: Head) -> int:
    return ocsf.UNKNOWN if head.severity is None else _SEVERITIES[head.severity]


def _base(uid: str, head: Head, time: dt.datetime) -> Event:
    return Event(
        uid=uid,
        class_uid=ocsf.BASE_EVENT,
        activity=" ".join(filter(None, (head.app, head.message_id))) or "Log line",
        time=time,
        severity_id=_severity(head),
        target=head.host,
        entities=entities(entity("device", head.host)),
        ocsf=ocsf.event(
            ocsf.BASE_EVENT, ocsf.OTHER, "Log line", time, **_shared(uid, head)
        ),
    )  # fmt: skip


def _signed_in(uid: str, head: Head, time: dt.datetime, found: re.Match[str]) -> Event:
    is_success = found["result"] == "Accepted"
    user, ip = found["user"], address(found["ip"])
    account = account_name(user, computer=head.host)
    return Event(
        uid=uid,
        class_uid=ocsf.AUTHENTICATION,
        activity="Logon",
        time=time,
        severity_id=_severity(head),
        is_success=is_success,
        actor=account or user,
        target=head.host,
        source_ip=ip,
        entities=entities(
            entity("account", account), entity("ip", ip), entity("device", head.host)
        ),
        ocsf=ocsf.event(
            ocsf.AUTHENTICATION, 1, "Logon", time,
            **_shared(uid, head), **ocsf.status(is_success),
            user=ocsf.user(user), actor=ocsf.actor(ocsf.user(user) or None),
            src_endpoint=ocsf.endpoint(ip=ip, port=int(found["port"])),
            dst_endpoint=ocsf.endpoint(hostname=head.host),
            auth_protocol="SSH",
        ),
    )  # fmt: skip
