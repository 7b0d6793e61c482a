"""ArcSight's Common Event Format, with or without a syslog header before it.

``CEF:Version|Vendor|Product|Version|Class ID|Name|Severity|key=value …``; in the header ``|`` and
``\\`` are escaped, in the extension ``=``, ``\\`` and line ends.
Source: Micro Focus Security ArcSight Common Event Format, version 26.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from integrations import ocsf, traces
from integrations.alert_identity import alert_uid
from integrations.connectors.webhook.normalise import head
from integrations.endpoints import account_name, file
from integrations.values import address, content_uid, entities, entity, instant, is_inside
from tenants.errors import Quarantine
from tenants.records import Event, Finding

_START = re.compile(r"CEF: ?[01]\|")
_FIELD: Final = re.compile(r"((?:[^|\\]|\\.)*)\|", re.DOTALL)
_KEY = re.compile(r"(?:^|(?<= ))([A-Za-z0-9_.\-\[\]]{1,128})(?<!\\)=")
_WORDS: Final = {"unknown": 0, "low": 2, "medium": 3, "high": 4, "very-high": 5}
# By the number: 0-3 low, 4-6 medium, 7-8 high, 9-10 very high.
_BOUNDS: Final = ((9, 5), (7, 4), (4, 3), (0, 2))
_TIMES: Final = ("rt", "end", "start")
_FORMS: Final = (
    "%b %d %Y %H:%M:%S", "%b %d %Y %H:%M:%S.%f", "%b %d %Y %H:%M:%S %Z",
    "%b %d %Y %H:%M:%S.%f %Z", "%b %d %Y %H:%M:%S %z", "%b %d %Y %H:%M:%S.%f %z",
)  # fmt: skip
# What a device or relay counts or stamps anew when it tells of the same once more.
_TOLD_ANEW: Final = frozenset(
    {"rt", "end", "cnt", "art", "mrt", "act", "eventId", "baseEventCount", "sequence"}
)
_SUCCESSES: Final = {"success": True, "/success": True, "failure": False, "/failure": False}


@dataclass(frozen=True, slots=True)
class Message:
    """One CEF message. `severity_id` is OCSF's, `severity` the text that was sent."""

    vendor: str
    product: str
    version: str
    class_id: str
    name: str
    severity: str
    severity_id: int
    more: Mapping[str, str]

    def text(self, *keys: str) -> str:
        """The first of these extension fields that tells."""
        return next((found for key in keys if (found := self.more.get(key, "").strip())), "")


@dataclass(frozen=True, slots=True)
class Source:
    """Who sends lines: its connection's name, the zone of times without one, what is an alert."""

    name: str
    zone: dt.tzinfo
    alert_from: int


def is_cef(text: str) -> bool:
    """Whether a text is a CEF message."""
    return bool(_START.match(text))


def parse(text: str) -> Message:
    """Read a message; Quarantine says which part of it is wrong."""
    start = _START.match(text)
    if start is None:
        raise no_cef()
    place, found = start.end(), list[str]()
    while len(found) < 6 and (part := _FIELD.match(text, place)):
        found.append(re.sub(r"\\([|\\])", r"\1", part[1]).strip())
        place = part.end()
    if len(found) < 6:
        raise Quarantine(
            "cef_cut_off", f"The CEF header has {len(found)} of its 6 fields after the version."
        )
    vendor, product, version, class_id, name, severity = found
    return Message(
        vendor, product, version, class_id, name, severity,
        severity_id=_severity(severity), more=_extension(text[place:].strip()),
    )  # fmt: skip


def no_cef() -> Quarantine:
    """Return why a line that is no CEF is quarantined."""
    return Quarantine(
        "not_cef",
        "The line holds no CEF message, such as CEF:0|Vendor|Product|1.0|100|Name|7|src=…. Have "
        "the source send CEF, or choose the feed syslog for other log lines.",
    )


def _severity(text: str) -> int:
    word = text.lower()
    if word in _WORDS:
        return _WORDS[word]
    if not re.fullmatch(r"\d{1,2}", text) or int(text) > 10:
        raise Quarantine(
            "bad_severity",
            f"The severity {text[:40]!r} is neither 0 to 10 nor Low, Medium, High, Very-High.",
        )
    return next(number for least, number in _BOUNDS if int(text) >= least)


