"""Entities by which alerts turn out to be one attack: programs, files, what is called bad. Pure.

What strangers share is none: an address that is not public, a name without a domain, the hash of
an empty file.
"""

import datetime as dt
import hashlib
import ipaddress
import re
from urllib.parse import urlsplit

from integrations.endpoints import digest
from integrations.values import address, entity

_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.[a-z][a-z0-9-]+")
# Names within one's own network: RFC 6761, RFC 6762, RFC 8375, and what is usual beside them.
_OWN_ENDINGS = (".local", ".home.arpa", ".localhost", ".internal", ".lan", ".in-addr.arpa")
_OF_NOTHING = frozenset(
    hashlib.new(name, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256")
)


def process_tree(connector: str, device: str, process: str) -> str:
    """A program on a device: alerts that name it, or one that it started, have it in common.

    `process` tells it from every other that ever ran there: a product's own id, or `started`. ""
    where either is missing.
    """
    place, number = device.strip(), process.strip()
    return entity("process_tree", f"{connector}:{place}/{number}") if place and number else ""


def started(process_id: str, time: dt.datetime | None) -> str:
    """A program by the system's number and when it began, since numbers come again; "" without."""
    if time is None or not process_id.strip("0"):
        return ""
    return f"{process_id}@{int(time.timestamp() * 1000)}"


def is_of_nothing(value: str) -> bool:
    """Whether a hash is of an empty file, or only zeros: it tells nothing of a file."""
    found = value.strip().lower()
    return found in _OF_NOTHING or not found.strip("0")


def files(*hashes: str) -> tuple[str, ...]:
    """A file by each of its hashes, as entities: who warns of it may know only one of them.

    None where none tells it from others.
    """
    known = (digest(one) for one in hashes if not is_of_nothing(one))
    return tuple(dict.fromkeys(entity("file", one) for one in known if one))


def indicator(value: str) -> str:
    """What an alert itself calls bad: an address, a domain, a URL, or a file's hash."""
    text = value.strip().strip("<>").lower()
    if digest(text):
        return "" if is_of_nothing(text) else entity("indicator", text)
    is_url = "://" in text
    host = _host(text) if is_url else address(text) or text
    text = text if is_url else host
    try:
        is_shared = not ipaddress.ip_address(host).is_global
    except ValueError:
        is_shared = not _DOMAIN.fullmatch(host) or host.endswith(_OWN_ENDINGS)
    return "" if is_shared else entity("indicator", text)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
