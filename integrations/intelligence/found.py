"""One indicator as its source tells it, and the entity that events and cases name it by. Pure."""

import datetime as dt
import hashlib
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from integrations.values import address, entity

LONGEST = 400
NETWORK = "net"
NETWORKS = f"{NETWORK}:"
# Wider networks belong to whole countries or providers, and would point at everybody in them. The
# widest of lists such as Spamhaus DROP have these lengths.
WIDEST = {4: 12, 6: 29}
# As told: what is longer is in no event as one entity, however it is written.
_LONGEST_TOLD = 2_000
_HASHES = {32, 40, 64}
# A date without signs between, such as 20261101; as a text it is no count of seconds.
_DAY = 8
# As seconds that is the year 5138.
_MILLISECONDS = 1e11
_DIGITS = frozenset("0123456789abcdef")
# What STIX 2.1, MISP (https://github.com/MISP/misp-objects), abuse.ch and OTX call the same.
KINDS = {
    **dict.fromkeys(
        ("ipv4-addr", "ipv6-addr", "ip-src", "ip-dst", "ip", "ipv4", "ipv6", "ip:port", "cidr",
         "ip address", "ip_address", "ipaddress", "network", "netblock", "net", "subnet"),
        "ip",
    ),
    **dict.fromkeys(("domain-name", "domain", "hostname", "host", "fqdn"), "domain"),
    **dict.fromkeys(("url", "uri", "link"), "url"),
    **dict.fromkeys(
        ("md5", "sha1", "sha256", "sha-1", "sha-256", "hash", "file", "md5_hash", "sha1_hash",
         "sha256_hash", "filehash-md5", "filehash-sha1", "filehash-sha256"),
        "file",
    ),
    **dict.fromkeys(
        ("email-addr", "email-src", "email", "sender", "email-address", "email_address"), "sender"
    ),
    **dict.fromkeys(("cve", "vulnerability"), "cve"),
}  # fmt: skip
# Such as hxxps[:]//bad[.]test and a[@]bad(dot)test.
_SCHEME = re.compile(r"^hxxp", re.IGNORECASE)
_COLON = re.compile(r"[\[({](:(?://)?)[\])}]")
_SIGNS = (
    (re.compile(r"[\[({](?:\.|dot)[\])}]", re.IGNORECASE), "."),
    (re.compile(r"[\[({](?:@|at)[\])}]", re.IGNORECASE), "@"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """`entity` is empty for what can't be looked for; `not_matched` says why.

    `also`: what an event has to name beside the entity. `confidence` (percent) and the times
    (aware) are None where the source says nothing of them; `seen_at` is when it last saw it, or
    said so. `about`: campaigns, actors, malware and techniques that it points at, such as
    ``malware: Loader``. `tlp`: how far it may be passed on, as of `markings`.
    """

    external_id: str
    told: str
    entity: str = ""
    title: str = ""
    confidence: int | None = None
    valid_from: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    is_revoked: bool = False
    not_matched: str = ""
    also: tuple[str, ...] = ()
    seen_at: dt.datetime | None = None
    tlp: str = ""
    about: tuple[str, ...] = ()


def entity_of(kind: str, value: str) -> tuple[str, str]:
    """Return the entity of a value, or none and why it can't be looked for."""
    known = KINDS.get(kind.strip().lower(), "")
    if not known:
        return "", f"{kind or 'this kind'} is in no event that Holdfast reads"
    if len(value) > _LONGEST_TOLD:
        return "", f"it is longer than {_LONGEST_TOLD:,} characters"
    known, value, why = _as_named(known, refanged(value))
    found = entity(known, value)
    if not why and (not found or len(found) > LONGEST):
        why = "it is empty or too long"
    return ("", why) if why else (found, "")


def _as_named(known: str, value: str) -> tuple[str, str, str]:
    """Return kind and value as events name them, and why that is impossible, if it is."""
    why = ""
    if known == "ip":
        return _address(value)
    if known == "file":
        is_hash = len(value) in _HASHES and not set(value.lower()) - _DIGITS
        why = "" if is_hash else "it is no MD5, SHA-1 or SHA-256"
    elif known == "url":
        why = "" if _has_host(value) else "it is no whole address"
    elif known == "domain":
        value = value.rstrip(".").removeprefix("*.")
        if value.replace(".", "").isdigit() or value.count(":") > 1:
            return _address(value)
        value = value.partition(":")[0]
        why = "" if "." in value.strip(".") else "it is no whole name"
    elif known == "sender" and "@" not in value:
        why = "it is no mail address"
    return known, value, why


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).netloc)
    except ValueError:
        return False


def _address(value: str) -> tuple[str, str, str]:
    """Return an address or a network as events name it; as `_as_named`."""
    try:
        if "/" in value:
            return _network(ipaddress.ip_network(value, strict=False))
        one = ipaddress.ip_address(address(value))
    except ValueError:
        return "ip", value, "it is no address"
    return "ip", str(getattr(one, "ipv4_mapped", None) or one), ""


def _network(one: ipaddress.IPv4Network | ipaddress.IPv6Network) -> tuple[str, str, str]:
    if one.prefixlen == one.max_prefixlen:
        return "ip", str(one.network_address), ""
    widest = WIDEST[one.version]
    why = f"its network is wider than /{widest}: most in it are strangers. Split it"
    return NETWORK, str(one), "" if one.prefixlen >= widest else why


def refanged(value: str) -> str:
    """Return a value as it is used, where its source wrote it so that nobody clicks on it."""
    value = _COLON.sub(r"\1", _SCHEME.sub("http", value.strip()))
    for written, meant in _SIGNS:
        # Blanks may stand around the sign.
        value = meant.join(part.strip() for part in written.split(value))
    return value


def own_id(told: str) -> str:
    """Return an id for what its source gives none."""
    return hashlib.sha256(told.encode()).hexdigest()[:40]


def moment(told: object) -> dt.datetime | None:
    """Return a time as sources write it; None for others.

    That is ISO 8601, also with a blank or ``UTC``, or (milli)seconds since 1970.
    """
    if told is None or told == "" or isinstance(told, bool):
        return None
    try:
        is_day = len(str(told)) == _DAY
        if isinstance(told, int | float) or (
            isinstance(told, str) and told.isdigit() and not is_day
        ):
            count = float(told)
            seconds = count if count < _MILLISECONDS else count / 1000
            return dt.datetime.fromtimestamp(seconds, dt.UTC)
        at = dt.datetime.fromisoformat(str(told).strip().removesuffix("UTC").rstrip())
        return at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def percent(told: object) -> int | None:
    """Return a confidence of 0 … 100; None where none is told."""
    try:
        return max(0, min(100, int(str(told))))
    except ValueError:
        return None
