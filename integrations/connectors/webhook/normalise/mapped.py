"""JSON of any form, read by the rules of the connection's mapping."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from integrations import ocsf, traces
from integrations.alert_identity import alert_uid
from integrations.connectors.webhook.mapping import Rule
from integrations.endpoints import account_name, digest
from integrations.values import (
    address,
    content_uid,
    country,
    entities,
    entity,
    instant,
    severity,
    shown,
    techniques,
)
from tenants.errors import Quarantine
from tenants.records import Event, Finding, SourceRecord

_TRUTHS: Final = {
    "true": True, "success": True, "succeeded": True, "1": True, "yes": True, "ok": True,
    "false": False, "failure": False, "failed": False, "0": False, "no": False, "error": False,
}  # fmt: skip
_REPORTER: Final = ocsf.product("Webhook", "Webhook")


@dataclass(frozen=True, slots=True)
class Source:
    """Who sends records: its connection's name, its rules, and the zone of times without one."""

    name: str
    rules: tuple[Rule, ...]
    zone: dt.tzinfo


def without_mapping(record: SourceRecord) -> Event | Finding:
    """Keep a record until somebody says what its fields mean."""
    names = ", ".join(sorted(map(str, record.body))[:8])
    raise Quarantine(
        "no_mapping",
        f"The connection has no mapping for this JSON (it has {names}): enter one, and take the "
        "record in again.",
    )


def read(record: SourceRecord, source: Source) -> Event | Finding:
    """One record, by the first rule that fits; Quarantine where none does."""
    for rule in source.rules:
        if rule.fits(record.body):
            time = _time(rule, record, source)
            if rule.kind == "finding":
                return _finding(record, rule, time, source)
            return _event(record, rule, time, source)
    raise Quarantine(
        "not_mapped", "No rule of the connection's mapping fits this record: add one for it."
    )


def _time(rule: Rule, record: SourceRecord, source: Source) -> dt.datetime:
    text = rule.text("time", record.body)
    try:
        found = instant(text, source.zone)
    except ValueError:
        raise Quarantine("bad_time", f"time is no time: {shown(text)}.") from None
    if found is None:
        raise Quarantine("missing_time", "The mapping finds no time in this record.")
    return found


def _optional_time(
    rule: Rule, record: SourceRecord, name: str, source: Source
) -> dt.datetime | None:
    try:
        return instant(rule.text(name, record.body), source.zone)
    except ValueError:
        return None


def _essential(rule: Rule, record: SourceRecord, name: str) -> str:
    found = rule.text(name, record.body)
    if not found:
        raise Quarantine(f"missing_{name}", f"The mapping finds no {name} in this record.")
    return found


def _severity(rule: Rule, record: SourceRecord) -> int:
    """OCSF's: by word, or by its number; unknown where the mapping has none."""
    text = rule.text("severity", record.body)
    return int(text) if text in {"0", "1", "2", "3", "4", "5", "6"} else severity(text)


def _entities(rule: Rule, record: SourceRecord) -> tuple[str, ...]:
    cleaning: dict[str, Callable[[str], str]] = {
        "ip": address, "file": lambda text: digest(text) or text, "account": account_name,
    }  # fmt: skip
    told = [
        traces.indicator(text)
        if kind == "indicator"
        else entity(kind, cleaning.get(kind, str)(text))
        for kind, sources in rule.entities.items()
        for source in sources
        for text in source.all(record.body)
    ]
    ip = address(rule.text("source_ip", record.body))
    return entities(*told, entity("ip", ip))


def _event(record: SourceRecord, rule: Rule, time: dt.datetime, source: Source) -> Event:
    told = rule.text("uid", record.body)
    uid = _under(source, told) if told else content_uid(record.body)
    actor, ip = rule.text("actor", record.body), address(rule.text("source_ip", record.body))
    place = country(rule.text("country", record.body))
    is_success = _TRUTHS.get(rule.text("success", record.body).lower())
    activity = rule.text("activity", record.body) or rule.text("title", record.body) or "Other"
    level = _severity(rule, record)
    return Event(
        uid=uid,
        class_uid=rule.class_uid,
        activity=activity,
        time=time,
        severity_id=level,
        is_success=is_success,
        actor=actor,
        target=rule.text("target", record.body),
        source_ip=ip,
        country=place,
        entities=_entities(rule, record),
        ocsf=ocsf.event(
            rule.class_uid, ocsf.OTHER, activity, time,
            severity_id=level,
            severity=rule.text("severity", record.body) if level == ocsf.OTHER else "",
            uid=uid,
            reported_by=_REPORTER,
            message=rule.text("description", record.body) or rule.text("title", record.body),
            **ocsf.status(is_success),
            actor=ocsf.actor(ocsf.user(actor) or None),
            src_endpoint=ocsf.endpoint(ip=ip, place=ocsf.location(country=place) or None),
            unmapped=dict(record.body),
        ),
    )  # fmt: skip


def _under(source: Source, uid: str) -> str:
    """A source's own id with its name before it: a client's systems may count alike."""
    return f"{source.name} {uid}" if source.name else uid


def _uid(record: SourceRecord, rule: Rule, source: Source) -> str:
    """The id of an alert, empty where the mapping names none.

    Where it names one, a record that lacks it shows that the mapping is wrong.
    """
    return _under(source, _essential(rule, record, "uid")) if "uid" in rule.fields else ""


def _finding(record: SourceRecord, rule: Rule, time: dt.datetime, source: Source) -> Finding:
    title = _essential(rule, record, "title")
    found, first = _entities(rule, record), _optional_time(rule, record, "first_activity", source)
    actor, target = rule.text("actor", record.body), rule.text("target", record.body)
    category = rule.text("category", record.body)
    uid = _uid(record, rule, source) or alert_uid(
        title=title, began=first or time, category=category, actor=actor, target=target,
        entities=found,
    )  # fmt: skip
    level = _severity(rule, record)
    attack = techniques(rule.fields["techniques"].all(record.body)
                        if "techniques" in rule.fields else ())  # fmt: skip
    return Finding(
        uid=uid,
        class_uid=rule.class_uid,
        title=title,
        description=rule.text("description", record.body),
        category=category,
        time=time,
        severity_id=level,
        first_activity_at=first,
        last_activity_at=_optional_time(rule, record, "last_activity", source),
        confidence=_percent(rule.text("confidence", record.body)),
        vendor_status=rule.text("status", record.body),
        vendor_verdict=rule.text("verdict", record.body),
        techniques=attack,
        actor=actor,
        target=target,
        entities=found,
        link=rule.text("link", record.body),
        ocsf=ocsf.event(
            rule.class_uid, 1, "Create", time,
            severity_id=level,
            severity=rule.text("severity", record.body) if level == ocsf.OTHER else "",
            uid=uid,
            reported_by=_REPORTER,
            status=rule.text("status", record.body),
            message=rule.text("description", record.body),
            finding_info=ocsf.filled(
                uid=uid, title=title, desc=rule.text("description", record.body),
                created_time=ocsf.epoch_ms(time),
                modified_time=ocsf.epoch_ms(_optional_time(rule, record, "updated", source)),
                attacks=[ocsf.attack(one) for one in attack],
            ),
            unmapped=dict(record.body),
        ),
    )  # fmt: skip


def _percent(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) <= 100 else None