def _extension(text: str) -> dict[str, str]:
    """The extension's fields: a value ends where the next key begins, and may hold spaces."""
    keys = list(_KEY.finditer(text))
    ends = [*(key.start() for key in keys[1:]), len(text)] if keys else []
    return {
        key[1]: re.sub(r"\\([=\\nr|])", _unescaped, text[key.end() : end].strip())
        for key, end in zip(keys, ends, strict=True)
    }


def _unescaped(found: re.Match[str]) -> str:
    return {"n": "\n", "r": "\r"}.get(found[1], found[1])


def _labelled(message: Message) -> dict[str, str]:
    """All fields, those of the sender's own under the label that the sender gave them."""
    labels = {
        key.removesuffix("Label"): value
        for key, value in message.more.items()
        if key.endswith("Label") and value
    }
    return {
        labels.get(key, key): value
        for key, value in message.more.items()
        if not (key.endswith("Label") and key.removesuffix("Label") in message.more)
    }


def _time(message: Message, zone: dt.tzinfo) -> dt.datetime | None:
    for key in _TIMES:
        text = message.more.get(key, "").strip()
        if text:
            return _moment(key, text, zone)
    return None


def _moment(key: str, text: str, zone: dt.tzinfo) -> dt.datetime:
    for form in _FORMS:
        try:
            found = dt.datetime.strptime(text, form)  # noqa: DTZ007
        except ValueError:
            continue
        return found.replace(tzinfo=found.tzinfo or zone).astimezone(dt.UTC)
    try:
        moment = instant(text)
    except ValueError:
        moment = None
    if moment is None:
        raise Quarantine("bad_time", f"{key} is no time: {text[:40]!r}.")
    return moment


def read(line: str, before: head.Head, source: Source) -> Event | Finding:
    """One line. From the source's severity for alerts (0 to 10) it is a finding, else an event."""
    message, zone = parse(before.message.strip()), source.zone
    time = _time(message, zone) or before.time
    if time is None:
        raise Quarantine(
            "missing_time", "Neither rt, end or start nor a syslog header says when it happened."
        )
    uid = _own_id(message, source)
    if _level(message) >= source.alert_from:
        return _finding(message, before, uid or _known_by(message, zone, time), time)
    return _event(message, before, uid or content_uid({"line": line}), time)


def _own_id(message: Message, source: Source) -> str:
    """The id that the device gave: each counts for itself, so the device goes before it."""
    own = message.text("externalId")
    device = message.text("deviceExternalId", "dvchost", "dvc") or source.name
    told = (message.vendor, message.product, device, own)
    return " ".join(filter(None, told)) if own else ""


def _known_by(message: Message, zone: dt.tzinfo, time: dt.datetime) -> str:
    """The id of an alert without one. The syslog header before it is of whoever passed it on."""
    began = message.more.get("start", "").strip()
    more = sorted(message.more.items())
    return alert_uid(
        title=message.name,
        began=_moment("start", began, zone) if began else time,
        details=(
            message.vendor, message.product, message.class_id,
            *(f"{key}={value}" for key, value in more if key not in {*_TOLD_ANEW, "start"}),
        ),
    )  # fmt: skip


def _level(message: Message) -> int:
    if message.severity.isdigit():
        return int(message.severity)
    return {0: 0, 2: 0, 3: 4, 4: 7, 5: 9}[message.severity_id]


def _ends(message: Message) -> tuple[ocsf.Object, ocsf.Object]:
    source = ocsf.endpoint(
        ip=address(message.text("src", "c6a2")), hostname=message.text("shost"),
        port=_port(message.text("spt")),
    )  # fmt: skip
    target = ocsf.endpoint(
        ip=address(message.text("dst", "c6a3")), hostname=message.text("dhost"),
        port=_port(message.text("dpt")),
    )  # fmt: skip
    return source, target


def _port(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,5}", text) else None


def _users(message: Message) -> tuple[str, str]:
    """The sign-in names of who did it, and to whom it was done."""
    actor = account_name(message.text("suser"), message.text("sntdom"))
    return actor, account_name(message.text("duser"), message.text("dntdom"))


def _entities(message: Message, before: head.Head) -> tuple[str, ...]:
    actor, target = _users(message)
    hashes = (message.text("fileHash"), message.text("oldFileHash"))
    addresses = (message.text("src", "c6a2"), message.text("dst", "c6a3"))
    return entities(
        entity("account", actor), entity("account", target),
        *(entity("device", host) for host in _hosts(message, before)),
        *(entity("ip", address(one)) for one in addresses),
        *traces.files(*hashes), entity("domain", message.text("destinationDnsDomain")),
    )  # fmt: skip


