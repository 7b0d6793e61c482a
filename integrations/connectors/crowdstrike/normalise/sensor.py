"""What sensors saw, as the data replicator (FDR) writes it: programs, names asked for, logons.

Source: https://www.crowdstrike.com/resources/data-sheets/falcon-data-replicator/
"""

import datetime as dt
from typing import Any

from integrations import ocsf, traces
from integrations.endpoints import account_name, base_name, file
from integrations.values import Fields, address, content_uid, device_entity, entities, entity
from tenants.records import Event

_PLATFORMS = {"win": "Windows", "mac": "macOS", "lin": "Linux"}
_CONNECTIONS = ("networkconnect", "networkreceiveaccept")
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp"}


def event(record: Fields) -> Event:
    """One event of a sensor."""
    inner = record.nested("event")
    told = Fields({**record.body, **inner.body}) if inner.body else record
    kind = record.text("event_simpleName")
    time = record.essential_time("timestamp", "p_event_time", "ContextTimeStamp")
    lower = kind.lower()
    if lower in {"processrollup2", "syntheticprocessrollup2"}:
        return _program(told, kind, time)
    if lower.startswith("dnsrequest"):
        return _name_asked(told, kind, time)
    if lower.startswith(_CONNECTIONS):
        return _connection(told, kind, time)
    if lower.startswith(("userlogon", "userlogoff")):
        return _logon(told, kind, time)
    return _event(told, kind, time, ocsf.BASE_EVENT, ocsf.OTHER, kind)


def _program(told: Fields, kind: str, time: dt.datetime) -> Event:
    path = told.text("ImageFileName")
    name = base_name(path)
    hashes = (told.text("SHA256HashData"), told.text("SHA1HashData"), told.text("MD5HashData"))
    process = ocsf.filled(
        name=name,
        pid=told.number("RawProcessId"),
        uid=told.text("TargetProcessId"),
        cmd_line=told.text("CommandLine"),
        created_time=ocsf.epoch_ms(told.time("ProcessStartTime")),
        file=file(name, path, *hashes),
        user=ocsf.user(told.text("UserName"), told.text("UserSid")),
        parent_process=ocsf.filled(
            name=told.text("ParentBaseFileName"),
            uid=told.text("ParentProcessId", "SourceProcessId"),
        ),
    )
    return _event(
        told, kind, time, ocsf.PROCESS_ACTIVITY, 1, "Launch",
        target=name, more=traces.files(*hashes), process=process,
    )  # fmt: skip


def _name_asked(told: Fields, kind: str, time: dt.datetime) -> Event:
    name = told.text("DomainName")
    return _event(
        told, kind, time, ocsf.DNS_ACTIVITY, 1, "Query",
        target=name, more=(entity("domain", name),),
        query=ocsf.filled(hostname=name, type=told.text("RequestType")),
    )  # fmt: skip


def _connection(told: Fields, kind: str, time: dt.datetime) -> Event:
    remote = address(told.text("RemoteAddressIP4", "RemoteAddressIP6"))
    protocol = told.text("Protocol")
    return _event(
        told, kind, time, ocsf.NETWORK_ACTIVITY, 1, "Open",
        target=remote, more=(entity("ip", remote),),
        dst_endpoint=ocsf.endpoint(remote, port=told.number("RemotePort")),
        connection_info=ocsf.filled(
            protocol_num=told.number("Protocol"), protocol_name=_PROTOCOLS.get(protocol, ""),
            direction_id=1 if "accept" in kind.lower() else 2,
        ),
    )  # fmt: skip


def _logon(told: Fields, kind: str, time: dt.datetime) -> Event:
    is_off = "logoff" in kind.lower()
    ok = None if is_off else "failed" not in kind.lower()
    user = ocsf.user(told.text("UserName"), told.text("UserSid"), domain=told.text("LogonDomain"))
    remote = address(told.text("RemoteAddressIP4", "RemoteIP"))
    return _event(
        told, kind, time, ocsf.AUTHENTICATION, 2 if is_off else 1, "Logoff" if is_off else "Logon",
        is_success=ok, more=(entity("ip", remote),), user=user, **ocsf.status(ok),
    )  # fmt: skip


def _event(
    told: Fields,
    kind: str,
    time: dt.datetime,
    class_uid: int,
    activity_id: int,
    activity: str,
    *,
    target: str = "",
    is_success: bool | None = None,
    more: tuple[str, ...] = (),
    **attributes: Any,
) -> Event:
    device, host = told.text("aid"), told.text("ComputerName")
    user, sid = told.text("UserName"), told.text("UserSid")
    account = account_name(user, told.text("LogonDomain", "UserDomain"), host or device, sid)
    external = address(told.text("aip"))
    uid = told.text("id") or content_uid(told.body)
    endpoint = ocsf.endpoint(
        ip=address(told.text("LocalAddressIP4")) or external, hostname=host, uid=device,
        os=_PLATFORMS.get(told.word("event_platform"), told.text("event_platform")),
    )  # fmt: skip
    return Event(
        uid=uid,
        class_uid=class_uid,
        activity=kind,
        time=time,
        is_success=is_success,
        actor=account or user or sid,
        target=target or host or device,
        source_ip=external,
        entities=entities(
            entity("device", host), device_entity("crowdstrike", device),
            entity("account", account), entity("ip", external), *more,
        ),
        ocsf=ocsf.event(
            class_uid, activity_id, activity, time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product("CrowdStrike Falcon", "CrowdStrike"),
            tenant_uid=told.text("cid"),
            profiles=("host",),
            device=endpoint | {"type_id": ocsf.UNKNOWN},
            src_endpoint=endpoint
            if class_uid in (ocsf.DNS_ACTIVITY, ocsf.NETWORK_ACTIVITY) else None,
            actor=ocsf.actor(ocsf.user(user, sid) or None),
            **attributes,
        ),
    )  # fmt: skip
