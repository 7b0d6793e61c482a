"""One indicator as its source tells it, and the entity that events and cases name it by. Pure."""

import datetime as dt
import hashlib
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from integrations.values import entity

LONGEST = 400
# As told: what is longer is in no event as one entity, however it is written.
_LONGEST_TOLD = 2_000
_HASHES = {32, 40, 64}
# https://github.com/MISP/misp-objects and STIX 2.1 call the same by these names.
KINDS = {
    "ipv4-addr": "ip", "ipv6-addr": "ip", "ip-src": "ip", "ip-dst": "ip", "ip": "ip",
    "domain-name": "domain", "domain": "domain", "hostname": "domain",
    "url": "url", "uri": "url", "link": "url",
    "md5": "file", "sha1": "file", "sha256": "file", "sha-1": "file", "sha-256": "file",
    "hash": "file", "file": "file",
    "email-addr": "sender", "email-src": "sender", "email": "sender", "sender": "sender",
    "cve": "cve", "vulnerability": "cve",
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

    `confidence` (percent) and the times (aware) are None where the source says nothing of them.
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


def entity_of(kind: str, value: str) -> tuple[str, str]:
    """Return the entity of a value, or none and why it can't be looked for."""
    known = KINDS.get(kind.strip().lower(), "")
    if not known:
        return "", f"{kind or 'this kind'} is in no event that Holdfast reads"
    if len(value) > _LONGEST_TOLD:
        return "", f"it is longer than {_LONGEST_TOLD:,} characters"
    value = refanged(value)
    why = ""
    if known == "ip":
        try:
            found_at = ipaddress.ip_address(value)
            value = str(getattr(found_at, "ipv4_mapped", None) or found_at)
        except ValueError:
            why = "it is a whole network, or no address" if "/" in value else "it is no address"
    elif known == "file" and (
        len(value) not in _HASHES or set(value.lower()) - set("0123456789abcdef")
    ):
        why = "it is no MD5, SHA-1 or SHA-256"
    elif known == "url" and not urlsplit(value).netloc:
        why = "it is no whole address"
    elif known == "domain":
        value = value.rstrip(".").removeprefix("*.")
        why = "" if "." in value else "it is no whole name"
    elif known == "sender" and "@" not in value:
        why = "it is no mail address"
    found = entity(known, value)
    if not why and (not found or len(found) > LONGEST):
        why = "it is empty or too long"
    return ("", why) if why else (found, "")


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
    """Return a time as sources write it (ISO 8601, or seconds since 1970); None for others."""
    try:
        if isinstance(told, int | float) or (isinstance(told, str) and told.isdigit()):
            return dt.datetime.fromtimestamp(float(told), dt.UTC)
        at = dt.datetime.fromisoformat(str(told))
        return at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def percent(told: object) -> int | None:
    """Return a confidence of 0 … 100; None where none is told."""
    try:
        return max(0, min(100, int(str(told))))
    except ValueError:
        return None