def _hosts(message: Message, before: head.Head) -> tuple[str, ...]:
    """The computers that a message is about: what only reports it, or passes it on, is none.

    Where it names neither a computer nor anybody, the one within the client's network counts.
    """
    source, target = _ends(message)
    reporter, own = message.text("dvchost") or before.host, address(message.text("dvc"))
    ends = [one for one in (source, target) if one]
    if not ends or (own and own in [one.get("ip") for one in ends]):
        return (reporter,)
    named = tuple(one["hostname"] for one in ends if "hostname" in one)
    if named or any(_users(message)):
        return named
    return tuple(one["ip"] for one in ends if is_inside(one.get("ip", "")))[:1]


def _shared(message: Message, before: head.Head, uid: str) -> ocsf.Object:
    """What an event and a finding say alike."""
    source, _ = _ends(message)
    actor, _ = _users(message)
    reporter = ocsf.product(message.product, message.vendor)
    name, path = message.text("fname"), message.text("filePath")
    found = file(name, path, message.text("fileHash")) if name or path else {}
    return {
        "severity_id": message.severity_id,
        "severity": message.severity if message.severity_id == 0 else "",
        "uid": uid,
        "reported_by": reporter | ocsf.filled(version=message.version),
        "message": message.text("msg") or message.name,
        "actor": ocsf.actor(ocsf.user(actor) or None),
        "src_endpoint": source,
        "device": _device(message, before),
        # What the device did is no state of the alert: "deleted" may be the file.
        "unmapped": {**ocsf.filled(act=message.text("act")), **_labelled(message)},
        "evidences": [{"file": found}] if found else [],
    }


def _device(message: Message, before: head.Head) -> ocsf.Object:
    host = message.text("dvchost") or before.host
    found = ocsf.endpoint(hostname=host, ip=address(message.text("dvc")))
    return found | {"type_id": ocsf.UNKNOWN} if found else {}


def _event(message: Message, before: head.Head, uid: str, time: dt.datetime) -> Event:
    source, target = _ends(message)
    is_traffic = bool(source.get("ip") and target.get("ip"))
    class_uid = ocsf.NETWORK_ACTIVITY if is_traffic else ocsf.BASE_EVENT
    is_success = _SUCCESSES.get(message.text("outcome", "categoryOutcome").lower())
    actor, owner = _users(message)
    shared = _shared(message, before, uid)
    evidences = shared.pop("evidences")
    return Event(
        uid=uid,
        class_uid=class_uid,
        activity=message.name or message.class_id,
        time=time,
        severity_id=message.severity_id,
        is_success=is_success,
        actor=actor,
        target=owner or message.text("dhost", "dst") or before.host,
        source_ip=source.get("ip", ""),
        entities=_entities(message, before),
        ocsf=ocsf.event(
            class_uid, ocsf.OTHER, message.text("act") or message.name or "Other", time,
            **shared, **ocsf.status(is_success), dst_endpoint=target,
            file=evidences[0]["file"] if evidences else None,
        ),
    )  # fmt: skip


def _finding(message: Message, before: head.Head, uid: str, time: dt.datetime) -> Finding:
    actor, owner = _users(message)
    title = message.name or f"{message.product} {message.class_id}"
    device = message.text("dvchost") or before.host
    return Finding(
        uid=uid,
        class_uid=ocsf.DETECTION_FINDING,
        title=title,
        description=message.text("msg", "reason"),
        category=message.text("cat"),
        time=time,
        severity_id=message.severity_id,
        first_activity_at=_optional(message, "start"),
        last_activity_at=_optional(message, "end"),
        actor=actor or owner,
        target=owner or message.text("dhost", "shost", "dst") or device,
        entities=_entities(message, before),
        ocsf=ocsf.event(
            ocsf.DETECTION_FINDING, 1, "Create", time,
            **_shared(message, before, uid),
            finding_info=ocsf.filled(
                uid=uid, title=title, desc=message.text("msg"), created_time=ocsf.epoch_ms(time),
                modified_time=ocsf.epoch_ms(_optional(message, "rt")),
                types=[message.text("cat")] if message.text("cat") else [],
                analytic=ocsf.filled(name=title, uid=message.class_id, type_id=0),
            ),
        ),
    )  # fmt: skip


def _optional(message: Message, key: str) -> dt.datetime | None:
    text = message.more.get(key, "").strip()
    try:
        return _moment(key, text, dt.UTC) if text else None
    except Quarantine:
        return None
