"""Alerts of rules: findings from a level on, below it events; holes that rules tell of as events.

Source: https://documentation.wazuh.com/current/user-manual/ruleset/rules/rules-classification.html
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Final

from integrations import ocsf, traces
from integrations.alert_identity import alert_uid
from integrations.connectors.wazuh.normalise import vulnerabilities
from integrations.endpoints import account_name, base_name, file
from integrations.values import (
    Fields,
    address,
    content_uid,
    country,
    device_entity,
    entities,
    entity,
    instant,
    techniques,
)
from tenants.errors import Quarantine
from tenants.records import Event, Finding

# From which level on OCSF's severity is critical, high, medium, low: the dashboard's bounds.
_BOUNDS: Final = ((15, 5), (12, 4), (7, 3), (3, 2), (0, 1))
_HIGHEST_LEVEL = 16
_SUCCESS, _FAILURE = "authentication_success", "authentication_failed"
# https://documentation.wazuh.com/current/user-manual/ruleset/ruleset-xml-syntax/rules.html
_ATTACKS: Final = frozenset({
    "attack", "attacks", "web_attack", "sql_injection", "web_scan", "recon",
    "authentication_failures",
})  # fmt: skip
# The manager's own id as an agent, and where what it collects from services comes from:
# https://documentation.wazuh.com/current/cloud-security/
_MANAGER: Final = "000"
_CLOUDS: Final = ("office365", "ms-graph", "azure", "aws", "wazuh-aws", "github", "gcp")
_ZONE_WITH_DOT = re.compile(r"([+-]\d\d)\.(\d\d)$")


def severity_of(level: int) -> int:
    """OCSF severity_id of a rule's level, 0 to 16."""
    return next(number for least, number in _BOUNDS if level >= least)


def alert(fields: Fields, alert_from: int) -> Event | Finding:
    """One alert; from level `alert_from` on it is a finding."""
    rule = fields.nested("rule")
    level = rule.number("level")
    if level is None or not 0 <= level <= _HIGHEST_LEVEL:
        raise Quarantine("no_level", "The alert has no rule.level from 0 to 16. Send it whole.")
    time = fields.essential_time("timestamp", "@timestamp")
    data = fields.nested("data")
    if data.nested("vulnerability").text("cve"):
        return vulnerabilities.of_alert(fields, data.nested("vulnerability"), time)
    uid = _uid(fields)
    if level >= alert_from:
        return _finding(fields, rule, level, uid, time)
    return _event(fields, rule, level, uid or content_uid(fields.body), time)


def _uid(fields: Fields) -> str:
    """The alert's id counts on one manager only, so that the manager's name goes before it."""
    own = fields.text("id")
    return " ".join(filter(None, (fields.nested("manager").text("name"), own))) if own else ""


def _who(fields: Fields) -> tuple[str, str, str]:
    """The account that acted, that to which it was done, and the address from which it came."""
    data, agent = fields.nested("data"), fields.nested("agent").text("name")
    win = data.nested("win").nested("eventdata")
    actor = account_name(
        win.text("subjectUserName") or data.text("srcuser"), win.text("subjectDomainName"), agent
    )
    owner = account_name(
        win.text("targetUserName", "user") or data.text("dstuser", "user"),
        win.text("targetDomainName"), agent, win.text("targetUserSid"),
    )  # fmt: skip
    ip = address(data.text("srcip", "src_ip") or win.text("ipAddress"))
    return actor, owner, "" if ip in ("::1", "127.0.0.1") else ip


def _files(fields: Fields) -> list[ocsf.Object]:
    """The file that a change of files or a malware alert is about."""
    check = fields.nested("syscheck")
    path = check.text("path")
    win = fields.nested("data").nested("win").nested("eventdata")
    path = path or win.text("targetFilename", "image")
    hashes = [check.text(f"{name}_after", name) for name in ("sha256", "sha1", "md5")]
    hashes += [part.partition("=")[2] for part in win.text("hashes").split(",")]
    return [file(base_name(path), path, *hashes)] if path else []


def _entities(fields: Fields) -> tuple[str, ...]:
    actor, owner, ip = _who(fields)
    data, agent = fields.nested("data"), fields.nested("agent")
    if _is_passed_on(fields):
        agent = Fields({})
    hashes = [one["value"] for found in _files(fields) for one in found.get("hashes", [])]
    return entities(
        entity("account", actor), entity("account", owner), entity("ip", ip),
        entity("ip", address(data.text("dstip", "dest_ip"))),
        entity("device", agent.text("name")), device_entity("wazuh", agent.text("id")),
        *traces.files(*hashes),
        *(traces.process_tree("wazuh", agent.text("id"), one) for one in _programs(data)),
        traces.indicator(ip) if _is_attack(fields) else "",
    )  # fmt: skip


def _is_passed_on(fields: Fields) -> bool:
    """Whether the manager only passes on what a cloud service or a device's log tells.

    Its own computer is no part of that: all of a client's alerts from there would name it.
    """
    place = fields.word("location")
    is_others = place.startswith(_CLOUDS) or bool(address(place.partition("->")[0]))
    return fields.nested("agent").text("id") == _MANAGER and is_others


def _programs(data: Fields) -> tuple[str, ...]:
    """What Sysmon calls a program and what started it: ids that are never given again."""
    told = data.nested("win").nested("eventdata")
    return tuple(told.text(one).strip("{}") for one in ("processGuid", "parentProcessGuid"))


def _is_attack(fields: Fields) -> bool:
    """Whether the rule says that the address attacks, by its groups."""
    return bool(_ATTACKS & {one.lower() for one in fields.nested("rule").texts("groups")})


def _attack(rule: Fields) -> tuple[str, ...]:
    return techniques(rule.nested("mitre").texts("id"))


def _shared(fields: Fields, rule: Fields, level: int, uid: str) -> ocsf.Object:
    actor, _, ip = _who(fields)
    agent = fields.nested("agent")
    place = fields.nested("GeoLocation")
    device = ocsf.endpoint(
        hostname=agent.text("name"), uid=agent.text("id"), ip=address(agent.text("ip"))
    )
    where = ocsf.location(
        country="", city=place.text("city_name"), region=place.text("region_name")
    )
    return {
        "severity_id": severity_of(level),
        "uid": uid,
        "reported_by": ocsf.product("Wazuh", "Wazuh"),
        "tenant_uid": fields.nested("cluster").text("name"),
        "message": fields.text("full_log") or rule.text("description"),
        "actor": ocsf.actor(ocsf.user(actor) or None),
        "src_endpoint": ocsf.endpoint(ip=ip, place=where or None),
        "device": device | {"type_id": ocsf.UNKNOWN} if device else {},
        "unmapped": ocsf.filled(
            level=level, rule_id=rule.text("id"), groups=rule.texts("groups"),
            decoder=fields.nested("decoder").text("name"), location=fields.text("location"),
            country_name=place.text("country_name"), data=dict(fields.nested("data").body),
        ),
    }  # fmt: skip


def _finding(fields: Fields, rule: Fields, level: int, uid: str, time: dt.datetime) -> Finding:
    actor, owner, _ = _who(fields)
    agent, attack = fields.nested("agent"), _attack(rule)
    title = rule.text("description") or f"Rule {rule.text('id')}"
    found, target = _entities(fields), agent.text("name") or agent.text("id")
    uid = uid or alert_uid(
        title=title, began=time, actor=actor or owner, target=target, entities=found,
        details=(rule.text("id"), fields.text("full_log")),
    )  # fmt: skip
    return Finding(
        uid=uid,
        class_uid=ocsf.DETECTION_FINDING,
        title=title,
        description=fields.text("full_log"),
        category=", ".join(rule.texts("groups")),
        time=time,
        severity_id=severity_of(level),
        first_activity_at=time,
        last_activity_at=time,
        techniques=attack,
        actor=actor or owner,
        target=target,
        entities=found,
        ocsf=ocsf.event(
            ocsf.DETECTION_FINDING, 1, "Create", time,
            **_shared(fields, rule, level, uid),
            finding_info=ocsf.filled(
                uid=uid, title=title, types=rule.texts("groups"),
                created_time=ocsf.epoch_ms(time), attacks=[ocsf.attack(one) for one in attack],
                analytic=ocsf.filled(name=title, uid=rule.text("id"), type_id=1),
            ),
            evidences=[{"file": one} for one in _files(fields)],
        ),
    )  # fmt: skip


def _event(fields: Fields, rule: Fields, level: int, uid: str, time: dt.datetime) -> Event:
    actor, owner, ip = _who(fields)
    groups = set(rule.texts("groups"))
    is_sign_in = bool(groups & {_SUCCESS, _FAILURE})
    is_success = (_SUCCESS in groups) if is_sign_in else None
    class_uid = ocsf.AUTHENTICATION if is_sign_in else ocsf.BASE_EVENT
    number, name = (1, "Logon") if is_sign_in else (ocsf.OTHER, "Alert of a low level")
    agent = fields.nested("agent")
    return Event(
        uid=uid,
        class_uid=class_uid,
        activity=rule.text("description") or f"Rule {rule.text('id')}",
        time=time,
        severity_id=severity_of(level),
        is_success=is_success,
        actor=(owner or actor) if is_sign_in else (actor or owner),
        target=agent.text("name") or agent.text("id"),
        source_ip=ip,
        country=country(fields.nested("GeoLocation").text("country_code2", "country_code")),
        entities=_entities(fields),
        ocsf=ocsf.event(
            class_uid, number, name, time,
            **_shared(fields, rule, level, uid), **ocsf.status(is_success),
            user=ocsf.user(owner or actor) if is_sign_in else None,
        ),
    )  # fmt: skip


def of_notice(fields: Fields) -> Fields:
    """An alert out of a notice that an integration made of it: a title, and lines of what it says.

    Its lines are ``Rule ID 2902``, ``Level 7``, ``Agent ID 001``, ``Full Log …``.
    """
    told = _lines(fields.text("description"))
    if not told.get("level", "").isdecimal():
        raise Quarantine(
            "no_level",
            "The notice names no level. Use Holdfast's own integration, which sends whole alerts.",
        )
    moment = _ZONE_WITH_DOT.sub(r"\1:\2", fields.text("created_at"))
    return Fields(
        {
            "timestamp": _iso(moment),
            "rule": {
                "id": told.get("rule id", ""),
                "level": int(told["level"]),
                "description": told.get("title", "") or fields.text("message"),
            },
            "agent": {"id": told.get("agent id", ""), "name": told.get("agent name", "")},
            "full_log": told.get("full log", ""),
        }
    )


def _iso(text: str) -> str:
    try:
        moment = instant(text)
    except ValueError:
        return text
    return moment.isoformat() if moment else ""


def _lines(text: str) -> Mapping[str, str]:
    names = ("Rule ID", "Level", "Agent ID", "Agent Name", "Title", "Full Log")
    found: dict[str, str] = {}
    for line in text.splitlines():
        for name in names:
            if line.startswith(f"{name} ") and name.lower() not in found:
                found[name.lower()] = line.removeprefix(name).strip()
    return found
